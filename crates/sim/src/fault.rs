//! What goes wrong with an answer, drawn from the seed by the request's index.
//!
//! A request has at most one fault, so that the rates are shares of all requests and add up.

use std::time::Duration;

use domain::Seed;

/// How often each kind of fault is put into an answer, as shares of all requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Refusals by HTTP status (400 to 599), each with its share.
    pub status: Vec<(u16, f64)>,
    /// Answers that pause for `stall_duration` before a token.
    pub stall: f64,
    /// How long a stalled answer pauses.
    pub stall_duration: Duration,
    /// Streams that end as HTTP should, but before their finish and end mark.
    pub truncate: f64,
    /// Connections closed in the middle of the body.
    pub disconnect: f64,
    /// Connections reset (TCP RST) in the middle of the body.
    pub reset: f64,
    /// Streams in which the server reports an error after having begun with HTTP 200. An answer in
    /// one piece is an HTTP 500 instead.
    pub in_stream_error: f64,
    /// Answers with an event, or a whole body, that is no JSON.
    pub malformed: f64,
}

/// What goes wrong with one answer. Positions count the answer's tokens from zero: the fault
/// happens when that token would have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with this HTTP status.
    Status(u16),
    /// Pauses before token `at`.
    Stall {
        /// The token that comes late.
        at: u64,
        /// By how much.
        duration: Duration,
    },
    /// Sends broken JSON in place of token `at`, then goes on.
    Malformed {
        /// The token that is missing.
        at: u64,
    },
    /// Breaks off before token `at`.
    BreakOff {
        /// The first token that is missing.
        at: u64,
        /// In which way.
        how: BreakOff,
    },
}

/// How an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakOff {
    /// The body ends as HTTP should, with no finish and no end mark.
    Truncate,
    /// The connection is closed, the body unfinished.
    Disconnect,
    /// The connection is reset.
    Reset,
    /// The server reports an error and ends the body.
    InStreamError,
}

impl Fault {
    /// The word used in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status(_) => "status",
            Self::Stall { .. } => "stall",
            Self::Malformed { .. } => "malformed",
            Self::BreakOff { how: BreakOff::Truncate, .. } => "truncate",
            Self::BreakOff { how: BreakOff::Disconnect, .. } => "disconnect",
            Self::BreakOff { how: BreakOff::Reset, .. } => "reset",
            Self::BreakOff { how: BreakOff::InStreamError, .. } => "in_stream_error",
        }
    }

    /// The token it happens at; a refusal comes before any.
    #[must_use]
    pub const fn at(self) -> Option<u64> {
        match self {
            Self::Status(_) => None,
            Self::Stall { at, .. } | Self::Malformed { at } | Self::BreakOff { at, .. } => Some(at),
        }
    }
}

/// Why fault rates make no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum FaultsError {
    /// A rate is no share.
    #[error("fault rate {0} is not between 0 and 1")]
    Rate(f64),
    /// A request has at most one fault.
    #[error("fault rates add up to {0}, more than 1")]
    Sum(f64),
    /// Only refusals can be put in.
    #[error("status {0} is no HTTP error (400 to 599)")]
    Status(u16),
}

impl Faults {
    /// Each kind's share beside how to make it at a token.
    fn shares(&self) -> impl Iterator<Item = (f64, Kind)> {
        self.status.iter().map(|&(status, share)| (share, Kind::Status(status))).chain([
            (self.stall, Kind::Stall),
            (self.malformed, Kind::Malformed),
            (self.truncate, Kind::BreakOff(BreakOff::Truncate)),
            (self.disconnect, Kind::BreakOff(BreakOff::Disconnect)),
            (self.reset, Kind::BreakOff(BreakOff::Reset)),
            (self.in_stream_error, Kind::BreakOff(BreakOff::InStreamError)),
        ])
    }

