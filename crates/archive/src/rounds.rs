//! Keeps the rounds of canaries: what became of each, in documents of an hour.
//!
//! Rounds that follow each other and ended alike are one stretch, so that a target that is well takes
//! a few bytes an hour however often it is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use control::{Round, RoundOutcome, Tally};
use serde::{Deserialize, Serialize};
use store::durable::{Document, DurableError, Reader, Store};

/// Days that rounds are kept for: a year and a month.
const DAYS_KEPT: u64 = 396;
/// Days before those, which are looked through for what a server that was off did not forget.
const DAYS_FORGOTTEN: u64 = 31;
pub(crate) const HOUR_MS: u64 = 3_600_000;
const HOURS_PER_DAY: u64 = 24;

/// What is known of a target's rounds by one schedule in one hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hour {
    pub(crate) schedule: String,
    pub(crate) target: String,
    /// The share of requests that are to be answered well.
    pub(crate) objective: f64,
    /// In their order.
    pub(crate) stretches: Vec<Stretch>,
}

/// Rounds that followed each other and ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// When the first was due.
    pub(crate) from_unix_ms: u64,
    /// From one to the next.
    pub(crate) every_ms: u64,
    pub(crate) rounds: u64,
    /// How the requests of each ended.
    pub(crate) good: u64,
    pub(crate) failed: u64,
    pub(crate) excluded: u64,
}

impl Stretch {
    /// When the round after its last one was due.
    pub(crate) const fn to_unix_ms(&self) -> u64 {
        self.from_unix_ms + self.rounds * self.every_ms
    }

    /// Takes `next` in, if it goes on with what is here; says whether it did.
    fn joins(&mut self, next: &Self) -> bool {
        let is_alike = Self { from_unix_ms: 0, rounds: 0, ..*self }
            == Self { from_unix_ms: 0, rounds: 0, ..*next };
        // Both are cut to milliseconds.
        let is_next = self.to_unix_ms().abs_diff(next.from_unix_ms) <= 1;
        if is_alike && is_next {
            self.rounds += next.rounds;
        }
        is_alike && is_next
    }
}

impl Hour {
    fn add(&mut self, stretch: Stretch) {
        if !self.stretches.last_mut().is_some_and(|last| last.joins(&stretch)) {
            self.stretches.push(stretch);
        }
    }
}

/// Keeps rounds in a store.
#[derive(Clone, Debug)]
pub struct RoundKeeper {
    store: Arc<Store>,
    /// The hour under way of each schedule and target.
    hours: Arc<Mutex<HashMap<String, (u64, Hour)>>>,
}

impl RoundKeeper {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, hours: Arc::default() }
    }

    /// Keeps what became of a round. Those that were left out need no keeping: there is no more to
    /// say of them than that nothing is known.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn keep(&self, round: &Round) -> Result<(), DurableError> {
        let RoundOutcome::Asked { tally, .. } = &round.outcome else { return Ok(()) };
        let Tally { good, failed, excluded } = *tally;
        let stretch = Stretch {
            from_unix_ms: round.due_unix_nanos / 1_000_000,
            every_ms: u64::try_from(round.every.as_millis()).unwrap_or(u64::MAX),
            rounds: 1,
            good,
            failed,
            excluded,
        };
        let number = stretch.from_unix_ms / HOUR_MS;
        let lane = format!("{} {}", round.target, round.schedule);
        let id = id(number, &lane);
        let mut hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = hours.get(&lane).is_none_or(|(known, _)| *known != number);
        if is_new {
            let kept = self.store.reader().document(&kind(number / HOURS_PER_DAY), &id)?;
            let hour = kept.as_ref().and_then(read).unwrap_or_else(|| Hour {
                schedule: round.schedule.to_string(),
                target: round.target.to_string(),
                objective: round.objective,
                stretches: Vec::new(),
            });
            hours.insert(lane.clone(), (number, hour));
            self.forget(number / HOURS_PER_DAY)?;
        }
        let (_, hour) = hours.get_mut(&lane).expect("it was put there");
        hour.objective = round.objective;
        hour.add(stretch);
        let body = serde_json::to_string(hour).expect("it is plain data");
        self.store.put_document(&kind(number / HOURS_PER_DAY), &id, &body)
    }

    fn forget(&self, today: u64) -> Result<(), DurableError> {
        let Some(last) = today.checked_sub(DAYS_KEPT) else { return Ok(()) };
        for day in last.saturating_sub(DAYS_FORGOTTEN)..last {
            for document in self.store.reader().documents(&kind(day))? {
                self.store.remove_document(&kind(day), &document.id)?;
            }
        }
        Ok(())
    }
}

/// Hands over the hours that reach into the time between two moments, by time, as far as the
/// documents can be read.
pub(crate) fn hours(
    reader: &Reader,
    from_unix_ms: u64,
    to_unix_ms: u64,
) -> Result<Vec<Hour>, DurableError> {
    let hour_of = |document: &Document| document.id.get(..HOUR_DIGITS)?.parse::<u64>().ok();
    let (first, last) = (from_unix_ms / HOUR_MS, to_unix_ms / HOUR_MS);
    let mut hours = Vec::new();
    for day in first / HOURS_PER_DAY..=last / HOURS_PER_DAY {
        let documents = reader.documents(&kind(day))?;
        let within = documents.iter().filter(|document| {
            hour_of(document).is_some_and(|hour| (first..=last).contains(&hour))
        });
        hours.extend(within.filter_map(read));
    }
    Ok(hours)
}

/// How many digits an hour's number has in an id, so that ids are in the order of time.
const HOUR_DIGITS: usize = 8;

fn id(hour: u64, lane: &str) -> String {
    format!("{hour:0HOUR_DIGITS$} {lane}")
}

/// The kind of document that a day's rounds are kept as.
fn kind(day: u64) -> String {
    format!("canary/{day}")
}

fn read(document: &Document) -> Option<Hour> {
    serde_json::from_str(&document.body).ok()
}
