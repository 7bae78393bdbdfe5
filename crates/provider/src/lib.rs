//! A remote model as a [`domain::Model`]: one HTTP client, written for the hot path of a load test.
//!
//! What it promises: the arrival of every chunk is the kernel's receive stamp where the system has
//! one; nothing is retried unless the target says so; JSON is parsed only where a figure needs it;
//! an idle connection holds no buffer.
//!
//! Read in this order: [`target`] says whom to call and how, [`stamp`] is the socket that knows
//! when bytes came, [`transport`] puts TLS on it, [`body`] and [`response`] read HTTP/1.1 without
//! I/O, [`http1`] drives one exchange over a connection, [`http2`] over a stream, [`pool`] keeps
//! connections, and [`client`] is the model made of them. [`probe`] asks a server what it is.

mod body;
pub mod client;
mod http1;
mod pool;
pub mod probe;
mod response;
pub mod stamp;
pub mod target;
pub mod transport;

pub use client::Provider;
pub use target::{BaseUrl, HttpVersion, Retries, Target, TargetError, Timeouts, Tls};
