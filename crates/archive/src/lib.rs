//! Everything that was measured, kept for good and found again.
//!
//! It joins the durable store to whoever fills it and whoever asks: `collect` hands over records and
//! what they add up to, `control` its benchmarks. [`series`] and [`rollup`] say how a series and a
//! window are written down; [`archive`](mod@archive) opens a store and brings it up to date;
//! [`records`] and [`benchmarks`] keep what is handed over; [`recording`] takes a benchmark's records
//! from the load to the collector; [`samples`] is what was looked at meanwhile; [`history`] answers what is asked of it all. Read the modules in
//! this order.

pub mod series;

pub mod rollup;

pub mod archive;

pub mod records;

pub mod benchmarks;

pub mod recording;

pub mod samples;

pub mod history;

pub use archive::Archive;
pub use benchmarks::BenchmarkKeeper;
pub use history::{History, HistoryError};
pub use recording::Recording;
pub use records::RecordKeeper;
pub use samples::SampleKeeper;
