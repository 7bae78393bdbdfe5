//! Everything that was measured, kept for good and found again.
//!
//! [`series`] and [`rollup`] say how a series and a window are written down in the durable store.
//! [`history`] answers what is asked of it.

pub mod rollup;
pub mod series;

pub mod history;

pub use history::{History, HistoryError};
