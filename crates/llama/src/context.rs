//! One KV cache over a model, and the batches that are decoded into it.
#![expect(unsafe_code, reason = "calls the C library")]

use std::fmt;
use std::ops::Range;
use std::ptr::NonNull;

use domain::Tokenizer as _;

use crate::error::LoadError;
use crate::ffi::{RawBatch, RawContext, RawMemory};
use crate::log;
use crate::model::{Model, Token};

/// One of the sequences that share a context, counted from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub u32);

impl SequenceId {
    fn raw(self) -> i32 {
        i32::try_from(self.0).expect("a context has at most a few hundred sequences")
    }
}

/// The number format of the KV cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvType {
    /// 32 bits.
    F32,
    /// 16 bits.
    F16,
    /// 8.5 bits.
    Q8_0,
    /// 4.5 bits.
    Q4_0,
}

impl KvType {
    /// The value of `enum ggml_type`.
    const fn raw(self) -> i32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 8,
        }
    }
}

/// Whether attention is computed without writing its whole matrix out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashAttention {
    /// Where the device has it.
    Auto,
    /// Never.
    Off,
    /// Always; a model or device without it is refused.
    On,
}

/// How to make a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextOptions {
    /// Tokens the KV cache holds, of all sequences together.
    pub context: u32,
    /// Most tokens of one call to [`Context::decode`].
    pub batch: u32,
    /// Most tokens computed at once; a larger batch is computed in parts.
    pub micro_batch: u32,
    /// Most sequences.
    pub sequences: u32,
    /// Threads for batches of one token.
    pub threads: u32,
    /// Threads for larger batches.
    pub threads_batch: u32,
    /// Whether all sequences share one buffer: any of them can take the whole context, and prefixes
    /// can be shared. Else each has an equal part, and attention does not look past its own.
    pub unified: bool,
    /// Flash attention.
    pub flash_attention: FlashAttention,
    /// Format of the keys.
    pub keys: KvType,
    /// Format of the values; only F32 and F16 without flash attention.
    pub values: KvType,
}

/// Why a batch was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The cache has no room for it; it is as it was before.
    #[error("the KV cache is full")]
    Full,
    /// Computing failed; the cache is in an unknown state and must be cleared.
    #[error("llama_decode failed with code {0}")]
    Failed(i32),
}

/// Tokens to decode in one call, of any sequences in any mix; a sequence's tokens in order.
#[derive(Debug, Default)]
pub struct Batch {
    tokens: Vec<Token>,
    positions: Vec<i32>,
    sequences: Vec<i32>,
    outputs: Vec<i8>,
    /// One pointer a token into `sequences`, filled when the batch is handed over.
    sequence_pointers: Vec<usize>,
    sequence_counts: Vec<i32>,
}

impl Batch {
    /// Forgets the tokens, keeping the memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    /// Adds `token` at `position` of `sequence`, and says its index in the batch. With `output`, its
    /// logits can be read after decoding.
    pub fn push(
        &mut self,
        token: Token,
        position: u32,
        sequence: SequenceId,
        output: bool,
    ) -> usize {
        self.tokens.push(token);
        self.positions.push(i32::try_from(position).expect("contexts are smaller than 2^31"));
        self.sequences.push(sequence.raw());
        self.outputs.push(i8::from(output));
        self.tokens.len() - 1
    }

    /// The number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The indices of the tokens pushed with `output`.
    pub fn outputs(&self) -> impl Iterator<Item = usize> + '_ {
        self.outputs.iter().enumerate().filter(|(_, output)| **output != 0).map(|(index, _)| index)
    }

    /// The batch as C sees it; its pointers are good until the batch is touched again.
    fn raw(&mut self) -> RawBatch {
        let first = self.sequences.as_mut_ptr();
        self.sequence_counts.resize(self.tokens.len(), 1);
        self.sequence_pointers.clear();
        self.sequence_pointers.extend(
            (0..self.tokens.len()).map(|index| first.wrapping_add(index).expose_provenance()),
        );
        RawBatch {
            tokens_len: i32::try_from(self.tokens.len()).expect("batches are smaller than 2^31"),
            token: self.tokens.as_mut_ptr().cast(),
            embedding: std::ptr::null_mut(),
            position: self.positions.as_mut_ptr(),
            sequences_len: self.sequence_counts.as_mut_ptr(),
            sequences: self.sequence_pointers.as_mut_ptr().cast(),
            output: self.outputs.as_mut_ptr(),
        }
    }
}

/// A KV cache over a model, with the buffers to compute in.
pub struct Context {
    model: Model,
    raw: NonNull<RawContext>,
    memory: *mut RawMemory,
    options: ContextOptions,
    vocabulary_size: usize,
    /// Which tokens of the last batch have logits.
    outputs: Vec<i8>,
}

