//! A service whose latency grows with load: slots, a queue, and rates that requests share.
//!
//! The model is that of a server with continuous batching, in three parts that can be worked out by
//! hand:
//!
//! - A request takes one of `slots`, or waits in line for one; the line has a limit.
//! - Prefill is compute-bound and therefore serial: prompts pass one after another, each taking
//!   `prompt tokens / prefill_tokens_per_s`. The first token comes as prefill ends.
//! - Decode is shared: with `n` streams decoding, each gets
//!   `decode_tokens_per_s / (1 + contention · (n − 1))`. Alone, a stream has the whole rate. With
//!   contention 0 streams do not hinder each other; with contention 1 they share one rate; in
//!   between, the total grows with `n` towards `decode_tokens_per_s / contention`.
//!
//! ```text
//! state     event                                        next
//! –         arrives, a slot is free                      prefill
//! –         arrives, no slot, room in line               waiting
//! –         arrives, no slot, line full                  refused
//! waiting   another leaves, first in line                prefill
//! waiting   its client gives up                          gone
//! prefill   first token written                          decode
//! prefill   its client gives up                          gone, slot freed
//! decode    last token written, or its client gives up   gone, slot freed
//! ```
//!
//! Nothing here reads a clock: each event comes with its time.

use std::collections::VecDeque;
use std::time::Duration;

use domain::{Timestamp, Tokens};

/// The service's size and rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slots {
    /// How many requests are served at once.
    pub slots: usize,
    /// How many may wait for a slot; `None` is no limit.
    pub queue_limit: Option<usize>,
    /// The rate at which prompts are read, one prompt after another.
    pub prefill_tokens_per_s: f64,
    /// The rate of one stream that decodes alone.
    pub decode_tokens_per_s: f64,
    /// How much each further stream slows the others, from 0 (not at all) to 1 (the rate is split).
    pub contention: f64,
}

/// Why a service cannot be as described.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SlotsError {
    /// Nothing would ever be served.
    #[error("a service needs at least one slot")]
    NoSlots,
    /// A rate is no positive number.
    #[error("a rate of {0} tokens/s is not above 0")]
    Rate(f64),
    /// Contention is outside its range.
    #[error("contention {0} is not between 0 and 1")]
    Contention(f64),
}

impl Slots {
    /// Checks that requests can be served at these rates.
    ///
    /// # Errors
    /// The first setting that makes no sense.
    pub fn check(&self) -> Result<(), SlotsError> {
        if self.slots == 0 {
            return Err(SlotsError::NoSlots);
        }
        for rate in [self.prefill_tokens_per_s, self.decode_tokens_per_s] {
            if !(rate.is_finite() && rate > 0.0) {
                return Err(SlotsError::Rate(rate));
            }
        }
        if !(0.0..=1.0).contains(&self.contention) {
            return Err(SlotsError::Contention(self.contention));
        }
        Ok(())
    }
}

/// Names a request to the service: its index.
pub type Ticket = u64;

/// What becomes of a request that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has a slot, and its first token is due then.
    Served(Timestamp),
    /// It waits in line.
    Waiting,
    /// The line is full.
    Refused,
}

/// A request that came to the head of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which request.
    pub ticket: Ticket,
    /// When its first token is due.
    pub first_token_due: Timestamp,
}

/// The state of the service between events.
#[derive(Clone, Debug)]
pub struct SlotService {
    settings: Slots,
    busy: usize,
    decoding: usize,
    prefill_free_at: Timestamp,
    line: VecDeque<(Ticket, Tokens)>,
}

impl SlotService {
    /// An idle service.
    #[must_use]
    pub fn new(settings: Slots) -> Self {
        Self {
            settings,
            busy: 0,
            decoding: 0,
            prefill_free_at: Timestamp::default(),
            line: VecDeque::new(),
        }
    }

    /// A request with a prompt of this many tokens arrives.
    pub fn arrive(&mut self, now: Timestamp, ticket: Ticket, prompt: Tokens) -> Admission {
        if self.busy < self.settings.slots {
            self.busy += 1;
            return Admission::Served(self.prefill(now, prompt));
        }
        if self.settings.queue_limit.is_some_and(|limit| self.line.len() >= limit) {
            return Admission::Refused;
        }
        self.line.push_back((ticket, prompt));
        Admission::Waiting
    }

    /// A served request writes its first token and decodes from now on.
    pub const fn begin_decode(&mut self) {
        self.decoding += 1;
    }

    /// How long a decoding stream's next token takes at the present load.
    #[must_use]
    pub fn decode_gap(&self) -> Duration {
        let others = self.decoding.saturating_sub(1) as f64;
        let stretch = 1.0 + self.settings.contention * others;
        Duration::from_secs_f64(stretch / self.settings.decode_tokens_per_s)
    }

    /// A served request ends, whether it had begun to decode or not. The first in line, if any,
    /// takes its slot.
    pub fn leave(&mut self, now: Timestamp, decoding: bool) -> Option<Admitted> {
        if decoding {
            self.decoding -= 1;
        }
        let Some((ticket, prompt)) = self.line.pop_front() else {
            self.busy -= 1;
            return None;
        };
        Some(Admitted { ticket, first_token_due: self.prefill(now, prompt) })
    }

    /// A waiting request gives up. Returns whether it still stood in line.
    pub fn give_up(&mut self, ticket: Ticket) -> bool {
        let before = self.line.len();
        self.line.retain(|&(waiting, _)| waiting != ticket);
        self.line.len() < before
    }

