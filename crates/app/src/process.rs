//! What this process uses of its machine: a client that is short of processor time measures itself.

use std::time::Duration;

use domain::{Clock, Timestamp};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use report::ProcessUse;

use crate::machine;

/// Measures from its start on.
pub(crate) struct Meter {
    begun: Timestamp,
    cpu: Option<Duration>,
}

impl Meter {
    pub(crate) fn start(clock: &dyn Clock) -> Self {
        Self { begun: clock.now(), cpu: usage().as_ref().map(cpu) }
    }

    /// What was used since the start.
    pub(crate) fn used(&self, clock: &dyn Clock) -> Option<ProcessUse> {
        let usage = usage()?;
        Some(ProcessUse {
            wall: clock.now().since(self.begun),
            cpu: cpu(&usage).saturating_sub(self.cpu?),
            memory_peak_bytes: memory_peak_bytes(&usage),
        })
    }
}

fn usage() -> Option<Usage> {
    getrusage(UsageWho::RUSAGE_SELF).ok()
}

fn cpu(usage: &Usage) -> Duration {
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The peak of this program's own memory. getrusage's figure is that of the process, which on Linux
/// keeps the peak of whatever program started this one.
fn memory_peak_bytes(usage: &Usage) -> u64 {
    let own = machine::field(&machine::text("/proc/self/status"), "VmHWM")
        .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    // The one figure of getrusage whose unit differs between systems.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    own.map_or_else(|| u64::try_from(usage.max_rss()).unwrap_or(0) * unit, |kib| kib * 1024)
}