// SAFETY: a context may move between threads; it is only used by one at a time, since every method
// that touches it takes `&mut self`.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and the model it stands on still lives.
        unsafe { (self.model.library().functions().llama_free)(self.raw.as_ptr()) };
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Context {
    /// Makes a context over `model`.
    ///
    /// # Errors
    /// Where memory does not suffice, or the options do not go together.
    pub fn new(model: &Model, options: ContextOptions) -> Result<Self, LoadError> {
        let functions = model.library().functions();
        log::clear();
        // SAFETY: takes nothing.
        let mut params = unsafe { (functions.llama_context_default_params)() };
        params.context = options.context;
        params.batch = options.batch;
        params.micro_batch = options.micro_batch.min(options.batch);
        params.sequences_max = options.sequences;
        params.outputs_max = options.sequences.max(1);
        params.threads = i32::try_from(options.threads).unwrap_or(i32::MAX);
        params.threads_batch = i32::try_from(options.threads_batch).unwrap_or(i32::MAX);
        params.kv_unified = u8::from(options.unified);
        params.type_k = options.keys.raw();
        params.type_v = options.values.raw();
        params.flash_attention = match options.flash_attention {
            FlashAttention::Auto => -1,
            FlashAttention::Off => 0,
            FlashAttention::On => 1,
        };
        // SAFETY: the model is loaded, and the parameters are the library's own with known fields
        // changed.
        let raw = unsafe { (functions.llama_init_from_model)(model.raw(), params) };
        let raw = NonNull::new(raw).ok_or_else(|| LoadError::Context {
            context: options.context,
            reason: log::take_errors(),
        })?;
        // SAFETY: the context was just made.
        let memory = unsafe { (functions.llama_get_memory)(raw.as_ptr()) };
        let vocabulary_size = model.vocabulary_size();
        Ok(Self {
            model: model.clone(),
            raw,
            memory,
            options,
            vocabulary_size,
            outputs: Vec::new(),
        })
    }

    /// The model it stands on.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The options it was made with.
    #[must_use]
    pub fn options(&self) -> &ContextOptions {
        &self.options
    }

    /// Tokens the cache really holds: llama.cpp rounds what it was asked for up.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        // SAFETY: the context lives.
        unsafe { (self.model.library().functions().llama_n_ctx)(self.raw.as_ptr()) }
    }

    /// Computes `batch`, and keeps its keys and values.
    ///
    /// # Errors
    /// Where the cache is full or computing failed.
    ///
    /// # Panics
    /// Where the batch is empty, larger than the options allow, or holds an unknown token or
    /// sequence.
    pub fn decode(&mut self, batch: &mut Batch) -> Result<(), DecodeError> {
        self.check(batch);
        self.outputs.clear();
        // SAFETY: the batch's arrays have the lengths given, and everything in them was checked.
        let code = unsafe {
            (self.model.library().functions().llama_decode)(self.raw.as_ptr(), batch.raw())
        };
        match code {
            0 => {
                self.outputs.extend_from_slice(&batch.outputs);
                Ok(())
            }
            1 => Err(DecodeError::Full),
            code => Err(DecodeError::Failed(code)),
        }
    }

    /// llama.cpp ends the process where some of these do not hold.
    fn check(&self, batch: &Batch) {
        assert!(!batch.is_empty(), "an empty batch");
        assert!(batch.len() <= self.options.batch as usize, "more tokens than a batch may have");
        let outputs = batch.outputs.iter().filter(|&&output| output != 0).count();
        assert!(outputs <= self.options.sequences as usize, "more outputs than sequences");
        for (token, &sequence) in batch.tokens.iter().zip(&batch.sequences) {
            assert!((0..self.vocabulary_size).contains(&(token.0 as usize)), "an unknown token");
            assert!((sequence as u32) < self.options.sequences, "an unknown sequence");
        }
    }

    /// The logits after the `index`-th token of the last batch, one a token of the vocabulary. They
    /// may be changed before sampling.
    ///
    /// # Panics
    /// Where that token was not pushed with `output`, or decoding it failed.
    pub fn logits(&mut self, index: usize) -> &mut [f32] {
        let raw_index = self.output_index(index);
        // SAFETY: the token has an output, so its logits are there, one a token of the vocabulary,
        // and stay until the next decode; the exclusive borrow keeps that away.
        unsafe {
            let logits = (self.model.library().functions().llama_get_logits_ith)(
                self.raw.as_ptr(),
                raw_index,
            );
            assert!(!logits.is_null(), "llama.cpp has no logits for an output");
            std::slice::from_raw_parts_mut(logits, self.vocabulary_size)
        }
    }

    /// The index as C wants it, once it is known to have an output.
    pub(crate) fn output_index(&self, index: usize) -> i32 {
        assert!(self.outputs.get(index).is_some_and(|&output| output != 0), "no output at {index}");
        i32::try_from(index).expect("batches are smaller than 2^31")
    }

    pub(crate) fn raw(&mut self) -> *mut RawContext {
        self.raw.as_ptr()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        // SAFETY: the memory is the context's own.
        unsafe { (self.model.library().functions().llama_memory_clear)(self.memory, 0) };
    }

    /// Forgets the tokens of `sequence` at `positions`. Says whether it could: a model that cannot
    /// share prefixes only forgets whole sequences.
    pub fn remove(&mut self, sequence: SequenceId, positions: Range<u32>) -> bool {
        let (from, to) = raw_range(&positions);
        let functions = self.model.library().functions();
        // SAFETY: the memory is the context's own; an unknown sequence has no tokens.
        unsafe { (functions.llama_memory_seq_rm)(self.memory, sequence.raw(), from, to) != 0 }
    }

    /// Lets sequence `to` share the tokens of `from` at `positions`, without copying them where the
    /// cache is unified.
    ///
    /// # Panics
    /// Where the cache is not unified and `positions` is only a part.
    pub fn share(&mut self, from: SequenceId, to: SequenceId, positions: Range<u32>) {
        assert!(self.options.unified, "prefixes are shared in a unified cache only");
        let (start, end) = raw_range(&positions);
        let functions = self.model.library().functions();
        // SAFETY: the memory is the context's own, and the sequences are checked here.
        unsafe {
            assert!(from.0.max(to.0) < self.options.sequences, "an unknown sequence");
            (functions.llama_memory_seq_cp)(self.memory, from.raw(), to.raw(), start, end);
        }
    }
}

fn raw_range(positions: &Range<u32>) -> (i32, i32) {
    let raw = |position| i32::try_from(position).unwrap_or(i32::MAX);
    (raw(positions.start), raw(positions.end))
}
