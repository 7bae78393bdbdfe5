//! What the durable store costs: records kept a second, and how long questions take.
//!
//! Records have 32 chunks each, with figures drawn at random. Every batch of 1,000 is acknowledged
//! at most a commit later than it is appended, as a collector would have it. CPU times are of the
//! whole process.
//!
//! `cargo bench -p store --bench durable -- RECORDS FOLDER` keeps the store in FOLDER, so that
//! another program can be asked the same over its `partitions/*.parquet`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use domain::{
    Arrival, Chunks, Clock as _, CountSource, Exchange, FinishReason, Outcome, Random, RequestId,
    Seed, SystemClock, Timeline, Timestamp, Tokens, Usage, Vantage,
};
use rustix::time::{ClockId, clock_gettime};
use store::RunLabel;
use store::durable::{
    AnswerFormat, Entry, Provenance, QueryLimits, Retention, RollupRange, RollupRow, STORED_ANCHOR,
    Store, StoreSettings,
};

const BATCH: u64 = 1_000;
const CHUNKS: u64 = 32;
/// Records end this far apart, so that an hour holds 3.6 million.
const APART: Duration = Duration::from_millis(1);
/// 2026-01-01T00:00:00Z.
const START_UNIX_NS: u64 = 1_767_225_600_000_000_000;

const PERCENTILES: &str = "SELECT model, \
    percentile_cont(0.5) WITHIN GROUP (ORDER BY e2el_ms) AS p50, \
    percentile_cont(0.95) WITHIN GROUP (ORDER BY e2el_ms) AS p95, \
    percentile_cont(0.99) WITHIN GROUP (ORDER BY e2el_ms) AS p99 \
    FROM requests GROUP BY model ORDER BY model";
const SKETCHES: &str = "SELECT model, \
    approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY e2el_ms) AS p50, \
    approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY e2el_ms) AS p95, \
    approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY e2el_ms) AS p99 \
    FROM requests GROUP BY model ORDER BY model";
const COUNT: &str = "SELECT count(*) AS requests FROM requests";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let records = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let folder = arguments.next().map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let settings = StoreSettings { seal_interval: Duration::ZERO, ..StoreSettings::default() };
    let (store, _) = Store::open(&folder, settings, Arc::new(SystemClock))?;

    let kept = Stopwatch::start();
    ingest(&store, records)?;
    kept.report("kept", records);
    let sealed = Stopwatch::start();
    store.maintain(Retention::default())?;
    sealed.report("sealed and merged", records);

    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    for sql in [COUNT, PERCENTILES, SKETCHES] {
        let asked = Stopwatch::start();
        let answer = runtime.block_on(store.reader().query(sql, QueryLimits::default()))?;
        let mut table = Vec::new();
        answer.write(AnswerFormat::Table, &mut table)?;
        asked.report(sql, records);
        print!("{}", String::from_utf8(table)?);
    }
    rollups(&store)
}

fn ingest(store: &Store, records: u64) -> Result<(), Box<dyn Error>> {
    let models = ["llama-3-8b", "qwen-3-32b", "gpt-oss-120b", "smol"].map(Arc::from);
    let word = |text: &str| Arc::from(text);
    let provenance = Provenance {
        run: Some(word("bench")),
        label: RunLabel { run: 0, load: word("rate=1000/s"), origin: Origin::Started },
        provider: word("vllm"),
        target_region: word("eu-west"),
        vantage_region: word(""),
        source: word("bench"),
    };
    let mut random = Seed(7).random();
    // Made once and shifted, so that what is measured is the store.
    let mut batch: Vec<Exchange> =
        (0..BATCH).map(|index| exchange(index, &models, &mut random)).collect();
    let mut last = None;
    for _ in 0..records / BATCH {
        let entries = batch.iter().map(|exchange| Entry {
            provenance: &provenance,
            exchange,
            anchor: STORED_ANCHOR,
        });
        let ticket = store.append(entries)?;
        if let Some(before) = last.replace(ticket) {
            store.wait(before)?;
        }
        for exchange in &mut batch {
            shift(exchange, APART * BATCH as u32);
            exchange.id.index += BATCH;
        }
    }
    last.map_or(Ok(()), |ticket| store.wait(ticket))?;
    Ok(())
}