    /// Checks that the rates are shares that one request in all can have.
    ///
    /// # Errors
    /// The first rate outside 0 to 1, a sum above 1, or a status that is no error.
    pub fn check(&self) -> Result<(), FaultsError> {
        if let Some(&(status, _)) =
            self.status.iter().find(|(status, _)| !(400..=599).contains(status))
        {
            return Err(FaultsError::Status(status));
        }
        let mut sum = 0.0;
        for (share, _) in self.shares() {
            if !(0.0..=1.0).contains(&share) {
                return Err(FaultsError::Rate(share));
            }
            sum += share;
        }
        // Shares such as ten times 0.1 add up to a hair more than 1.
        if sum > 1.0 + 1e-9 { Err(FaultsError::Sum(sum)) } else { Ok(()) }
    }

    /// The fault of the request that arrived as number `index`, if it has one, for an answer of
    /// `tokens` tokens.
    #[must_use]
    pub fn draw(&self, seed: Seed, index: u64, tokens: u64) -> Option<Fault> {
        let mut random = seed.nth(index).random();
        let mut left = random.unit();
        for (share, kind) in self.shares() {
            if left < share {
                let at = random.below(tokens);
                return Some(match kind {
                    Kind::Status(status) => Fault::Status(status),
                    Kind::Stall => Fault::Stall { at, duration: self.stall_duration },
                    Kind::Malformed => Fault::Malformed { at },
                    Kind::BreakOff(how) => Fault::BreakOff { at, how },
                });
            }
            left -= share;
        }
        None
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Status(u16),
    Stall,
    Malformed,
    BreakOff(BreakOff),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn mixed() -> Faults {
        Faults {
            status: vec![(429, 0.1), (503, 0.05)],
            stall: 0.1,
            stall_duration: Duration::from_secs(1),
            truncate: 0.1,
            disconnect: 0.05,
            reset: 0.05,
            in_stream_error: 0.1,
            malformed: 0.15,
        }
    }

    #[test]
    fn each_fault_has_its_share_and_every_position() {
        let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
        let mut positions = [0_u32; 4];
        for index in 0..20_000 {
            match mixed().draw(Seed(5), index, 4) {
                Some(fault) => {
                    *counts.entry(fault.as_str()).or_insert(0.0) += 1.0 / 20_000.0;
                    if let Some(at) = fault.at() {
                        positions[usize::try_from(at).unwrap()] += 1;
                    }
                }
                None => *counts.entry("none").or_insert(0.0) += 1.0 / 20_000.0,
            }
        }
        let want = [
            ("disconnect", 0.05),
            ("in_stream_error", 0.1),
            ("malformed", 0.15),
            ("none", 0.3),
            ("reset", 0.05),
            ("stall", 0.1),
            ("status", 0.15),
            ("truncate", 0.1),
        ];
        assert_eq!(counts.len(), want.len());
        for (name, share) in want {
            assert!((counts[name] - share).abs() < 0.01, "{name}: {} not {share}", counts[name]);
        }
        assert!(positions.iter().all(|&count| count > 2_000), "{positions:?}");
    }

    #[test]
    fn the_same_index_has_the_same_fault() {
        let faults = mixed();
        let draw = |seed| (0..100).map(|index| faults.draw(seed, index, 32)).collect::<Vec<_>>();
        assert_eq!(draw(Seed(1)), draw(Seed(1)));
        assert_ne!(draw(Seed(1)), draw(Seed(2)));
    }

    #[test]
    fn impossible_rates_are_refused() {
        let check = |faults: Faults| faults.check();
        assert_eq!(check(mixed()), Ok(()));
        assert_eq!(
            check(Faults { stall: -0.1, ..Faults::default() }),
            Err(FaultsError::Rate(-0.1))
        );
        assert_eq!(
            check(Faults { stall: 0.75, reset: 0.5, ..Faults::default() }),
            Err(FaultsError::Sum(1.25))
        );
        assert_eq!(
            check(Faults { status: vec![(200, 0.1)], ..Faults::default() }),
            Err(FaultsError::Status(200))
        );
    }
}
