//! The nouns every other crate shares: units, ids, time, randomness, a request, the events of its
//! answer, and the one record of its life.
//!
//! Nothing here does I/O, knows a wire format or a price, or spawns a task. Read the modules in
//! this order.

pub mod exchange;
pub mod failure;
pub mod model;
pub mod progress;
pub mod random;
pub mod request;
pub mod secret;
pub mod series;
pub mod time;
pub mod tool;
pub mod unit;
pub mod usage;

pub use exchange::{Chunks, Exchange, FailedAttempt, Outcome, Timeline, Vantage};
pub use failure::{ConnectStage, Failure, FailureKind};
pub use model::{BoxFuture, Completion, Model, Sink, Tokenizer};
pub use progress::{Arrival, Chunk, ChunkKind, Connection, Payload, Progress, WireFormat};
pub use random::{Random, Seed};
pub use request::{Message, Prompt, Request, RequestId, Role, Sampling};
pub use secret::Secret;
pub use series::{Series, Source};
pub use time::{Clock, SystemClock, Timestamp, WallAnchor};
pub use tool::{Tool, ToolCall, ToolChoice, ToolResult, Tools};
pub use unit::Tokens;
pub use usage::{CountSource, FinishReason, Usage};
