//! The record formats from outside: what is written, read back, and left in a folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod durable;
mod fixture;
mod formats;
mod generated;
mod kill;
mod pyarrow;
mod query;
mod recorder;