    fn prefill(&mut self, now: Timestamp, prompt: Tokens) -> Timestamp {
        let seconds = prompt.count() as f64 / self.settings.prefill_tokens_per_s;
        self.prefill_free_at = self.prefill_free_at.max(now) + Duration::from_secs_f64(seconds);
        self.prefill_free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::{BinaryHeap, HashMap};

    const TOKENS: u64 = 50;

    fn settings(slots: usize, contention: f64) -> Slots {
        Slots {
            slots,
            queue_limit: None,
            prefill_tokens_per_s: 10_000.0,
            decode_tokens_per_s: 100.0,
            contention,
        }
    }

    fn ms(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    /// Runs `users` users in a closed loop for 60 virtual seconds, each asking for `TOKENS` tokens
    /// with a prompt of 100. Returns the tokens per second and the mean time to first token in
    /// seconds.
    fn closed_loop(settings: Slots, users: u64) -> (f64, f64) {
        let mut service = SlotService::new(settings);
        let mut due = BinaryHeap::new();
        let mut arrived = HashMap::new();
        let (mut tokens, mut waits, mut firsts) = (0_u64, 0.0, 0_u64);
        for user in 0..users {
            arrived.insert(user, ms(0));
            if let Admission::Served(at) = service.arrive(ms(0), user, Tokens(100)) {
                due.push(Reverse((at, user, 0)));
            }
        }
        while let Some(Reverse((now, user, token))) = due.pop() {
            if now > ms(60_000) {
                break;
            }
            tokens += 1;
            if token == 0 {
                service.begin_decode();
                waits += now.since(arrived[&user]).as_secs_f64();
                firsts += 1;
            }
            if token + 1 < TOKENS {
                due.push(Reverse((now + service.decode_gap(), user, token + 1)));
                continue;
            }
            if let Some(next) = service.leave(now, true) {
                due.push(Reverse((next.first_token_due, next.ticket, 0)));
            }
            arrived.insert(user, now);
            if let Admission::Served(at) = service.arrive(now, user, Tokens(100)) {
                due.push(Reverse((at, user, 0)));
            }
        }
        (tokens as f64 / 60.0, waits / firsts as f64)
    }

    #[test]
    fn latency_grows_with_load_while_throughput_saturates() {
        // Alone: 50 tokens in 10 ms of prefill and 49 gaps of 10 ms.
        let (alone, first_token) = closed_loop(settings(8, 0.25), 1);
        assert!((alone - 100.0).abs() < 1.0, "{alone}");
        assert!((first_token - 0.01).abs() < 1e-6, "{first_token}");

        let mut last = (alone, first_token);
        for users in [2, 4, 8] {
            let next = closed_loop(settings(8, 0.25), users);
            assert!(next.0 > last.0 * 1.1, "{users} users: {} after {}", next.0, last.0);
            last = next;
        }
        // Eight streams: 8 · 100 / (1 + 0.25 · 7) = 291 tokens/s, and no more with a line.
        assert!((last.0 - 291.0).abs() < 12.0, "{}", last.0);
        let (crowded, waited) = closed_loop(settings(8, 0.25), 32);
        assert!((crowded - 291.0).abs() < 12.0, "{crowded}");
        // Little's law: 32 users at 291 / 50 requests a second leave after 5.5 s; served in 1.4 s.
        assert!((waited - 4.1).abs() < 0.3, "{waited}");
    }

    #[test]
    fn contention_one_splits_the_rate_and_zero_does_not() {
        for users in [1, 8, 32] {
            let (split, _) = closed_loop(settings(32, 1.0), users);
            assert!((split - 100.0).abs() < 3.0, "{users} users split {split}");
        }
        let (free, _) = closed_loop(settings(32, 0.0), 8);
        assert!((free - 800.0).abs() < 10.0, "{free}");
    }

    #[test]
    fn prefill_is_serial() {
        let mut service = SlotService::new(settings(3, 0.0));
        assert_eq!(service.arrive(ms(0), 0, Tokens(100)), Admission::Served(ms(10)));
        assert_eq!(service.arrive(ms(5), 1, Tokens(200)), Admission::Served(ms(30)));
        assert_eq!(service.arrive(ms(100), 2, Tokens(100)), Admission::Served(ms(110)));
    }

    #[test]
    fn the_line_is_first_come_first_served_bounded_and_can_be_left() {
        let mut service = SlotService::new(Slots { queue_limit: Some(2), ..settings(1, 0.0) });
        assert_eq!(service.arrive(ms(0), 0, Tokens(100)), Admission::Served(ms(10)));
        assert_eq!(service.arrive(ms(1), 1, Tokens(100)), Admission::Waiting);
        assert_eq!(service.arrive(ms(2), 2, Tokens(100)), Admission::Waiting);
        assert_eq!(service.arrive(ms(3), 3, Tokens(100)), Admission::Refused);
        assert!(service.give_up(1));
        assert!(!service.give_up(1));
        let admitted = Admitted { ticket: 2, first_token_due: ms(30) };
        assert_eq!(service.leave(ms(20), false), Some(admitted));
        assert_eq!(service.leave(ms(40), false), None);
        assert_eq!(service.arrive(ms(50), 4, Tokens(100)), Admission::Served(ms(60)));
    }

    #[test]
    fn impossible_services_are_refused() {
        assert_eq!(settings(0, 0.0).check(), Err(SlotsError::NoSlots));
        assert_eq!(settings(1, 1.5).check(), Err(SlotsError::Contention(1.5)));
        let slow = Slots { decode_tokens_per_s: 0.0, ..settings(1, 0.0) };
        assert_eq!(slow.check(), Err(SlotsError::Rate(0.0)));
    }
}
