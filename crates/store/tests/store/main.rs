//! The record formats from outside: what is written, read back, and left in a folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "the tests look into the store's files")]

mod content;
mod durable;
mod fixture;
mod formats;
mod generated;
mod kill;
mod pyarrow;
mod query;
mod recorder;
