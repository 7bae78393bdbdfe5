//! Everything that was measured, kept for good and found again.
//!
//! It joins the durable store to whoever fills it and whoever asks: `collect` hands over records and
//! what they add up to, `control` its benchmarks. [`series`] and [`rollup`] say how a series and a
//! window are written down; [`archive`](mod@archive) opens a store and brings it up to date;
//! [`records`] and [`benchmarks`] keep what is handed over; [`recording`] takes the records of
//! runs from the load to the collector, and [`content`] keeps what was said where that is wanted; [`samples`] is what was looked at meanwhile;
//! [`availability`] keeps what became of canaries; [`logbook`] is what a benchmark of another process
//! is written into, through this one or beside it; [`history`] answers what is asked of it all. Read
//! the modules in this order.

pub mod series;

pub mod rollup;

pub mod archive;

pub mod records;

pub mod benchmarks;

pub mod content;

pub mod recording;

pub mod samples;

pub mod availability;

pub mod logbook;

mod link;

pub mod history;

pub use archive::Archive;
pub use availability::AvailabilityBook;
pub use benchmarks::BenchmarkKeeper;
pub use content::{ContentKeeper, Teller};
pub use history::{History, HistoryError};
pub use link::{Door, Host};
pub use logbook::Logbook;
pub use recording::Recording;
pub use records::RecordKeeper;
pub use samples::SampleKeeper;
