//! The embedded model: llama.cpp in this process, behind [`domain::Model`].
//!
//! One thread owns the context. Each tick it takes in waiting requests, gathers the next tokens of
//! every sequence under way into one batch, decodes it, draws a token for each sequence whose
//! prompt is done, and hands the text to the tasks that await it. All sequences share one KV cache,
//! in which equal beginnings are stored once.
//!
//! The decisions (who is let in, which tokens come next, whose cache is reused or given up) are
//! made by two pure modules, `gate` and `schedule`.
//!
//! Read `config`, then the decisions (`gate`, `schedule`), then a request's way: `engine`, `intake`,
//! `worker`, `answer` with `stop`, `mailbox`; `stats` counts it all.

mod answer;
mod config;
mod engine;
mod gate;
mod intake;
mod mailbox;
mod schedule;
mod stats;
mod stop;
mod worker;

pub use config::{Batching, ConfigError, EngineConfig, PlainText};
pub use engine::{Engine, StartError};
pub use stats::Snapshot;
