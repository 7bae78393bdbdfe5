//! What the records of a run amount to: every figure, its uncertainty, and whether to believe it.
//!
//! Pure: no I/O, no clock. Everything is computed from [`domain::Exchange`]s and numbers handed in,
//! and everything random is drawn from a [`domain::Seed`], so the same records always give the same
//! figures. Times inside are integer nanoseconds; latency figures come out in milliseconds.
//!
//! The first half are instruments that know nothing of models: [`percentile`], [`histogram`] and
//! [`sketch`] summarize values, [`interval`] says how far a figure may be off, [`steady`] finds where
//! a run settles, [`arrivals`] checks a delivered load against its plan, [`usl`] fits a capacity
//! curve, [`compare`] holds two runs against each other. The second half applies them: [`metrics`] defines
//! the figures of one request, a [`remedy`] is what to do about a kind of failure, a [`doubt`] is a reason not to believe a run's, [`verdict`] says what
//! each takes, [`summary`] is what a run comes to, [`spec`] what must be known of it beforehand, and
//! [`run`] gathers its requests; [`rollup`] keeps requests by the second for as long as anyone likes.
//! Read the modules in this order.

pub mod percentile;

pub mod histogram;

pub mod sketch;

pub mod interval;

pub mod steady;

pub mod arrivals;

pub mod usl;

pub mod compare;

pub mod metrics;

pub mod remedy;

pub mod doubt;

pub mod verdict;

pub mod summary;

pub mod spec;

mod timeline;

mod reads;

pub mod run;

pub mod rollup;

pub use arrivals::{Delivery, DeliveryVerdict, Rates};
pub use doubt::Doubt;
pub use histogram::Recorder;
pub use interval::{Interval, Proportion};
pub use metrics::{Convention, Figures, Origin, Slo};
pub use percentile::{Percentile, Quantile, Summary};
pub use remedy::{remedy, remedy_by_flags};
pub use run::{RunAccumulator, WarmUp};
pub use sketch::{Sketch, SketchError, SketchParts};
pub use spec::{ArrivalClock, RunSpec};
pub use steady::Steady;
pub use summary::RunSummary;
pub use verdict::{Reach, Verdict};
