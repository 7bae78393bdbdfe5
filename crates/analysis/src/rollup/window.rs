//! Windows of time, and how fine ones make up coarse ones.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Rollup;

/// How long a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// 1 s.
    Second,
    /// 10 s.
    TenSeconds,
    /// 1 min.
    Minute,
    /// 5 min.
    FiveMinutes,
    /// 30 min.
    HalfHour,
    /// 1 h.
    Hour,
    /// 6 h.
    SixHours,
    /// A day of UTC.
    Day,
}

impl Resolution {
    /// Every one, finest first. Each is made of whole windows of the one before.
    pub const ALL: [Self; 8] = [
        Self::Second,
        Self::TenSeconds,
        Self::Minute,
        Self::FiveMinutes,
        Self::HalfHour,
        Self::Hour,
        Self::SixHours,
        Self::Day,
    ];

    /// The length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::Minute => 60,
            Self::FiveMinutes => 300,
            Self::HalfHour => 1_800,
            Self::Hour => 3_600,
            Self::SixHours => 21_600,
            Self::Day => 86_400,
        }
    }

    /// The length.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds())
    }
}

/// A stretch of wall-clock time, from its start until before the next one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    resolution: Resolution,
    start_unix_seconds: u64,
}

impl Window {
    /// The window of `resolution` that holds the moment, in seconds since 1970. Windows start at
    /// whole multiples of their length.
    #[must_use]
    pub const fn holding(unix_seconds: u64, resolution: Resolution) -> Self {
        let start_unix_seconds = unix_seconds - unix_seconds % resolution.seconds();
        Self { resolution, start_unix_seconds }
    }

    /// How long it is.
    #[must_use]
    pub const fn resolution(self) -> Resolution {
        self.resolution
    }

    /// When it starts, in seconds since 1970.
    #[must_use]
    pub const fn start_unix_seconds(self) -> u64 {
        self.start_unix_seconds
    }

    /// When the next one starts.
    #[must_use]
    pub const fn end_unix_seconds(self) -> u64 {
        self.start_unix_seconds + self.resolution.seconds()
    }
}

/// What is new in a window, to be added to what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The window.
    pub window: Window,
    /// What it has more than before.
    pub rollup: Rollup,
}

/// Joins what is new in windows of one series into windows of `resolution`, in order of time.
///
/// What is added to coarse windows delta by delta and what is joined from whole fine ones is the
/// same.
///
/// # Panics
/// Where a window is coarser than `resolution`: it cannot be taken apart.
#[must_use]
pub fn coarsen<'a>(
    deltas: impl IntoIterator<Item = &'a Delta>,
    resolution: Resolution,
) -> Vec<Delta> {
    let mut joined: BTreeMap<Window, Rollup> = BTreeMap::new();
    for Delta { window, rollup } in deltas {
        assert!(window.resolution <= resolution, "{window:?} is coarser than {resolution:?}");
        let window = Window::holding(window.start_unix_seconds, resolution);
        joined.entry(window).or_default().merge(rollup);
    }
    joined.into_iter().map(|(window, rollup)| Delta { window, rollup }).collect()
}
