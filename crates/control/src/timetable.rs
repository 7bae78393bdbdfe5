//! When something that is done again and again is due: at whole multiples of its interval since 1970,
//! moved by a part of it that is drawn once. So it is due at the same moments whenever the process is
//! started, and things of the same interval are not due together.

use std::time::Duration;

use domain::Seed;

/// When something is due, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timetable {
    every_nanos: u64,
    offset_nanos: u64,
}

impl Timetable {
    /// Due once in every stretch of `every`, at a place in it drawn from `seed`.
    ///
    /// # Panics
    /// Where `every` is no time at all, or more than 500 years.
    #[must_use]
    pub fn new(every: Duration, seed: Seed) -> Self {
        let every_nanos = u64::try_from(every.as_nanos()).expect("an interval is not centuries");
        assert!(every_nanos > 0, "an interval has a length");
        Self { every_nanos, offset_nanos: seed.random().below(every_nanos) }
    }

    /// The first moment after `unix_nanos` at which it is due.
    #[must_use]
    pub const fn after(&self, unix_nanos: u64) -> u64 {
        let into = (unix_nanos + self.every_nanos - self.offset_nanos) % self.every_nanos;
        unix_nanos + (self.every_nanos - into)
    }

    /// How often it was due after `due`, when it was too, and up to `until`.
    #[must_use]
    pub const fn times(&self, due: u64, until: u64) -> u64 {
        until.saturating_sub(due) / self.every_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600_000_000_000;

    fn every(seconds: u64, seed: u64) -> Timetable {
        Timetable::new(Duration::from_secs(seconds), Seed(seed))
    }

    #[test]
    fn it_is_due_once_an_interval_at_the_same_place_of_it() {
        let table = every(60, 7);
        let first = table.after(NOW);
        assert!(first > NOW && first <= NOW + 60_000_000_000, "{first}");
        assert_eq!(table.after(first), first + 60_000_000_000);
        // A process that starts later finds the same moments.
        assert_eq!(table.after(first + 59_000_000_000), first + 60_000_000_000);
        assert_eq!(table.after(first - 1), first);
    }

    #[test]
    fn things_of_the_same_interval_are_spread_over_it() {
        let mut thirds = [0; 3];
        for seed in 0..300 {
            let place = every(60, seed).after(NOW) - NOW - 1;
            thirds[usize::try_from(place / 20_000_000_000).expect("a third")] += 1;
        }
        assert!(thirds.iter().all(|&count| count > 60), "{thirds:?}");
    }

    #[test]
    fn what_was_due_meanwhile_is_counted() {
        let table = every(60, 7);
        let first = table.after(NOW);
        assert_eq!(table.times(first, first + 59_999_999_999), 0);
        assert_eq!(table.times(first, first + 60_000_000_000), 1);
        assert_eq!(table.times(first, first + 3_600_000_000_000), 60);
        assert_eq!(table.times(first, first - 1), 0);
    }
}
