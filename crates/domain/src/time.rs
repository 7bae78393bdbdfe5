//! Points in time as integer nanoseconds of one monotonic clock, and the anchor that joins them to
//! the wall clock.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point on the machine's monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds.
///
/// All processes of one machine share that clock, so two of them can compare timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The timestamp `nanos` nanoseconds after the clock's own zero.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the clock's own zero.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to `self`, or zero where `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The nanoseconds from `origin` to `self`, negative where `self` came first.
    #[must_use]
    pub const fn nanos_since(self, origin: Self) -> i64 {
        self.0.wrapping_sub(origin.0).cast_signed()
    }

    /// The point `duration` before `self`, or the clock's zero where there is none.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

/// A source of time, handed to whoever needs one so that tests can run in virtual time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment of the monotonic clock.
    fn now(&self) -> Timestamp;

    /// The present moment of the wall clock, in nanoseconds since 1970.
    fn unix_nanos(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(read(rustix::time::ClockId::Monotonic))
    }

    fn unix_nanos(&self) -> u64 {
        read(rustix::time::ClockId::Realtime)
    }
}

fn read(clock: rustix::time::ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// One moment read from both clocks, which turns monotonic timestamps into wall-clock ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallAnchor {
    at: Timestamp,
    unix_nanos: u64,
}

impl WallAnchor {
    /// Reads both clocks: the wall clock between two readings of the monotonic one, so that the
    /// anchor is off by at most half the time the three readings took.
    #[must_use]
    pub fn take(clock: &dyn Clock) -> Self {
        let before = clock.now();
        let unix_nanos = clock.unix_nanos();
        let after = clock.now();
        Self { at: before + after.since(before) / 2, unix_nanos }
    }

    /// An anchor from two readings of the same moment.
    #[must_use]
    pub const fn new(at: Timestamp, unix_nanos: u64) -> Self {
        Self { at, unix_nanos }
    }

    /// The moment the anchor was taken.
    #[must_use]
    pub const fn moment(&self) -> Timestamp {
        self.at
    }

    /// The wall-clock time of `moment`, in nanoseconds since 1970.
    #[must_use]
    pub const fn unix_nanos(&self, moment: Timestamp) -> u64 {
        self.unix_nanos.wrapping_add(moment.0.wrapping_sub(self.at.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchor_maps_both_directions_of_time() {
        let anchor = WallAnchor::new(Timestamp::from_nanos(1_000), 5_000_000);
        assert_eq!(anchor.unix_nanos(Timestamp::from_nanos(1_250)), 5_000_250);
        assert_eq!(anchor.unix_nanos(Timestamp::from_nanos(400)), 4_999_400);
    }

    #[test]
    fn differences_saturate_or_carry_a_sign() {
        let (early, late) = (Timestamp::from_nanos(10), Timestamp::from_nanos(25));
        assert_eq!(late.since(early), Duration::from_nanos(15));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.nanos_since(late), -15);
    }
}
