//! Clocks for tests: one that follows tokio's paused time, one moved by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{Clock, Timestamp};

/// Where the virtual monotonic clocks start: late enough that `before` has room.
const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

/// The wall-clock moment at which the virtual clocks start: 2026-01-01T00:00:00Z.
pub const START_UNIX_NANOS: u64 = 1_767_225_600 * 1_000_000_000;

/// A [`Clock`] that follows tokio's time, so that it stands still under
/// `#[tokio::test(start_paused = true)]` and jumps with every timer.
///
/// It reads one second when it is made. tokio's timers fire on whole milliseconds: scripts whose
/// durations are whole milliseconds run exactly on time.
#[derive(Debug)]
pub struct VirtualClock {
    base: tokio::time::Instant,
    wall_at_start: AtomicU64,
}

impl VirtualClock {
    /// A clock that starts now. Make it inside the test's runtime.
    #[must_use]
    pub fn new() -> Self {
        Self { base: tokio::time::Instant::now(), wall_at_start: AtomicU64::new(START_UNIX_NANOS) }
    }

    /// How much time has passed since the clock was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        tokio::time::Instant::now() - self.base
    }

    /// The clock's reading `after` its start, to compare timestamps with.
    #[must_use]
    pub fn moment(&self, after: Duration) -> Timestamp {
        START + after
    }

    /// Sets the wall clock, as an administrator or a time server would. The monotonic clock does
    /// not notice.
    pub fn set_unix_nanos(&self, unix_nanos: u64) {
        let passed = nanos(self.elapsed());
        self.wall_at_start.store(unix_nanos.wrapping_sub(passed), Ordering::Relaxed);
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        START + self.elapsed()
    }

    fn unix_nanos(&self) -> u64 {
        self.wall_at_start.load(Ordering::Relaxed).wrapping_add(nanos(self.elapsed()))
    }
}

/// A [`Clock`] that moves only when told to; needs no runtime.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicU64,
    wall_at_zero: AtomicU64,
}

impl ManualClock {
    /// A clock that reads one second, with the wall clock at [`START_UNIX_NANOS`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: AtomicU64::new(START.as_nanos()),
            wall_at_zero: AtomicU64::new(START_UNIX_NANOS - START.as_nanos()),
        }
    }

    /// Moves both clocks on.
    pub fn advance(&self, duration: Duration) {
        self.now.fetch_add(nanos(duration), Ordering::Relaxed);
    }

    /// Sets the wall clock and leaves the monotonic one alone.
    pub fn set_unix_nanos(&self, unix_nanos: u64) {
        let now = self.now.load(Ordering::Relaxed);
        self.wall_at_zero.store(unix_nanos.wrapping_sub(now), Ordering::Relaxed);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.now.load(Ordering::Relaxed))
    }

    fn unix_nanos(&self) -> u64 {
        self.wall_at_zero.load(Ordering::Relaxed).wrapping_add(self.now.load(Ordering::Relaxed))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("tests are shorter than 500 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_follows_timers_and_the_wall_clock_can_be_set() {
        let clock = VirtualClock::new();
        assert_eq!(clock.now(), START);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(clock.now(), clock.moment(Duration::from_millis(1_500)));
        assert_eq!(clock.unix_nanos(), START_UNIX_NANOS + 1_500_000_000);

        clock.set_unix_nanos(7_000);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(clock.unix_nanos(), 1_007_000);
        assert_eq!(clock.elapsed(), Duration::from_millis(1_501));
    }

    #[test]
    fn manual_time_moves_only_when_told() {
        let clock = ManualClock::new();
        let before = clock.now();
        clock.advance(Duration::from_nanos(5));
        assert_eq!(clock.now().since(before), Duration::from_nanos(5));
        assert_eq!(clock.unix_nanos(), START_UNIX_NANOS + 5);
        clock.set_unix_nanos(100);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(clock.unix_nanos(), 101);
        assert_eq!(clock.now().since(before), Duration::from_nanos(6));
    }
}
