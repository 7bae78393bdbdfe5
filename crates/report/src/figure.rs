//! The latency figures of a run under the names the field knows them by.

use analysis::{RunSummary, Summary};

/// A figure: its name, and where a run's summary has it.
pub(crate) struct Figure {
    /// As keys spell it.
    pub(crate) key: &'static str,
    /// As tables spell it.
    pub(crate) label: &'static str,
    pub(crate) read: fn(&RunSummary) -> Option<&Summary>,
}

/// The server's figures, in milliseconds.
pub(crate) const SERVER: [Figure; 4] = [
    Figure { key: "ttft", label: "TTFT", read: |run| run.ttft.as_ref() },
    Figure { key: "tpot", label: "TPOT", read: |run| run.tpot.as_ref() },
    Figure { key: "itl", label: "ITL", read: |run| run.itl.as_ref() },
    Figure { key: "e2el", label: "E2EL", read: |run| run.e2e.as_ref() },
];

/// The client's own delays, in milliseconds.
pub(crate) const CLIENT: [Figure; 2] = [
    Figure { key: "schedule_lag", label: "Schedule lag", read: |run| run.schedule_lag.as_ref() },
    Figure { key: "read_lag", label: "Read lag", read: |run| run.read_lag.as_ref() },
];
