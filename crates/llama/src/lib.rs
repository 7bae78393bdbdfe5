//! The safe face of llama.cpp, and all of Prony's unsafe code for it.
//!
//! llama.cpp is not linked: [`Library::open`] opens ready-made libraries from a folder at run time,
//! checks that they are of the version this crate was written against, and lets ggml pick the CPU
//! variant (or GPU) that is best here. A load test that uses no embedded model therefore carries
//! none of it.
//!
//! [`Model`] is a loaded GGUF file, with its tokenizer and chat template; [`Context`] is one KV
//! cache over a model, into which a [`Batch`] of tokens of many sequences is decoded at once;
//! [`Sampler`] draws the next token from the logits; [`Text`] joins tokens' bytes into UTF-8. What
//! runs when is the caller's affair.
//!
//! Read the modules in this order.

mod context;
mod error;
mod ffi;
mod library;
mod log;
mod model;
mod sampler;
mod template;
mod text;

pub use context::{
    Batch, Context, ContextOptions, DecodeError, FlashAttention, KvType, SequenceId,
};
pub use error::{LibraryError, LoadError, TemplateError};
pub use library::{Device, DeviceKind, Library};
pub use model::{Model, ModelOptions, Token};
pub use sampler::{Sampler, Sampling, greedy};
pub use template::ChatTemplate;
pub use text::Text;
