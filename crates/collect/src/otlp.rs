//! Metrics pushed over OTLP, by the names of OpenTelemetry's conventions for generative AI.
//!
//! A [`Pusher`] sends what [`encode`] writes. Names follow the version that [`Conventions`] chooses,
//! and what has no name there is called `prony.…`, the same in every version.
//!
//! | what | `v1.41` | `next` | unit |
//! |---|---|---|---|
//! | end-to-end latency; `error.type` says which failed | `gen_ai.client.operation.duration` | `gen_ai.client.inference.duration` | s |
//! | time to the first token | `gen_ai.client.operation.time_to_first_chunk` | `gen_ai.client.inference.time_to_first_chunk` | s |
//! | gaps between chunks | `gen_ai.client.operation.time_per_output_chunk` | `gen_ai.client.inference.time_per_output_chunk` | s |
//! | tokens a request, by direction | `gen_ai.client.token.usage`, by `gen_ai.token.type` | `gen_ai.client.inference.operation.input_tokens`, `….output_tokens` | {token} |
//! | tokens | the same one's sum | `gen_ai.client.inference.usage.input_tokens`, `….output_tokens` | {token} |
//! | of them from the prompt cache | `prony.cache_read.input_tokens` | `gen_ai.client.inference.usage.cache_read.input_tokens` | {token} |
//! | of them written to it | `prony.cache_write.input_tokens` | `gen_ai.client.inference.usage.cache_write.input_tokens` | {token} |
//! | of them spent on reasoning | `prony.reasoning.output_tokens` | `gen_ai.client.inference.usage.reasoning.output_tokens` | {token} |
//! | time per output token | `prony.time_per_output_token` | = | s |
//! | how late the client started requests | `prony.schedule_lag` | = | s |
//! | tries beyond each request's first | `prony.retries` | = | {attempt} |
//! | requests in flight | `prony.requests.active` | = | {request} |
//!
//! What an engine sees of itself (`prony.vantage` = `engine`) has other names, in both versions:
//! `gen_ai.server.request.duration`, `gen_ai.server.time_to_first_token`,
//! `gen_ai.server.time_per_output_token`, and `prony.token.usage`, `prony.time_per_output_chunk`,
//! `prony.cache_read.input_tokens` and so on for the rest. So requests seen by both are not added up.
//!
//! The collector itself is told by `prony.records.kept`, `prony.intake.records`,
//! `prony.intake.held_back`, `prony.keeper.failures`, `prony.live_windows.thinned` and
//! `prony.series.merged`.
//!
//! Each point of a request's metrics has `gen_ai.operation.name` (`chat`: text completions are not
//! told apart), `gen_ai.provider.name`, `gen_ai.request.model`, `prony.region`, `prony.vantage`,
//! `prony.vantage_region`, `prony.scenario` and `prony.source`, those that are known. The address of
//! the server is not, since one series may be served at several. `error.type` is the kind of failure
//! in Prony's own words. Tokens are all of the modality `text`.
//!
//! Everything counts from the collector's start, which each point names, so a push that is lost
//! loses nothing. Counts are monotonic sums; durations are exponential histograms of scale 6, the
//! very buckets of a [`Sketch`](analysis::Sketch); tokens have the bounds that the conventions
//! recommend. `v1.41` is that of the common semantic conventions; `next` is what the conventions of
//! generative AI's own, still in development, call the same things in the draft of their migration
//! guide.

mod answer;
mod message;
mod names;
mod push;

pub use answer::PushError;
pub use message::encode;
pub use push::{Failure, Pusher, Settings, SettingsError, Status, families};

/// Which version of OpenTelemetry's conventions for generative AI the names follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conventions {
    /// Version 1.41, the last in the common conventions.
    #[default]
    V1_41,
    /// The conventions of their own, not published yet: names may change.
    Next,
}

/// A version nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are no conventions {0:?}: set v1.41 or next")]
pub struct UnknownConventions(pub String);

impl Conventions {
    /// The version of that name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn named(name: &str) -> Result<Self, UnknownConventions> {
        match name {
            "v1.41" => Ok(Self::V1_41),
            "next" => Ok(Self::Next),
            other => Err(UnknownConventions(other.to_owned())),
        }
    }

    /// Where the schema of its names is described, once it is published.
    const fn schema_url(self) -> Option<&'static str> {
        match self {
            Self::V1_41 => Some("https://opentelemetry.io/schemas/1.41.0"),
            Self::Next => None,
        }
    }
}
