//! Results for people and programs: the console's blocks, table and warnings, and `summary.json`.
//!
//! Everything goes into a writer that is handed in; this crate opens no file, asks no terminal and
//! reads no setting. [`benchmark`] is what there is to tell, [`json`] tells it to programs and
//! [`console`] to people. Read the modules in this order.

pub mod benchmark;
pub mod json;

mod figure;
mod format;

pub mod console;

mod block;
mod table;
mod warning;

pub use benchmark::{Benchmark, Machine, ProcessUse, Run};
pub use console::Style;
