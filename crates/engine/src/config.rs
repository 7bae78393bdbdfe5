//! How the engine is set up.

use std::time::Duration;

use domain::Seed;
use llama::{FlashAttention, KvType};

/// When waiting requests join those under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batching {
    /// Those that wait are taken together, up to `size`, and run until the last of them is done
    /// before others are taken.
    Static {
        /// Most requests at once.
        size: u32,
    },
    /// The same, but a batch first waits until it is full or its oldest request has waited long
    /// enough.
    Dynamic {
        /// Most requests at once.
        max_size: u32,
        /// The longest wait for the batch to fill.
        max_delay: Duration,
    },
    /// A request is taken as soon as a place is free.
    Continuous {
        /// Most requests at once.
        max_size: u32,
    },
}

impl Batching {
    /// Most requests at once.
    #[must_use]
    pub const fn size_max(self) -> u32 {
        match self {
            Self::Static { size } => size,
            Self::Dynamic { max_size, .. } | Self::Continuous { max_size } => max_size,
        }
    }
}

/// What the engine makes of a prompt that is plain text and no conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainText {
    /// It is continued as it stands, as a completions endpoint does. A model that is made for
    /// conversations often takes a question for the end of a text, and answers nothing.
    #[default]
    Continued,
    /// It is what a user says, as at a chat endpoint, and takes the model's chat form.
    Said,
}

/// The engine's settings. [`EngineConfig::default`] suits a small model on a small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Tokens the KV cache holds, of all requests together.
    pub context: u32,
    /// Most tokens of one request, prompt and answer; `None` is what the model was trained for, as
    /// far as `context` allows.
    pub context_per_request: Option<u32>,
    /// The longest answer of a request that sets no limit.
    pub max_tokens: u32,
    /// How many requests run at once, and when waiting ones join.
    pub batching: Batching,
    /// Most requests that wait; one more is refused as overloaded.
    pub queue: usize,
    /// Finished sequences kept in the KV cache, as far as it has room, for later requests that
    /// begin the same; 0 keeps none.
    pub prefix_cache: u32,
    /// Most tokens of one `llama_decode`.
    pub batch: u32,
    /// Most tokens computed at once.
    pub micro_batch: u32,
    /// Most prompt tokens that join a batch in which answers are under way, so that a long prompt
    /// does not stall them.
    pub prefill_chunk: u32,
    /// Threads for batches of one token; `None` is one a processor.
    pub threads: Option<u32>,
    /// Threads for larger batches; `None` is the same.
    pub threads_batch: Option<u32>,
    /// Flash attention.
    pub flash_attention: FlashAttention,
    /// Format of the cache's keys.
    pub keys: KvType,
    /// Format of the cache's values.
    pub values: KvType,
    /// What a prompt of plain text is.
    pub plain_text: PlainText,
    /// Seed of the draws of requests that bring none.
    pub seed: Seed,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            context: 8_192,
            context_per_request: None,
            max_tokens: 512,
            batching: Batching::Continuous { max_size: 32 },
            queue: 1_024,
            prefix_cache: 32,
            batch: 512,
            micro_batch: 512,
            prefill_chunk: 128,
            threads: None,
            threads_batch: None,
            flash_attention: FlashAttention::Auto,
            keys: KvType::F16,
            values: KvType::F16,
            plain_text: PlainText::default(),
            seed: Seed(0),
        }
    }
}

/// llama.cpp's own limit (`LLAMA_MAX_SEQ`).
const SEQUENCES_MAX: u32 = 256;

/// A setting, or two together, that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number that must not be zero is.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// More sequences than llama.cpp can tell apart.
    #[error(
        "requests at once ({running}) and kept prefixes ({kept}) are more than llama.cpp's \
         {SEQUENCES_MAX} sequences: lower one of them"
    )]
    TooManySequences {
        /// Requests at once.
        running: u32,
        /// Prefixes kept.
        kept: u32,
    },
    /// A tick could not hold one token of each request.
    #[error("batch ({batch}) must hold at least one token of each request at once ({running})")]
    BatchTooSmall {
        /// Tokens of a batch.
        batch: u32,
        /// Requests at once.
        running: u32,
    },
}

impl EngineConfig {
    /// Refuses settings that cannot work.
    ///
    /// # Errors
    /// The first such setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        let running = self.batching.size_max();
        for (value, name) in [
            (self.context, "context"),
            (self.context_per_request.unwrap_or(1), "context_per_request"),
            (self.max_tokens, "max_tokens"),
            (running, "the batching size"),
            (self.batch, "batch"),
            (self.micro_batch, "micro_batch"),
            (self.prefill_chunk, "prefill_chunk"),
            (self.threads.unwrap_or(1), "threads"),
            (self.threads_batch.unwrap_or(1), "threads_batch"),
        ] {
            if value == 0 {
                return Err(ConfigError::Zero(name));
            }
        }
        if self.queue == 0 {
            return Err(ConfigError::Zero("queue"));
        }
        if running.saturating_add(self.prefix_cache) > SEQUENCES_MAX {
            return Err(ConfigError::TooManySequences { running, kept: self.prefix_cache });
        }
        if self.batch < running {
            return Err(ConfigError::BatchTooSmall { batch: self.batch, running });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let config = EngineConfig::default;
        let check = |config: EngineConfig, expect: Option<&str>| {
            let error = config.check().err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expect, "{config:?}");
        };
        check(config(), None);
        check(EngineConfig { queue: 0, ..config() }, Some("queue must be at least 1"));
        check(EngineConfig { threads: Some(0), ..config() }, Some("threads must be at least 1"));
        check(
            EngineConfig { batching: Batching::Static { size: 0 }, ..config() },
            Some("the batching size must be at least 1"),
        );
        check(
            EngineConfig { batching: Batching::Continuous { max_size: 250 }, ..config() },
            Some(
                "requests at once (250) and kept prefixes (32) are more than llama.cpp's 256 \
                 sequences: lower one of them",
            ),
        );
        check(
            EngineConfig { batch: 16, ..config() },
            Some("batch (16) must hold at least one token of each request at once (32)"),
        );
    }
}
