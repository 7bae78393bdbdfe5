//! The client against a strict fake server on real sockets, feature by feature.

mod check;

mod connections;
mod exchange;
mod failures;
mod http2;
mod probe;
mod retries;
mod stamps;
mod timeouts;
mod tls;
