//! Which windows answer a question about a stretch of time.
//!
//! An answer comes in steps, each a whole number of windows of the resolution that is read. The
//! coarsest one that gives enough steps is read, so that an hour in steps of ten seconds and a year
//! in steps of a day take about as many rows. Only at the ends of the stretch, where such a window
//! would reach beyond it, finer ones are.

use std::collections::BTreeMap;

use analysis::rollup::Resolution;

/// The most steps of an answer.
pub const POINTS_MAX: u64 = 1_000;
/// The most windows of one series that are read for it, but for windows of an hour.
const ROWS_MAX: u64 = 3_600;

/// How far apart the points of an answer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many seconds; where such fine windows were forgotten or are too many, more.
    Seconds(u64),
    /// Whatever gives at most so many points, and at least a quarter where windows are as fine.
    Points(u64),
}

/// Why a question has no steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// The stretch has no length.
    #[error("the time asked for ends before it begins")]
    Empty,
    /// A step of zero seconds, or no point.
    #[error("there is no step: take a second at least, or a point")]
    NoStep,
    /// There would be too many.
    #[error(
        "there would be {points} points and at most {POINTS_MAX} may be; take steps of {step_s_min} s or more"
    )]
    TooMany {
        /// How many.
        points: u64,
        /// The shortest step that has fewer.
        step_s_min: u64,
    },
}

/// When the first window of each resolution starts, as far as there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept(pub(crate) BTreeMap<Resolution, u64>);

impl Kept {
    /// Whether the windows of `resolution` hold all that is known from `from_s` on: coarser ones are
    /// kept for longer.
    fn reaches(&self, resolution: Resolution, from_s: u64) -> bool {
        let Some(first_of_all) = self.0.get(&Resolution::Hour) else { return true };
        let Some(first) = self.0.get(&resolution) else { return false };
        *first <= from_s || *first < first_of_all + Resolution::Hour.seconds()
    }
}

/// A stretch of time in windows of one resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) resolution: Resolution,
    pub(crate) from_s: u64,
    pub(crate) to_s: u64,
}

/// The steps of an answer, and the windows they are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) step_s: u64,
    pub(crate) first_s: u64,
    pub(crate) count: usize,
    pub(crate) pieces: Vec<Piece>,
}

impl Grid {
    /// The steps of the time from `from_s` to `to_s`, in seconds since 1970. They start at whole
    /// multiples of their length, so the first and the last may be known in part only.
    pub(crate) fn new(from_s: u64, to_s: u64, step: Step, kept: &Kept) -> Result<Self, GridError> {
        let span = to_s.checked_sub(from_s).filter(|span| *span > 0).ok_or(GridError::Empty)?;
        let affordable: Vec<Resolution> = Resolution::ALL
            .into_iter()
            .filter(|resolution| {
                let is_few = span / resolution.seconds() <= ROWS_MAX;
                *resolution == Resolution::Hour || is_few && kept.reaches(*resolution, from_s)
            })
            .collect();
        let (resolution, step_s) = match step {
            Step::Seconds(0) | Step::Points(0) => return Err(GridError::NoStep),
            Step::Seconds(wished) => in_seconds(wished, &affordable),
            Step::Points(wished) => in_points(from_s, to_s, wished.min(POINTS_MAX), &affordable),
        };
        let points = points(from_s, to_s, step_s);
        if points > POINTS_MAX {
            let step_s_min = span.div_ceil(POINTS_MAX - 1);
            return Err(GridError::TooMany { points, step_s_min });
        }
        let mut pieces = Vec::new();
        cut(Piece { resolution, from_s, to_s }, kept, &mut pieces);
        let count = usize::try_from(points).expect("they are few");
        Ok(Self { step_s, first_s: from_s - from_s % step_s, count, pieces })
    }

    /// The step that a window counts in.
    pub(crate) fn place(&self, window_start_s: u64) -> usize {
        let place = window_start_s.saturating_sub(self.first_s) / self.step_s;
        usize::try_from(place).unwrap_or(usize::MAX).min(self.count - 1)
    }

    /// When each step starts, in seconds since 1970.
    pub(crate) fn starts(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.count as u64).map(|place| self.first_s + place * self.step_s)
    }
}

fn points(from_s: u64, to_s: u64, step_s: u64) -> u64 {
    to_s.div_ceil(step_s) - from_s / step_s
}

