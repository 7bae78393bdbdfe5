//! Everything that was measured, kept for good and found again.
//!
//! [`series`] and [`rollup`] say how a series and a window are written down in the durable store.

pub mod rollup;
pub mod series;
