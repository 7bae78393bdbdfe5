//! The history of a store, held against the same figures computed from every record.

mod readings;
mod rollups;
mod runs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use analysis::rollup::{Delta, Resolution, Roller, coarsen};
use archive::{History, rollup, series};
use domain::{
    Arrival, Chunks, CountSource, Exchange, Failure, FailureKind, FinishReason, Outcome, Random,
    RequestId, Seed, SystemClock, Timeline, Timestamp, Tokens, Usage, Vantage,
};
use store::RunLabel;
use store::durable::{
    Provenance, Retention, RollupRow, STORED_ANCHOR, Store, StoreSettings, StoredRecord,
};

/// The start of 2026, in seconds since 1970.
const START_S: u64 = 1_767_225_600;
const BENCHMARK: &str = "00000000000000ab";

/// A store with records, half of them in partitions and half in the log.
struct Kept {
    history: History,
    store: Store,
    records: Vec<StoredRecord>,
    _folder: tempfile::TempDir,
}

impl Kept {
    /// Keeps `records` and what they add up to.
    fn new(records: Vec<StoredRecord>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = StoreSettings {
            commit_interval: Duration::from_millis(1),
            seal_interval: Duration::ZERO,
            ..StoreSettings::default()
        };
        let (store, _) =
            Store::open(folder.path(), settings, Arc::new(SystemClock)).expect("a store");
        let (sealed, tail) = records.split_at(records.len() / 2);
        append(&store, sealed);
        store.maintain(Retention::default()).expect("they are sealed");
        append(&store, tail);
        roll_up(&store, &records);
        let history = History::new(store.reader().clone());
        Self { history, store, records, _folder: folder }
    }
}

fn append(store: &Store, records: &[StoredRecord]) {
    let ticket = store.append(records.iter().map(StoredRecord::entry)).expect("room");
    store.wait(ticket).expect("they are kept");
}

fn roll_up(store: &Store, records: &[StoredRecord]) {
    let mut rollers: BTreeMap<String, Roller> = BTreeMap::new();
    for record in records {
        let series = series::of(record).expect("a known source");
        let roller =
            rollers.entry(series::write(&series)).or_insert_with(|| Roller::new(STORED_ANCHOR));
        roller.record(&record.exchange, record.provenance.label.origin);
    }
    let mut rows = Vec::new();
    for (series, mut roller) in rollers {
        let seconds = roller.drain();
        for resolution in Resolution::ALL {
            rows.extend(coarsen(&seconds, resolution).iter().map(|delta| row(&series, delta)));
        }
    }
    let through = store.not_rolled_up(|_| ()).expect("a log");
    store
        .add_rollups(&rows, through, |one, other| {
            rollup::join(one, other).map_err(|error| error.to_string())
        })
        .expect("they are kept");
}

fn row(series: &str, Delta { window, rollup }: &Delta) -> RollupRow {
    RollupRow {
        series: series.to_owned(),
        resolution_s: u32::try_from(window.resolution().seconds()).expect("an hour at most"),
        start_unix_s: window.start_unix_seconds(),
        data: rollup::encode(rollup),
    }
}

/// Requests of two models in two regions and two runs, drawn at random and spread over `span_s`; one
/// in twenty failed, one in fifty only warmed up.
fn requests(count: u64, span_s: u64) -> Vec<StoredRecord> {
    let mut random = Seed(5).random();
    let provenances: Vec<Arc<Provenance>> = (0..4).map(|n| Arc::new(provenance(n))).collect();
    (0..count)
        .map(|index| {
            let kind = random.below(4) as usize;
            let started = START_S * 1_000_000_000 + random.below(span_s * 1_000_000_000);
            let exchange = exchange(index, kind, started, &mut random);
            StoredRecord { provenance: Arc::clone(&provenances[kind]), exchange }
        })
        .collect()
}

fn provenance(kind: u64) -> Provenance {
    Provenance {
        run: Some(Arc::from(BENCHMARK)),
        label: RunLabel { run: kind / 2, load: "rate=5/s".into(), origin: Origin::Planned },
        provider: "vllm".into(),
        target_region: if kind.is_multiple_of(2) { "eu-west" } else { "us-east" }.into(),
        vantage_region: "".into(),
        source: "bench".into(),
    }
}

fn exchange(index: u64, kind: usize, started: u64, random: &mut Random) -> Exchange {
    let started = Timestamp::from_nanos(started);
    let mut drawn =
        |median_ms: f64| Duration::from_secs_f64(median_ms / 1e3 * random.normal().exp());
    let (held, ttft) = (drawn(1.0), drawn(200.0));
    let count = 1 + index % 7;
    let mut chunks = Chunks::default();
    let mut arrived = started + ttft;
    for _ in 0..count {
        chunks.push(started, Arrival::at(arrived));
        arrived = arrived + drawn(30.0);
    }
    let outcome = if index % 20 == 3 {
        chunks.clear();
        Outcome::Failure(Failure {
            kind: FailureKind::Overloaded,
            status: Some(503),
            message: "busy".into(),
            retry_after: None,
            retryable: true,
        })
    } else {
        Outcome::Success(FinishReason::Stop)
    };
    Exchange {
        id: RequestId { run: 0xab, index },
        server_request_id: None,
        user: 0,
        turn: 0,
        model: if kind < 2 { "small" } else { "large" }.into(),
        scenario: "short_queries".into(),
        vantage: Vantage::Client,
        warmup: index % 50 == 9,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            planned: started.before(held),
            held: None,
            started,
            connection: None,
            sent: None,
            headers: None,
            chunks,
            finished: Arrival::at(arrived),
        },
        usage: Usage { input: Tokens(12), output: Tokens(count), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: None,
        outcome,
    }
}

/// The exact quantile of latencies in milliseconds.
fn exact(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    analysis::percentile::quantile(&values, share)
}

/// Whether a quantile is within a hundredth of the exact one, and there where that is.
#[track_caller]
fn assert_close(got: Option<f64>, exact: Option<f64>) {
    match (got, exact) {
        (None, None) => {}
        (Some(got), Some(exact)) => {
            assert!((got - exact).abs() <= 0.01 * exact + 1e-6, "{got} for {exact}");
        }
        (got, exact) => panic!("{got:?} for {exact:?}"),
    }
}
