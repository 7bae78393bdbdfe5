//! Moments of the wall clock: what an alert remembers must survive a restart, and a monotonic clock
//! does not.

use std::fmt;
use std::ops::{Add, AddAssign};
use std::time::Duration;

use domain::Clock;

/// A moment of the wall clock, in whole milliseconds since 1970.
///
/// Where the clock was set back, a later moment may come before an earlier one; the time between
/// them is then taken to be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment `unix_ms` milliseconds after 1970 began.
    #[must_use]
    pub const fn from_unix_ms(unix_ms: u64) -> Self {
        Self(unix_ms)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn unix_ms(self) -> u64 {
        self.0
    }

    /// What `clock` says now.
    #[must_use]
    pub fn now(clock: &dyn Clock) -> Self {
        Self(clock.unix_nanos() / 1_000_000)
    }

    /// The time from `earlier` to `self`, or zero where `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// As RFC 3339 has it, in UTC and whole seconds.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dialect::date::to_rfc3339(self.0 / 1_000))
    }
}
