//! A simulated model server with a known timetable: the measuring stick that Prony's own accuracy is
//! checked against.
//!
//! It answers in OpenAI and Anthropic form, streamed and not, at moments it was told to; makes go
//! wrong what it was told to; and logs what it truly did and when, each write to a socket stamped
//! before and after on `CLOCK_MONOTONIC`. A client on the same machine can then be held against the
//! log, request by request, through the `x-request-id` it sent.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use sim::{Draw, Service, Sim, SimConfig, Time, Timetable};
//!
//! let timetable = Timetable {
//!     ttft: Draw::Fixed(Duration::from_millis(50)),
//!     itl: Draw::Fixed(Duration::from_millis(10)),
//! };
//! let config = SimConfig { service: Service::Timetable(timetable), ..SimConfig::default() };
//! let sim = Sim::bind(config, "127.0.0.1:0".parse()?, &Time::Machine)?.start();
//! // Send requests to `sim.local_addr()` …
//! for record in sim.stop().await? {
//!     let _first_token = record.first_token();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The pure part, what happens when, comes first; then the thin shell of HTTP around it; then the
//! log. Read the modules in this order.

pub mod draw;

pub mod timetable;

pub mod service;

pub mod fault;

pub mod config;

pub mod log;

pub mod log_writer;

mod http;

mod connection;

mod admission;

mod plan;

mod stream;

mod whole;

pub mod server;

pub use ::pace::Time;
pub use config::{ConfigError, Service, SimConfig};
pub use draw::{Draw, DrawError};
pub use fault::{BreakOff, Fault, Faults};
pub use log::{End, Served, SimLog, TokenWrite, Write};
pub use log_writer::LogWriter;
pub use server::{BindError, RunningSim, Sim};
pub use service::Slots;
pub use timetable::Timetable;

#[cfg(test)]
mod tests;
