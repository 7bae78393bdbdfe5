//! The crate from the outside: records in, what they amount to out.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod collector;
mod fixture;
mod live;
mod metrics;
mod otlp;
mod prometheus;
mod protobuf;
mod push;
mod receiver;
mod resource;
mod scrape;
