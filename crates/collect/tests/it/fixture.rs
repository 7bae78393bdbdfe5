//! Series, records and keepers for the tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use analysis::Origin;
use analysis::rollup::Rollup;
use collect::{Collector, Keeper, Record, SeriesDelta, Settings, Tracked, Worker};
use domain::{
    Arrival, Chunks, Clock as _, CountSource, Exchange, Failure, FailureKind, FinishReason,
    Outcome, RequestId, Series, Source, Timeline, Timestamp, Tokens, Usage, Vantage,
};
use testkit::ManualClock;

pub(crate) fn series(model: &str) -> Series {
    Series {
        model: Arc::from(model),
        provider: Arc::from("openai"),
        region: Arc::from("eu-west"),
        vantage: Vantage::Client,
        vantage_region: Arc::from("home"),
        scenario: Arc::from("short_queries"),
        source: Source::Bench,
    }
}

/// A request that began at `started` and took 100 ms: two chunks of two tokens each after 40 and
/// 80 ms.
pub(crate) fn exchange(index: u64, started: Timestamp) -> Exchange {
    let after = |ms| Arrival::at(started + Duration::from_millis(ms));
    let mut chunks = Chunks::default();
    chunks.push(started, after(40));
    chunks.push(started, after(80));
    Exchange {
        id: RequestId { run: 1, index },
        server_request_id: None,
        user: 0,
        turn: 0,
        model: Arc::from("model"),
        scenario: Arc::from("scenario"),
        vantage: Vantage::Client,
        warmup: false,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            held: None,
            planned: started,
            started,
            connection: None,
            sent: Some(started),
            headers: None,
            chunks,
            finished: after(100),
        },
        usage: Usage { input: Tokens(10), output: Tokens(4), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: None,
        outcome: Outcome::Success(FinishReason::Stop),
    }
}

pub(crate) fn record(series: &Arc<Tracked>, index: u64, started: Timestamp) -> Record {
    let exchange = exchange(index, started);
    Record { series: Arc::clone(series), run: None, origin: Origin::Started, exchange }
}

pub(crate) fn failed(mut record: Record, kind: FailureKind) -> Record {
    record.exchange.outcome = Outcome::Failure(Failure::new(kind, "no"));
    record
}

/// What a keeper was given.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) indexes: Vec<u64>,
    pub(crate) rolled: Rollup,
    pub(crate) deltas: Vec<SeriesDelta>,
    /// How many calls of each kind are still to fail.
    pub(crate) keep_fails: u32,
    pub(crate) roll_up_fails: u32,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk is full")]
pub(crate) struct DiskFull;

/// A keeper whose shelf the test looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf(pub(crate) Arc<Mutex<Kept>>);

impl Shelf {
    pub(crate) fn look<T>(&self, at: impl FnOnce(&mut Kept) -> T) -> T {
        at(&mut self.0.lock().unwrap())
    }
}

impl Keeper for Shelf {
    type Error = DiskFull;

    fn keep(&mut self, records: &[Record]) -> Result<(), DiskFull> {
        self.look(|kept| {
            if kept.keep_fails > 0 {
                kept.keep_fails -= 1;
                return Err(DiskFull);
            }
            kept.indexes.extend(records.iter().map(|record| record.exchange.id.index));
            Ok(())
        })
    }

    fn roll_up(&mut self, deltas: &[SeriesDelta]) -> Result<(), DiskFull> {
        self.look(|kept| {
            if kept.roll_up_fails > 0 {
                kept.roll_up_fails -= 1;
                return Err(DiskFull);
            }
            deltas.iter().for_each(|delta| kept.rolled.merge(&delta.delta.rollup));
            kept.deltas.extend_from_slice(deltas);
            Ok(())
        })
    }
}

/// A collector whose worker takes its turns when the test says, by a clock that the test moves.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) worker: Worker<Shelf>,
    pub(crate) shelf: Shelf,
}

impl Bench {
    pub(crate) fn new(settings: Settings) -> Self {
        let (clock, shelf) = (Arc::new(ManualClock::new()), Shelf::default());
        let handed: Arc<dyn domain::Clock> = Arc::<ManualClock>::clone(&clock);
        let (collector, worker) = Collector::new(&settings, handed, shelf.clone());
        Self { clock, collector, worker, shelf }
    }

    /// Lets so much time pass, and gives the worker a turn.
    pub(crate) fn turn_after(&mut self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
        self.worker.turn();
    }

    /// Records of `series` that begin now, numbered as told.
    pub(crate) fn records(
        &self,
        series: &Arc<Tracked>,
        indexes: std::ops::Range<u64>,
    ) -> Vec<Record> {
        indexes.map(|index| record(series, index, self.clock.now())).collect()
    }
}
