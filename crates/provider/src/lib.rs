//! A remote model as a [`domain::Model`]: one HTTP client, written for the hot path of a load test.
//!
//! What it promises: the arrival of every chunk is the kernel's receive stamp where the system has
//! one; nothing is retried unless the target says so; JSON is parsed only where a figure needs it;
//! an idle connection holds no buffer.
//!
//! Read in this order. [`target`] says whom to call and how; [`stamp`] is the socket that knows when
//! bytes came, and [`transport`] opens it and puts TLS on it. `request` and `answer` are what both
//! HTTPs share: what stands before a body, and what becomes of one; `patience` keeps the time
//! limits. HTTP/1.1: `body` and `response` read it without I/O, `pool` keeps idle connections,
//! `http1` drives an exchange. HTTP/2: `frame` and `ledger` know when each frame came, `links` are
//! the connections, `http2` drives an exchange. `wire` is either of the two, [`client`] the model
//! made of it, [`probe`] asks a server what it is, and `redact` keeps secrets out of messages.

pub mod target;

pub mod stamp;
pub mod transport;

mod answer;
mod patience;
mod request;

mod body;
mod http1;
mod pool;
mod response;

mod frame;
mod http2;
mod ledger;
mod links;

mod wire;

pub mod client;
pub mod probe;
mod redact;

pub use client::Provider;
pub use target::{BaseUrl, HttpVersion, Retries, Target, TargetError, Timeouts, Tls};
