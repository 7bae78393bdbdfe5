//! Runs a load plan against a model.
//!
//! [`plan`] says what to do, [`schedule`] (pure) when each request is due, [`workload`] what it
//! asks. [`runner`] does it: [`flight`] watches each request and turns it into its record, and
//! [`transcript`] catches what was said, where that is wanted; [`intake`] hands both on, [`live`]
//! counts.

pub mod plan;
pub mod schedule;
pub mod workload;
pub mod live;
pub mod runner;
pub mod transcript;
pub mod flight;
pub mod intake;

pub use intake::Intake;
pub use live::Live;
pub use plan::{Arrivals, Closed, Load, Open, Plan, PlanError, Stop, Template};
pub use runner::{Control, Parts, Report, RunError, StopCause, run};
pub use transcript::Transcript;
