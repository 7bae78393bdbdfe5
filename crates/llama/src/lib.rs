//! The safe face of llama.cpp, and all of Prony's unsafe code for it.
//!
//! llama.cpp is not linked: [`Library::open`] opens ready-made libraries from a folder at run time,
//! checks that they are of the version this crate was written against, and lets ggml pick the CPU
//! variant (or GPU) that is best here. A load test that uses no embedded model therefore carries
//! none of it.
//!
//! Why ready-made libraries: building llama.cpp from source takes five minutes of two cores for
//! each profile and gives one CPU variant; fetching the pinned package takes three seconds and
//! gives fourteen, of which the best is worth 1.25 to 1.5 times the plainest. The other way stays
//! open: a folder of libraries built from source (`scripts/llama-library.sh` says how) is opened
//! just the same. So are GPUs: CUDA, Vulkan and Metal are backends in that folder, not features of
//! this crate, and [`ModelOptions::gpu_layers`] says how much of a model goes there.
//!
//! [`Model`] is a loaded GGUF file, with its tokenizer and chat template; [`Context`] is one KV
//! cache over a model, into which a [`Batch`] of tokens of many sequences is decoded at once;
//! [`Sampler`] draws the next token from the logits; [`Text`] joins tokens' bytes into UTF-8. What
//! runs when is the caller's affair. [`quantize`](fn@quantize) writes a file with other number formats.
//!
//! Read `library`, `ffi` and `log` (opening and checking), then `model` and `template`, then
//! `context`, `sampler` and `text`.

mod context;
mod error;
mod ffi;
mod library;
mod log;
mod model;
mod quantize;
mod sampler;
mod template;
mod text;

pub use context::{
    Batch, Context, ContextOptions, DecodeError, FlashAttention, KvType, SequenceId,
};
pub use error::{LibraryError, LoadError, QuantizeError, TemplateError};
pub use library::{Device, DeviceKind, Library};
pub use model::{Model, ModelOptions, Token};
pub use quantize::{FileType, quantize};
pub use sampler::{Sampler, Sampling, greedy};
pub use template::ChatTemplate;
pub use text::Text;
