//! The wire formats of model APIs, both ways, as pure functions over bytes.
//!
//! A client asks here what to send and feeds back what it reads; a server asks here what a request
//! means and how to write the answer. Nothing here does I/O or reads a clock, and no other crate
//! knows this JSON. Read the modules in this order.
//!
//! The formats are those of [`WireFormat`]: OpenAI chat and legacy completions, with the
//! peculiarities of the servers that speak them (vLLM, llama.cpp, SGLang, TGI, Ollama, Azure,
//! DeepSeek, Mistral, Groq, xAI, OpenRouter), and Anthropic messages.

pub mod endpoint;
pub mod request;

pub mod sse;

pub mod scan;

pub mod decode;

pub mod part;

pub mod answer;

pub mod failure;
pub mod models;

pub mod incoming;

pub mod encode;

mod anthropic;
pub mod date;
mod event;
mod json;
mod openai;
mod retry;
mod usage;

pub use answer::{AnswerText, ToolCall, Whole, decode_parts, decode_text, decode_whole};
pub use decode::{Answer, AnswerDecoder, Piece};
pub use domain::WireFormat;
pub use encode::{AnswerEncoder, ErrorReport, OutOfOrder, encode_error};
pub use endpoint::{path, request_headers, server_request_id};
pub use incoming::{BadRequest, IncomingRequest, parse_request};
pub use part::Part;
pub use request::{EncodeError, IgnoreEos, LimitField, RequestOptions, encode_request};
