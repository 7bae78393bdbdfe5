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
    /// anchor is off by at most half the time the three readings took. Where that was long, since
    /// the thread lost its processor in between, it reads again, and keeps the tightest.
    #[must_use]
    pub fn take(clock: &dyn Clock) -> Self {
        let (mut anchor, mut spread) = Self::bracket(clock);
        for _ in 1..Self::TRIES {
            if spread <= Self::SPREAD_ENOUGH {
                break;
            }
            let again = Self::bracket(clock);
            if again.1 < spread {
                (anchor, spread) = again;
            }
        }
        anchor
    }

    /// Tight enough not to try again.
    const SPREAD_ENOUGH: Duration = Duration::from_micros(10);
    const TRIES: u32 = 4;

    /// An anchor, and how long its readings took.
    fn bracket(clock: &dyn Clock) -> (Self, Duration) {
        let before = clock.now();
        let unix_nanos = clock.unix_nanos();
        let spread = clock.now().since(before);
        (Self { at: before + spread / 2, unix_nanos }, spread)
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
    use std::sync::Mutex;

    use super::*;

    /// A clock whose thread loses its processor for so long before each of its readings.
    #[derive(Debug)]
    struct Interrupted(Mutex<(u64, Vec<u64>)>);

    impl Interrupted {
        fn read(&self) -> u64 {
            let (now, delays) = &mut *self.0.lock().unwrap();
            *now += delays.pop().unwrap_or(0);
            *now
        }
    }

    impl Clock for Interrupted {
        fn now(&self) -> Timestamp {
            Timestamp::from_nanos(self.read())
        }

        fn unix_nanos(&self) -> u64 {
            5_000_000_000 + self.read()
        }
    }

    #[test]
    fn an_anchor_is_true_even_where_its_thread_is_interrupted() {
        let taken = |delays: &[u64]| {
            let delays = delays.iter().rev().copied().collect();
            let anchor = WallAnchor::take(&Interrupted(Mutex::new((0, delays))));
            anchor.unix_nanos(Timestamp::default()).cast_signed() - 5_000_000_000
        };
        assert_eq!(taken(&[0, 0, 0]), 0);
        // Between the first two readings, or the last two: read again.
        assert_eq!(taken(&[0, 4_000_000, 0]), 0);
        assert_eq!(taken(&[0, 0, 4_000_000, 0, 2_000_000, 0]), 0);
        // Always: half of the tightest is left.
        let always = [0, 80_000, 0].repeat(2);
        assert_eq!(taken(&[&always[..], &[0, 30_000, 0], &always].concat()), 15_000);
    }

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