/// The coarsest resolution that the step is a multiple of; else the finest, and the next multiple.
fn in_seconds(wished: u64, affordable: &[Resolution]) -> (Resolution, u64) {
    let fits = |resolution: &&Resolution| wished.is_multiple_of(resolution.seconds());
    match affordable.iter().rev().find(fits) {
        Some(&resolution) => (resolution, wished),
        None => {
            let finest = affordable[0];
            (finest, wished.next_multiple_of(finest.seconds()))
        }
    }
}

/// The coarsest resolution that gives a quarter of the points at least; else the finest.
fn in_points(from_s: u64, to_s: u64, wished: u64, affordable: &[Resolution]) -> (Resolution, u64) {
    let is_enough =
        |resolution: &&Resolution| 4 * ((to_s - from_s) / resolution.seconds()) >= wished;
    let resolution = *affordable.iter().rev().find(is_enough).unwrap_or(&affordable[0]);
    let seconds = resolution.seconds();
    let mut step_s = ((to_s - from_s) / wished).next_multiple_of(seconds).max(seconds);
    // Where the ends fall within a step, there is one more than its length tells.
    while points(from_s, to_s, step_s) > wished.max(2) {
        step_s += seconds;
    }
    (resolution, step_s)
}

/// Cuts a stretch into windows of its resolution, and at its ends into finer ones as far as they are
/// kept.
fn cut(piece: Piece, kept: &Kept, pieces: &mut Vec<Piece>) {
    let Piece { resolution, from_s, to_s } = piece;
    if from_s >= to_s {
        return;
    }
    let seconds = resolution.seconds();
    let (first, last) = (from_s.next_multiple_of(seconds), to_s - to_s % seconds);
    let finer = Resolution::ALL.into_iter().rev().find(|finer| *finer < resolution);
    let finer_from = |from_s| finer.filter(|finer| kept.reaches(*finer, from_s));
    if first > last {
        // It lies within one window.
        match finer_from(from_s) {
            Some(resolution) => cut(Piece { resolution, ..piece }, kept, pieces),
            None => pieces.push(Piece { resolution, from_s: last, to_s: first }),
        }
        return;
    }
    let (mut from_whole, mut to_whole) = (first, last);
    match finer_from(from_s) {
        Some(resolution) => cut(Piece { resolution, from_s, to_s: first }, kept, pieces),
        None => from_whole = from_s - from_s % seconds,
    }
    let end = finer_from(last);
    if end.is_none() {
        to_whole = to_s.next_multiple_of(seconds);
    }
    if from_whole < to_whole {
        pieces.push(Piece { resolution, from_s: from_whole, to_s: to_whole });
    }
    if let Some(resolution) = end {
        cut(Piece { resolution, from_s: last, to_s }, kept, pieces);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 86_400;
    /// The start of 2026, which is that of an hour too.
    const START: u64 = 1_767_225_600;

    /// Resolution, step, points and rows of each answer.
    fn asked(from_s: u64, to_s: u64, step: Step, kept: &Kept) -> (u64, u64, usize, u64) {
        let grid = Grid::new(from_s, to_s, step, kept).expect("there are steps");
        let rows = |piece: &Piece| (piece.to_s - piece.from_s) / piece.resolution.seconds();
        let coarsest = grid.pieces.iter().map(|piece| piece.resolution).max().expect("a piece");
        (coarsest.seconds(), grid.step_s, grid.count, grid.pieces.iter().map(rows).sum())
    }

    #[test]
    fn the_coarsest_windows_that_are_enough_are_read() {
        let kept = Kept::default();
        for (span, step, expected) in [
            (900, Step::Points(1_000), (1, 1, 900, 900)),
            (3_600, Step::Points(1_000), (10, 10, 360, 360)),
            (6 * 3_600, Step::Points(1_000), (60, 60, 360, 360)),
            (DAY, Step::Points(1_000), (300, 300, 288, 288)),
            (4 * DAY, Step::Points(1_000), (300, 600, 576, 1_152)),
            (7 * DAY, Step::Points(1_000), (1_800, 1_800, 336, 336)),
            (30 * DAY, Step::Points(1_000), (3_600, 3_600, 720, 720)),
            (90 * DAY, Step::Points(1_000), (21_600, 21_600, 360, 360)),
            (365 * DAY, Step::Points(1_000), (DAY, DAY, 365, 365)),
            (DAY, Step::Points(16), (21_600, 21_600, 4, 4)),
            (DAY, Step::Points(1), (DAY, DAY, 1, 1)),
            // The steps of the dashboard.
            (3_600, Step::Seconds(10), (10, 10, 360, 360)),
            (DAY, Step::Seconds(300), (300, 300, 288, 288)),
            (7 * DAY, Step::Seconds(1_800), (1_800, 1_800, 336, 336)),
            (30 * DAY, Step::Seconds(30 * DAY), (DAY, 30 * DAY, 2, 30)),
            (100, Step::Seconds(7), (1, 7, 15, 100)),
        ] {
            assert_eq!(asked(START, START + span, step, &kept), expected, "{span} {step:?}");
        }
    }

    #[test]
    fn ends_within_a_window_are_read_by_finer_ones() {
        let grid = Grid::new(START + 50, START + 7_215, Step::Seconds(3_600), &Kept::default());
        let piece = |resolution, from: u64, to: u64| Piece {
            resolution,
            from_s: START + from,
            to_s: START + to,
        };
        let grid = grid.expect("there are steps");
        assert_eq!(
            grid.pieces,
            [
                piece(Resolution::TenSeconds, 50, 60),
                piece(Resolution::Minute, 60, 300),
                piece(Resolution::FiveMinutes, 300, 1_800),
                piece(Resolution::HalfHour, 1_800, 3_600),
                piece(Resolution::Hour, 3_600, 7_200),
                piece(Resolution::TenSeconds, 7_200, 7_210),
                piece(Resolution::Second, 7_210, 7_215),
            ]
        );
        assert_eq!((grid.first_s, grid.count), (START, 3));
    }

    #[test]
    fn what_was_forgotten_is_read_by_coarser_windows() {
        let now = START + 10 * DAY;
        let firsts = [
            (Resolution::Second, now - 3_600),
            (Resolution::TenSeconds, now - DAY),
            (Resolution::Minute, now - 5 * DAY),
            (Resolution::Hour, START),
        ];
        let kept = Kept(firsts.into());
        for (ago, step, expected) in [
            (900, 5, (1, 5, 180, 900)),
            (7_200, 5, (10, 10, 720, 720)),
            (2 * DAY, 300, (60, 300, 576, 2_880)),
            (6 * DAY, 900, (3_600, 3_600, 144, 144)),
        ] {
            let asked = asked(now - ago, now, Step::Seconds(step), &kept);
            assert_eq!(asked, expected, "{ago} s ago");
        }
        // A store that is younger than what is asked for has forgotten nothing.
        let young = Resolution::ALL.map(|resolution| (resolution, now - 100));
        let asked = asked(now - 2_800, now, Step::Seconds(14), &Kept(young.into()));
        assert_eq!(asked, (1, 14, 201, 2_800));
    }

    #[test]
    fn what_cannot_be_answered_says_why() {
        let grid = |from, to, step| Grid::new(from, to, step, &Kept::default()).map(|_| ());
        assert_eq!(grid(5, 5, Step::Seconds(1)), Err(GridError::Empty));
        assert_eq!(grid(5, 9, Step::Seconds(0)), Err(GridError::NoStep));
        assert_eq!(grid(5, 9, Step::Points(0)), Err(GridError::NoStep));
        let too_many = GridError::TooMany { points: 3_600, step_s_min: 4 };
        assert_eq!(grid(0, 3_600, Step::Seconds(1)), Err(too_many));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// However a stretch is cut, each of its seconds is read once, and each window falls into
        /// one step whole.
        #[test]
        fn every_second_is_read_once(
            from in 0_u64..20_000, span in 1_u64..20_000, step in 1_u64..8_000,
        ) {
            let to = from + span;
            let Ok(grid) = Grid::new(from, to, Step::Seconds(step), &Kept::default()) else {
                prop_assert!(points(from, to, step) > POINTS_MAX);
                return Ok(());
            };
            let mut next = from;
            for piece in &grid.pieces {
                let seconds = piece.resolution.seconds();
                prop_assert_eq!(piece.from_s, next);
                prop_assert_eq!((piece.from_s % seconds, piece.to_s % seconds), (0, 0));
                prop_assert!(grid.step_s.is_multiple_of(seconds) || seconds == 1);
                next = piece.to_s;
            }
            prop_assert_eq!(next, to);
            prop_assert_eq!(grid.place(to - 1) + 1, grid.count);
        }

        #[test]
        fn points_are_as_many_as_wished_or_a_quarter(span in 2_000_u64..350_000, wished in 2_u64..1_000) {
            let grid = Grid::new(START + 7, START + 7 + span, Step::Points(wished), &Kept::default());
            let count = grid.expect("there are steps").count as u64;
            prop_assert!(count <= wished && count * 6 >= wished, "{} of {}", count, wished);
        }
    }
}
