//! When each request is due: pure, and the same for the same seed on every machine.

use std::time::Duration;

use domain::{Random, Seed};

use crate::plan::{Arrivals, Open};

/// When the `user`-th of `users` joins: evenly spread over the ramp, the first at once.
#[must_use]
pub fn join_offset(user: u64, users: u64, ramp: Duration) -> Duration {
    let nanos = ramp.as_nanos() * u128::from(user) / u128::from(users.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The arrivals of an open loop, as offsets from its start. Endless.
///
/// Gaps are drawn for a rate of 1 and summed; the sum is then carried through the inverse of the
/// expected number of arrivals, `Λ(t) = R·t²/2r` while the rate rises over the ramp `r`, and
/// `R·(t − r/2)` after it. So a ramp changes when requests come, not how they scatter.
#[derive(Clone, Debug)]
pub struct Schedule {
    random: Random,
    arrivals: Arrivals,
    rate_per_s: f64,
    ramp_s: f64,
    expected: f64,
    drawn: u64,
}

impl Schedule {
    /// The arrivals of `open` under `seed`.
    #[must_use]
    pub fn new(open: &Open, ramp: Duration, seed: Seed) -> Self {
        Self {
            random: seed.child("arrivals").random(),
            arrivals: open.arrivals,
            rate_per_s: open.rate_per_s,
            ramp_s: ramp.as_secs_f64(),
            expected: 0.0,
            drawn: 0,
        }
    }

    /// The time at which `expected` arrivals are due on average, in seconds.
    fn time_of(&self, expected: f64) -> f64 {
        let in_ramp = self.rate_per_s * self.ramp_s / 2.0;
        if expected < in_ramp {
            libm::sqrt(2.0 * self.ramp_s * expected / self.rate_per_s)
        } else {
            expected / self.rate_per_s + self.ramp_s / 2.0
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.expected = match self.arrivals {
            // Counted, not summed, so that no rounding error grows. The first comes at once.
            Arrivals::Constant => self.drawn as f64,
            Arrivals::Poisson => self.expected + self.random.exponential(1.0),
            Arrivals::Gamma { burstiness } => {
                self.expected + self.random.gamma(burstiness, 1.0 / burstiness)
            }
        };
        self.drawn += 1;
        let nanos = self.time_of(self.expected) * 1e9;
        Some(Duration::from_nanos(nanos as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn schedule(arrivals: Arrivals, rate_per_s: f64, ramp: Duration, seed: u64) -> Schedule {
        Schedule::new(&Open { rate_per_s, arrivals, in_flight_max: None }, ramp, Seed(seed))
    }

    fn first(schedule: Schedule, count: usize) -> Vec<u128> {
        schedule.take(count).map(|offset| offset.as_nanos()).collect()
    }

    /// Changing these numbers changes every schedule users have recorded: do it only on purpose.
    #[test]
    fn schedules_are_golden() {
        let none = Duration::ZERO;
        assert_eq!(
            first(schedule(Arrivals::Constant, 8.0, none, 1), 4),
            [0, 125_000_000, 250_000_000, 375_000_000]
        );
        assert_eq!(first(schedule(Arrivals::Poisson, 10.0, none, 42), 4), GOLDEN_POISSON);
        let gamma = Arrivals::Gamma { burstiness: 0.5 };
        assert_eq!(first(schedule(gamma, 10.0, Duration::from_secs(2), 42), 4), GOLDEN_GAMMA);
    }

    const GOLDEN_POISSON: [u128; 4] = [1_279_959, 335_705_060, 582_056_336, 673_636_881];
    const GOLDEN_GAMMA: [u128; 4] = [2_091_240_087, 2_120_416_743, 2_130_509_405, 2_296_281_631];

    #[test]
    fn gaps_scatter_as_asked() {
        for (arrivals, variation) in [
            (Arrivals::Constant, 0.0),
            (Arrivals::Poisson, 1.0),
            (Arrivals::Gamma { burstiness: 4.0 }, 0.5),
            (Arrivals::Gamma { burstiness: 0.25 }, 2.0),
        ] {
            let times: Vec<f64> = schedule(arrivals, 50.0, Duration::ZERO, 3)
                .take(40_000)
                .map(|offset| offset.as_secs_f64())
                .collect();
            let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let variance =
                gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
            let got = variance.sqrt() / mean;
            assert!((mean * 50.0 - 1.0).abs() < 0.05, "{arrivals:?}: mean gap {mean}");
            assert!((got - variation).abs() < 0.05 * (1.0 + variation), "{arrivals:?}: {got}");
        }
    }

    proptest! {
        #[test]
        fn arrivals_never_go_back(
            rate in 0.1_f64..5_000.0,
            ramp_ms in 0_u64..10_000,
            burstiness in 0.1_f64..10.0,
            seed: u64,
        ) {
            let ramp = Duration::from_millis(ramp_ms);
            for arrivals in [Arrivals::Constant, Arrivals::Poisson, Arrivals::Gamma { burstiness }] {
                let times = first(schedule(arrivals, rate, ramp, seed), 200);
                prop_assert!(times.is_sorted());
            }
        }

        #[test]
        fn a_ramp_halves_what_arrives_in_it(rate in 50.0_f64..500.0, ramp_s in 2_u64..20) {
            let ramp = Duration::from_secs(ramp_s);
            let in_ramp = schedule(Arrivals::Constant, rate, ramp, 0)
                .take_while(|offset| *offset < ramp)
                .count() as f64;
            let whole = rate * ramp_s as f64;
            prop_assert!((in_ramp - whole / 2.0).abs() <= 2.0, "{in_ramp} of {whole}");
        }

        #[test]
        fn users_join_in_order_within_the_ramp(users in 1_u64..5_000, ramp_ms in 0_u64..60_000) {
            let ramp = Duration::from_millis(ramp_ms);
            let joins: Vec<_> = (0..users).map(|user| join_offset(user, users, ramp)).collect();
            prop_assert!(joins.is_sorted());
            prop_assert_eq!(joins[0], Duration::ZERO);
            prop_assert!(joins.iter().all(|join| *join <= ramp));
        }
    }
}
