//! Keeps what canaries find: the counts of each hour, and when targets were down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use control::Round;
use control::availability::{Change, Count, Downtime, Lane, LaneId, Ledger, Minutes};
use serde::{Deserialize, Serialize};
use store::durable::{DurableError, Store};

/// The kinds of documents that lanes and their hours are kept as.
const LANES: &str = "canary";
const HOURS: &str = "canary_hour";

/// What is known of a target of a schedule, but for its counts.
#[derive(Serialize, Deserialize)]
struct LaneDocument {
    target: Arc<str>,
    schedule: Arc<str>,
    objective: f64,
    downtimes: Vec<KeptDowntime>,
}

#[derive(Serialize, Deserialize)]
struct KeptDowntime {
    from_unix_ns: u64,
    to_unix_ns: Option<u64>,
    rounds: u64,
    problem: String,
}

/// The counts of an hour: good, failed and excluded requests, rounds asked and left out, and
/// milliseconds measured, by minute.
#[derive(Serialize, Deserialize)]
struct HourDocument {
    target: Arc<str>,
    schedule: Arc<str>,
    hour: u64,
    minutes: BTreeMap<u8, [u64; 6]>,
}

/// Keeps the rounds of canaries in a store, and what they come to at hand. Clones are the same one.
#[derive(Clone, Debug)]
pub struct AvailabilityBook {
    store: Arc<Store>,
    ledger: Arc<Mutex<Ledger>>,
}

impl AvailabilityBook {
    /// Takes up what `store` has.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open(store: Arc<Store>) -> Result<Self, DurableError> {
        let mut ledger = Ledger::default();
        // What another version wrote in a form of its own is passed over: it is no reason not to
        // watch targets any more.
        for document in store.reader().documents(LANES)? {
            let Ok(kept) = serde_json::from_str::<LaneDocument>(&document.body) else { continue };
            let lane = ledger.lane(LaneId { target: kept.target, schedule: kept.schedule });
            lane.objective = kept.objective;
            lane.downtimes = kept.downtimes.into_iter().map(Downtime::from).collect();
        }
        for document in store.reader().documents(HOURS)? {
            let Ok(kept) = serde_json::from_str::<HourDocument>(&document.body) else { continue };
            let lane = ledger.lane(LaneId { target: kept.target, schedule: kept.schedule });
            let minutes = kept.minutes.into_iter().map(|(minute, row)| (minute, count(row)));
            lane.hours.insert(kept.hour, minutes.collect());
        }
        Ok(Self { store, ledger: Arc::new(Mutex::new(ledger)) })
    }

    /// Counts a round, and keeps that.
    ///
    /// # Errors
    /// Where it cannot be kept. It counts until this process ends.
    pub fn note(&self, round: &Round) -> Result<(), DurableError> {
        let (id, change, hour, lane) = self.ask(|ledger| {
            let (id, lane, change) = ledger.note(round);
            let hour = hour_body(&id, change.hour, &lane.hours[&change.hour]);
            let lane = change.is_lane_changed.then(|| lane_body(&id, lane));
            (id, change, hour, lane)
        });
        let Change { hour: number, forgotten, .. } = change;
        self.store.put_document(HOURS, &hour_id(&id, number), &hour)?;
        if let Some(lane) = lane {
            self.store.put_document(LANES, &lane_id(&id), &lane)?;
        }
        for old in forgotten {
            self.store.remove_document(HOURS, &hour_id(&id, old))?;
        }
        Ok(())
    }

    /// Asks what is known.
    pub fn ask<T>(&self, question: impl FnOnce(&mut Ledger) -> T) -> T {
        question(&mut self.ledger.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn lane_id(LaneId { target, schedule }: &LaneId) -> String {
    serde_json::json!([target, schedule]).to_string()
}

fn hour_id(LaneId { target, schedule }: &LaneId, hour: u64) -> String {
    serde_json::json!([target, schedule, hour]).to_string()
}

fn lane_body(id: &LaneId, lane: &Lane) -> String {
    let document = LaneDocument {
        target: Arc::clone(&id.target),
        schedule: Arc::clone(&id.schedule),
        objective: lane.objective,
        downtimes: lane.downtimes.iter().map(KeptDowntime::from).collect(),
    };
    serde_json::to_string(&document).expect("it is plain data")
}

fn hour_body(id: &LaneId, hour: u64, minutes: &Minutes) -> String {
    let document = HourDocument {
        target: Arc::clone(&id.target),
        schedule: Arc::clone(&id.schedule),
        hour,
        minutes: minutes.iter().map(|(minute, count)| (*minute, row(*count))).collect(),
    };
    serde_json::to_string(&document).expect("it is plain data")
}

const fn row(count: Count) -> [u64; 6] {
    let Count { good, failed, excluded, asked, left_out, measured_ms } = count;
    [good, failed, excluded, asked, left_out, measured_ms]
}

const fn count([good, failed, excluded, asked, left_out, measured_ms]: [u64; 6]) -> Count {
    Count { good, failed, excluded, asked, left_out, measured_ms }
}

impl From<KeptDowntime> for Downtime {
    fn from(kept: KeptDowntime) -> Self {
        Self {
            from_unix_nanos: kept.from_unix_ns,
            to_unix_nanos: kept.to_unix_ns,
            rounds: kept.rounds,
            problem: kept.problem,
        }
    }
}

impl From<&Downtime> for KeptDowntime {
    fn from(down: &Downtime) -> Self {
        Self {
            from_unix_ns: down.from_unix_nanos,
            to_unix_ns: down.to_unix_nanos,
            rounds: down.rounds,
            problem: down.problem.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use control::{RoundOutcome, Tally};
    use domain::SystemClock;
    use store::durable::StoreSettings;

    use super::*;

    const START_S: u64 = 1_767_225_600;

    #[test]
    fn what_was_found_is_known_again_by_the_next_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || {
            let settings = StoreSettings::default();
            let opened = Store::open(folder.path(), settings, Arc::new(SystemClock));
            let (store, _) = opened.expect("a store");
            AvailabilityBook::open(Arc::new(store)).expect("it can be read")
        };
        let asked = |minute: u64, good: u64| Round {
            schedule: "canary/eu".into(),
            target: "gpt \"4\"".into(),
            due_unix_nanos: (START_S + 60 * minute) * 1_000_000_000,
            every: Duration::from_secs(60),
            objective: 0.99,
            outcome: RoundOutcome::Asked {
                tally: Tally { good, failed: 1 - good, excluded: 0 },
                problem: None,
            },
        };
        let told = |book: &AvailabilityBook| {
            let hour = Duration::from_secs(3_600);
            book.ask(|ledger| {
                let of = |now| ledger.availability("gpt \"4\"", hour, now);
                let [first, old] = [START_S + 3_600, START_S + 36 * 86_400].map(of);
                (first, old, ledger.downtimes("gpt \"4\""))
            })
        };
        let book = open();
        for round in [asked(0, 1), asked(1, 0), asked(61, 1)] {
            book.note(&round).expect("there is room");
        }
        let before = told(&book);
        assert_eq!(before.0.expect("it was asked").share(), Some(0.5));
        assert_eq!(before.2.len(), 1);
        drop(book);
        let book = open();
        assert_eq!(told(&book), before);
        book.note(&asked(36 * 1_440, 1)).expect("there is room");
        drop(book);
        let hours = open().store.reader().documents(HOURS).expect("it can be read");
        assert_eq!(hours.len(), 1, "{hours:?}");
    }
}
