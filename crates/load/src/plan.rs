//! What a run does: how requests come, when it stops, and what every request has in common.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{Sampling, Seed};

/// Why a plan cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem}; {hint}")]
pub struct PlanError {
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// How requests come.
#[derive(Clone, Debug, PartialEq)]
pub enum Load {
    /// A fixed number of users, each asking again once answered.
    Closed(Closed),
    /// Requests come on a schedule, answered or not.
    Open(Open),
}

/// A closed loop. A user whose request got no connection waits before the next, whatever it thinks:
/// 10 ms, doubled with each further one up to 1 s. One whose request was refused is ready at once,
/// whenever the server asks it to come back: a load that gave way would hide how much is refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// How many users there are.
    pub users: u64,
    /// How long a user waits between an answer and the next request.
    pub think: Duration,
    /// How many requests each user sends at most.
    pub requests_per_user: Option<u64>,
}

/// An open loop.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Mean arrivals a second.
    pub rate_per_s: f64,
    /// How the gaps between arrivals are distributed.
    pub arrivals: Arrivals,
    /// The most requests in flight; later ones wait, and their waiting counts.
    pub in_flight_max: Option<u64>,
}

/// How the gaps between arrivals of an open loop are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// All gaps are equal.
    Constant,
    /// Gaps are exponential: arrivals are independent of each other.
    Poisson,
    /// Gaps are gamma-distributed with this shape: below 1 arrivals come in bursts, 1 is Poisson,
    /// above 1 they are more even.
    Gamma {
        /// The shape parameter.
        burstiness: f64,
    },
}

/// When to send no more. The first that is reached counts; what is in flight then is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stop {
    /// After this many measured requests.
    pub requests: Option<u64>,
    /// After this long, counted from the first measured request.
    pub duration: Option<Duration>,
    /// After this many failures.
    pub failures: Option<u64>,
}

/// What all requests of a run have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The model asked for.
    pub model: Arc<str>,
    /// The longest answer; the workload's own limit stands where this is `None`.
    pub max_tokens: Option<u64>,
    /// Whether to generate past the model's own end.
    pub ignore_eos: bool,
    /// Whether answers come token by token.
    pub stream: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end an answer.
    pub stop: Arc<[String]>,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Names the run in request ids.
    pub run: u64,
    /// How requests come.
    pub load: Load,
    /// Users join, or the rate rises, evenly over this time.
    pub ramp: Duration,
    /// When to send no more.
    pub stop: Stop,
    /// Requests sent before the measured ones, and left out of every figure.
    pub warmup: u64,
    /// Whether each user's connection is opened before its first request.
    pub prepare: bool,
    /// Where every random draw comes from.
    pub seed: Seed,
    /// What all requests have in common.
    pub template: Template,
}

impl Plan {
    /// Checks that the plan can be run and that it ends.
    ///
    /// # Errors
    /// A [`PlanError`] for the first thing that is wrong.
    pub fn check(&self) -> Result<(), PlanError> {
        let fail = |problem: &str, hint| Err(PlanError { problem: problem.into(), hint });
        match &self.load {
            Load::Closed(closed) => {
                if closed.users == 0 {
                    return fail("no users", "give a concurrency of at least 1");
                }
                if closed.requests_per_user == Some(0) {
                    return fail("users send no requests", "let each send at least 1");
                }
                let endless = closed.requests_per_user.is_none()
                    && self.stop.requests.is_none()
                    && self.stop.duration.is_none();
                if endless {
                    return fail(
                        "the run would never end",
                        "give a number of requests, a duration, or requests per user",
                    );
                }
            }
            Load::Open(open) => {
                if !(open.rate_per_s.is_finite() && open.rate_per_s > 0.0) {
                    return fail("the request rate is not above zero", "give a rate such as 20/s");
                }
                if let Arrivals::Gamma { burstiness } = open.arrivals
                    && !(burstiness.is_finite() && burstiness > 0.0)
                {
                    return fail("burstiness is not above zero", "1 gives Poisson arrivals");
                }
                if open.in_flight_max == Some(0) {
                    return fail("nothing may be in flight", "allow at least 1 request in flight");
                }
                if self.stop.requests.is_none() && self.stop.duration.is_none() {
                    return fail(
                        "a request rate without an end",
                        "give a number of requests or a duration",
                    );
                }
            }
        }
        if self.stop.requests == Some(0) {
            return fail("the run would send no request", "give at least 1");
        }
        if self.stop.duration == Some(Duration::ZERO) {
            return fail("the run would last no time", "give a duration such as 30s");
        }
        if self.stop.duration.is_some_and(|duration| duration <= self.ramp) {
            return fail(
                "the ramp lasts as long as the run",
                "make the duration longer than the ramp",
            );
        }
        Ok(())
    }

    /// How many measured requests the plan sends at most, where that is known beforehand.
    #[must_use]
    pub fn requests_max(&self) -> Option<u64> {
        let by_users = match &self.load {
            Load::Closed(Closed { users, requests_per_user: Some(each), .. }) => {
                Some(users.saturating_mul(*each))
            }
            _ => None,
        };
        match (self.stop.requests, by_users) {
            (Some(requests), Some(by_users)) => Some(requests.min(by_users)),
            (requests, by_users) => requests.or(by_users),
        }
    }
}

impl fmt::Display for Load {
    /// The label runs carry in results: `concurrency=8`, `rate=20/s`, `rate=20/s,max=64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(closed) => write!(f, "concurrency={}", closed.users),
            Self::Open(Open { rate_per_s, in_flight_max: None, .. }) => {
                write!(f, "rate={rate_per_s}/s")
            }
            Self::Open(Open { rate_per_s, in_flight_max: Some(most), .. }) => {
                write!(f, "rate={rate_per_s}/s,max={most}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(load: Load, stop: Stop) -> Plan {
        let template = Template {
            model: "m".into(),
            max_tokens: None,
            ignore_eos: false,
            stream: true,
            sampling: Sampling::default(),
            stop: Arc::from([]),
        };
        let seed = Seed(0);
        Plan { run: 0, load, ramp: Duration::ZERO, stop, warmup: 0, prepare: true, seed, template }
    }

    #[test]
    fn impossible_plans_are_refused_with_a_hint() {
        let closed = |users, each| {
            Load::Closed(Closed { users, think: Duration::ZERO, requests_per_user: each })
        };
        let open =
            |rate_per_s, arrivals| Load::Open(Open { rate_per_s, arrivals, in_flight_max: None });
        let ten = Stop { requests: Some(10), ..Stop::default() };
        for (load, stop, problem) in [
            (closed(0, None), ten, "no users"),
            (closed(1, None), Stop::default(), "never end"),
            (closed(1, Some(0)), ten, "no requests"),
            (open(0.0, Arrivals::Poisson), ten, "rate is not above zero"),
            (open(f64::NAN, Arrivals::Poisson), ten, "rate is not above zero"),
            (open(1.0, Arrivals::Gamma { burstiness: 0.0 }), ten, "burstiness"),
            (open(1.0, Arrivals::Constant), Stop::default(), "without an end"),
            (closed(1, None), Stop { requests: Some(0), ..Stop::default() }, "no request"),
        ] {
            let error = plan(load, stop).check().expect_err(problem).to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert_eq!(plan(closed(3, Some(4)), Stop::default()).check(), Ok(()));
        assert_eq!(plan(closed(3, Some(4)), Stop::default()).requests_max(), Some(12));
        assert_eq!(plan(closed(3, Some(4)), ten).requests_max(), Some(10));
    }
}
