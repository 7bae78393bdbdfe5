//! When each token of one answer is due, counted from the moment its request was received.
//!
//! Token `k` is due at `received + ttft + itl₁ + … + itlₖ`. Each is worked out from the one before
//! it as planned, never from when that one was really written, so lateness does not add up.

use std::time::Duration;

use domain::{Random, Seed, Timestamp};

use crate::Draw;

/// The delays of every answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timetable {
    /// From the request to its first token, drawn once a request.
    pub ttft: Draw<Duration>,
    /// From one token to the next, drawn once a gap.
    pub itl: Draw<Duration>,
}

impl Timetable {
    /// Everything at once.
    pub const NO_DELAY: Self =
        Self { ttft: Draw::Fixed(Duration::ZERO), itl: Draw::Fixed(Duration::ZERO) };

    /// The departures of the request that arrived as number `index`.
    #[must_use]
    pub fn depart(&self, seed: Seed, index: u64, received: Timestamp) -> Departures {
        let mut random = seed.nth(index).random();
        let due = received + self.ttft.draw(&mut random);
        Departures { due, itl: self.itl, random }
    }
}

/// One answer's departures.
#[derive(Clone, Debug)]
pub struct Departures {
    due: Timestamp,
    itl: Draw<Duration>,
    random: Random,
}

impl Departures {
    /// When the next token is due.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        self.due
    }

    /// Goes on by `tokens` tokens.
    pub fn advance(&mut self, tokens: u64) {
        for _ in 0..tokens {
            self.due = self.due + self.itl.draw(&mut self.random);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(timetable: Timetable, seed: Seed, index: u64) -> Vec<u64> {
        let mut departures = timetable.depart(seed, index, Timestamp::from_nanos(7));
        (0..5)
            .map(|_| {
                let due = departures.due().as_nanos();
                departures.advance(1);
                due
            })
            .collect()
    }

    #[test]
    fn fixed_delays_are_exact() {
        let timetable = Timetable {
            ttft: Draw::Fixed(Duration::from_nanos(100)),
            itl: Draw::Fixed(Duration::from_nanos(10)),
        };
        assert_eq!(dues(timetable, Seed(1), 0), [107, 117, 127, 137, 147]);
        assert_eq!(dues(Timetable::NO_DELAY, Seed(1), 0), [7; 5]);
    }

    #[test]
    fn drawn_delays_follow_the_seed_and_the_index() {
        let timetable = Timetable {
            ttft: Draw::Exponential { mean: Duration::from_millis(100) },
            itl: Draw::Exponential { mean: Duration::from_millis(10) },
        };
        let first = dues(timetable, Seed(1), 0);
        assert!(first.is_sorted());
        assert_eq!(first, dues(timetable, Seed(1), 0));
        assert_ne!(first, dues(timetable, Seed(1), 1));
        assert_ne!(first, dues(timetable, Seed(2), 0));
    }
}
