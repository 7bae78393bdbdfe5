//! Prony's record formats: one line, one row or one Parquet record a request, written as a run goes
//! on, and read back.
//!
//! No other crate knows these formats. [`mod@column`] lists what a record holds, once for all of them;
//! [`jsonl`] (every field, read back losslessly by [`stored`]), [`csv`] and [`parquet`] write it
//! into memory or any writer; [`recorder`] keeps the files of one run in a folder; [`content`] is what
//! was asked and answered, and no record; [`durable`] keeps all runs for good. Read the modules in this order.

#[cfg(test)]
extern crate self as store;
#[cfg(test)]
#[expect(dead_code, reason = "some of it is for the tests from outside alone")]
#[path = "../tests/store/fixture.rs"]
mod fixture;
#[cfg(test)]
#[path = "../tests/store/generated.rs"]
mod generated;

pub mod column;
pub mod jsonl;

mod number;

pub mod csv;
pub mod parquet;
pub mod recorder;
pub mod stored;
pub mod content;

#[cfg(feature = "durable")]
#[expect(clippy::disallowed_methods, reason = "the store opens its files")]
pub mod durable;

pub use column::{Record, RunLabel};
pub use content::Content;
pub use parquet::ParquetWriter;
pub use recorder::{Existing, Format, Recorder, StoreError};
pub use stored::{ReadError, STORED_ANCHOR, StoredRequest, read_jsonl};
