//! What this process uses of its machine: a client that is short of processor time measures itself.

use std::time::Duration;

use control::Spent;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::machine;

/// What this process has used since it began.
pub(crate) fn spent() -> Option<Spent> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    Some(Spent { cpu: cpu(&usage), memory_peak_bytes: memory_peak_bytes(&usage) })
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
