//! Tokenizers made from bytes: what a text costs a model, without asking the model.
//!
//! A count made here stands behind the server's own `usage`, which wins where there is one. Two
//! families implement [`domain::Tokenizer`]; where neither fits a model, [`estimate_tokens`] gives
//! a number that must be called an estimate wherever it is shown.
//!
//! Nothing here opens a file: whoever calls brings the bytes. Read the modules in this order.

pub mod estimate;
pub mod hugging_face;
pub mod tiktoken;

pub use estimate::estimate_tokens;
pub use hugging_face::{HfTokenizer, HfTokenizerError};
pub use tiktoken::{TiktokenEncoding, TiktokenTokenizer, UnknownEncoding};
