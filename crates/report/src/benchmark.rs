//! What there is to report.

use std::time::Duration;

use analysis::RunSummary;
use domain::WallAnchor;

/// One benchmark: what was asked, where, and each of its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark {
    /// Prony's version.
    pub version: String,
    /// When it began, in nanoseconds since 1970.
    pub started_unix_nanos: u64,
    /// Joins the runs' times to the wall clock.
    pub anchor: WallAnchor,
    /// The settings in force, with no secret in them.
    pub config: serde_json::Value,
    /// What every schedule and prompt was drawn from.
    pub seed: u64,
    /// The client's machine.
    pub machine: Machine,
    /// Whether it was stopped before its plan was done.
    pub interrupted: bool,
    /// Its runs, in the order they ran.
    pub runs: Vec<Run>,
}

/// The machine the client ran on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Operating system and its version.
    pub system: String,
    /// The processor's name.
    pub processor: String,
    /// How many cores the client could use.
    pub cores: u32,
    /// Memory.
    pub memory_bytes: u64,
}

/// One run: a model under one scenario and one load.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was put under load, such as an address.
    pub target: String,
    /// The model asked for.
    pub model: String,
    /// The scenario its prompts came from.
    pub scenario: String,
    /// The load in words, such as `concurrency=8`.
    pub load: String,
    /// What came out.
    pub summary: RunSummary,
    /// Why it could not begin, in which case nothing came out.
    pub error: Option<String>,
    /// What Prony itself used meanwhile; the embedded engine, where it served, included. None where
    /// the system does not tell.
    pub process: Option<ProcessUse>,
}

/// What a process used of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessUse {
    /// The time this was spent in.
    pub wall: Duration,
    /// Processor time of all threads, the kernel's work for them included.
    pub cpu: Duration,
    /// The most memory that was resident at once since the process began.
    pub memory_peak_bytes: u64,
}

impl ProcessUse {
    /// How many cores were busy, on average.
    #[must_use]
    pub fn cores(&self) -> f64 {
        if self.wall.is_zero() { 0.0 } else { self.cpu.as_secs_f64() / self.wall.as_secs_f64() }
    }
}
