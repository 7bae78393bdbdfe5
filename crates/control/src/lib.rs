//! The life of benchmarks: what is asked is queued, carried out one at a time, watched, cancelled
//! and kept, whatever becomes of the process.
//!
//! The first half is about one run, and serves whoever makes one: [`protocol`] is what the runs of
//! a benchmark have in common, [`prompts`] what they ask, [`subject`] whom; [`trial`] carries one
//! out, while [`recording`] takes its records off the load's threads. The second half is about
//! benchmarks: [`status`] is the table of what may become of one, [`benchmark`] what is known of
//! it, [`progress`] how far it is, [`catalogue`] what it may name, [`keeper`] where it is kept,
//! [`recovery`] what is left of one that the process did not outlive; [`benchmarks`] is the queue
//! and the register, where a [`guest`] stands that somebody else carries out; [`worker`] works the
//! queue off. What is done again and again, by a [`timetable`], are canaries: [`canary`] makes their
//! runs of the same `case` as the worker, and [`availability`] is what those come to. Read the
//! modules in this order.

pub mod protocol;
pub mod prompts;
pub mod subject;
mod content;
pub mod recording;
pub mod trial;

pub mod status;
pub mod benchmark;
pub mod progress;
pub mod catalogue;
pub mod keeper;
pub mod recovery;
pub mod guest;
pub mod benchmarks;
mod case;
pub mod worker;

pub mod timetable;
pub mod canary;
pub mod availability;

pub use availability::{Availability, Condition, Ledger};
pub use benchmark::{Benchmark, BenchmarkId, Idempotency, Problem, Spec, Submission};
pub use benchmarks::{
    Benchmarks, CancelError, DeleteError, Ending, Filter, Page, SubmitError, Submitted,
};
pub use canary::{Beside, Canaries, LeftOut, Round, RoundOutcome, RoundRecords, Schedule, Tally};
pub use catalogue::{AdHocError, AdHocMaker, AdHocTarget, Catalogue, Opener, Scenario, Target};
pub use guest::{Guest, Introduction};
pub use keeper::{Keeper, KeeperError, MemoryKeeper};
pub use progress::{Current, Progress, Tracker};
pub use prompts::{Asked, Prompts, PromptsError};
pub use protocol::Protocol;
pub use recording::{Opening, Records, RecordsError};
pub use status::{Event, Status};
pub use subject::Subject;
pub use timetable::Timetable;
pub use trial::{Measured, Spent, Trial, TrialError};
pub use worker::Workshop;
