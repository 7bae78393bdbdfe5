//! Takes in the record of every request, from any number of producers, and says what they amount to.
//!
//! [`Collector::submit`] puts a [`Record`] into a bounded intake; where that is full the producer
//! waits, and nothing is ever dropped. One thread, a [`Worker`], hands the records in batches to a
//! [`Keeper`], which makes them survive, and only then acknowledges them and rolls them up by series
//! and second. From the rollups come the [`live`] windows of the last moments, which alone may be
//! thinned, the [`metrics`] that Prometheus reads, and those that are pushed over [`otlp`].
//!
//! Beside that [`resource`] samples what Prony and a server beside it take, and [`scrape`] reads what
//! model servers tell of themselves.
//!
//! Read the modules in this order.

pub mod series;

pub mod record;

mod intake;

pub mod live;

mod breakdown;

mod totals;

pub mod collector;

pub mod worker;

mod protobuf;

pub mod metrics;

mod http;

pub mod otlp;

pub mod resource;

pub mod scrape;

pub use collector::{Collector, Settings, Status};
pub use live::{LiveSeries, LiveWindow, LiveWindows};
pub use record::{Closed, Keeper, Record, RunTag, SeriesDelta, Ticket};
pub use series::{InFlight, InFlightGauge, SeriesTable, Tracked};
pub use worker::{Unkept, Worker};
