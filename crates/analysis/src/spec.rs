//! What must be known of a run before its requests come.

use std::time::Duration;

use domain::Timestamp;

use crate::{Convention, Origin, Slo};

/// Where chunk arrivals come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrivalClock {
    /// Over a network: the kernel's stamps where there are any. A chunk with a read lag of zero had
    /// none. Chunks that one read took together have the stamp of the last of them.
    Network,
    /// From a model in this process: the moment it was made. Its lag is the time until it was taken.
    InProcess,
}

/// What must be known of a run to summarize it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// Where latencies count from: [`Origin::Planned`] in an open loop, [`Origin::Started`] in a
    /// closed one. An open loop is also held against its plan.
    pub origin: Origin,
    /// When the measured window begins.
    pub window_start: Timestamp,
    /// When it ends, where that is known beforehand. Requests planned later are not measured.
    pub window_end: Option<Timestamp>,
    /// How long users went on joining, or the rate rising, from the window's beginning on.
    pub ramp: Duration,
    /// How many requests may be in flight at most, in an open loop that limits them.
    pub in_flight_max: Option<u64>,
    /// Limits for goodput.
    pub slo: Option<Slo>,
    /// Whose definitions to follow. The peers' have no window: they count everything until the last
    /// answer's end.
    pub convention: Convention,
    /// Where chunk arrivals come from.
    pub arrivals: ArrivalClock,
    /// How many different prompts there are to send; `None` where each request has its own.
    pub distinct_prompts: Option<u64>,
    /// How many requests of the same prompts the model was sent in earlier runs, warm-up included: a
    /// server's cache may know them.
    pub sent_before: u64,
    /// Whether every answer was to go on until its limit, past the model's own end.
    pub demands_lengths: bool,
    /// Whether every answer was asked for as a stream.
    pub asks_streams: bool,
}