fn exchange(index: u64, models: &[Arc<str>; 4], random: &mut Random) -> Exchange {
    let started = Timestamp::from_nanos(START_UNIX_NS) + APART * index as u32;
    let ttft = Duration::from_secs_f64(0.2 * random.normal().exp());
    let gap = Duration::from_secs_f64(0.02 * (0.3 * random.normal()).exp());
    let mut chunks = Chunks::with_capacity(CHUNKS as usize);
    let mut arrived = started + ttft;
    for _ in 0..CHUNKS {
        arrived = arrived + gap + Duration::from_nanos(random.below(1_000_000));
        chunks.push(
            started,
            Arrival { arrived, read: arrived + Duration::from_nanos(random.below(50_000)) },
        );
    }
    let finished = Arrival::at(arrived + Duration::from_micros(100));
    Exchange {
        id: RequestId { run: 0xbe7c, index },
        server_request_id: Some(format!("chatcmpl-{:016x}", random.bits()).into()),
        user: index % 1_000,
        turn: 0,
        model: Arc::clone(&models[(index % 4) as usize]),
        scenario: Arc::from("short_queries"),
        vantage: Vantage::Client,
        warmup: false,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            held: None,
            planned: started,
            started: started + Duration::from_nanos(random.below(30_000)),
            connection: None,
            sent: Some(started + Duration::from_micros(60)),
            headers: Some(Arrival::at(started + ttft)),
            chunks,
            finished,
        },
        usage: Usage { input: Tokens(200), output: Tokens(CHUNKS), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: Some(Tokens(64)),
        outcome: Outcome::Success(FinishReason::Stop),
    }
}

fn shift(exchange: &mut Exchange, by: Duration) {
    let timeline = &mut exchange.timeline;
    timeline.planned = timeline.planned + by;
    timeline.started = timeline.started + by;
    timeline.sent = timeline.sent.map(|sent| sent + by);
    for arrival in timeline.headers.iter_mut().chain([&mut timeline.finished]) {
        arrival.arrived = arrival.arrived + by;
        arrival.read = arrival.read + by;
    }
}

/// A panel of 1,000 windows of 10 series, out of the windows of a month, 600 bytes each.
fn rollups(store: &Store) -> Result<(), Box<dyn Error>> {
    const MONTH_MIN: u64 = 30 * 24 * 60;
    let through = store.not_rolled_up(|_| {})?;
    let put = Stopwatch::start();
    for start in (0..MONTH_MIN).step_by(60) {
        let rows: Vec<RollupRow> = (start..start + 60)
            .flat_map(|minute| (0..10).map(move |series| row(series, minute * 60)))
            .collect();
        store.add_rollups(&rows, through, |_, new| Ok(new.to_vec()))?;
    }
    put.report("rollups put", MONTH_MIN * 10);
    let asked = Stopwatch::start();
    let range = RollupRange {
        resolution_s: 60,
        from_unix_s: 20_000 * 60,
        to_unix_s: 21_000 * 60,
        series: None,
    };
    let points: u64 = store.reader().rollups(range)?.values().map(|one| one.len() as u64).sum();
    asked.report("rollups read", points);
    Ok(())
}

fn row(series: u64, start_unix_s: u64) -> RollupRow {
    let data = vec![series as u8; 600];
    RollupRow { series: format!("series {series}"), resolution_s: 60, start_unix_s, data }
}

/// Measures wall-clock and CPU time.
struct Stopwatch {
    wall: Timestamp,
    cpu: Duration,
}

impl Stopwatch {
    fn start() -> Self {
        Self { wall: SystemClock.now(), cpu: cpu() }
    }

    fn report(&self, what: &str, count: u64) {
        let wall = SystemClock.now().since(self.wall);
        let cpu = cpu() - self.cpu;
        let rate = count as f64 / wall.as_secs_f64();
        let each = cpu.as_secs_f64() * 1e6 / count as f64;
        println!(
            "{what}: {count} in {:.3} s ({rate:.0}/s), CPU {:.3} s ({each:.2} us each)",
            wall.as_secs_f64(),
            cpu.as_secs_f64()
        );
    }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
