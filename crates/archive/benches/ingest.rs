//! What it takes to keep records: a collector, its rollups and live windows, and the store, durably.
//!
//! Records have 32 chunks each, with figures drawn at random, and end as they are taken in. What a
//! producer does with each (a record is copied out of a thousand) counts too, as do moving records
//! from the log to partitions, every million, and merging those.
//!
//! `cargo bench -p archive --bench ingest -- RECORDS FOLDER` keeps the store in FOLDER, so that it can
//! be asked, and another program over its `partitions/*.parquet`. What was measured is written there
//! too, as `figures.json`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use analysis::Origin;
use archive::Archive;
use collect::{Collector, Record, RunTag, Settings, Tracked};
use domain::{
    Arrival, Chunks, Clock, CountSource, Exchange, FinishReason, Outcome, Random, RequestId, Seed,
    Series, Source, SystemClock, Timeline, Timestamp, Tokens, Usage, Vantage,
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use store::durable::{Retention, StoreSettings};

/// Why it broke off, in whatever thread.
type Failure = Box<dyn Error + Send + Sync>;

const BATCH: u64 = 1_000;
const CHUNKS: u64 = 32;
const MODELS: usize = 4;
/// How many records lie in the log when they are moved to partitions.
const SEALED_EVERY: u64 = 1_000_000;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let wanted = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let folder = arguments.next().map_or_else(|| scratch.path().to_owned(), PathBuf::from);

    let (wall, cpu) = (SystemClock.now(), cpu());
    let records = ingest(&folder, wanted)?;
    let (wall, cpu) = (SystemClock.now().since(wall), self::cpu() - cpu);
    let memory = memory_peak_bytes()?;
    println!(
        "{records} records kept in {:.1} s ({:.0}/s), CPU {:.1} s ({:.2} us each), \
         memory at most {:.0} MB",
        wall.as_secs_f64(),
        records as f64 / wall.as_secs_f64(),
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / records as f64,
        memory as f64 / 1e6,
    );
    let figures = json!({
        "records": records, "wall_s": wall.as_secs_f64(), "cpu_s": cpu.as_secs_f64(),
        "memory_peak_bytes": memory,
    });
    #[expect(clippy::disallowed_methods, reason = "a benchmark writes its result")]
    std::fs::write(folder.join("figures.json"), figures.to_string())?;
    Ok(())
}

/// Keeps so many records, or a batch more, and returns how many.
fn ingest(folder: &Path, wanted: u64) -> Result<u64, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = StoreSettings { seal_interval: Duration::ZERO, ..StoreSettings::default() };
    let (archive, _) = Archive::open(folder, settings, Arc::clone(&clock))?;
    let keeper = archive.record_keeper();
    let (collector, worker) = Collector::new(&Settings::default(), Arc::clone(&clock), keeper);
    let worker = std::thread::spawn(|| worker.run().map(drop));

    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<u64, Failure> {
        let upkeep = scope.spawn(|| {
            let mut sealed = 0;
            while !is_over.load(Ordering::Relaxed) {
                let kept = collector.status().kept;
                if kept >= sealed + SEALED_EVERY {
                    archive.store().maintain(Retention::default())?;
                    sealed = kept;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            // Twice, so that files merged into others are gone: another program reads all there are.
            let at_once = Retention { grace: Duration::ZERO, ..Retention::default() };
            archive.store().maintain(at_once)?;
            archive.store().maintain(at_once)
        });
        let made = produce(&collector, &*clock, wanted);
        collector.close();
        let kept = worker.join().expect("no panic");
        is_over.store(true, Ordering::Relaxed);
        let maintained = upkeep.join().expect("no panic");
        kept?;
        maintained?;
        made
    })
}

fn produce(collector: &Collector, clock: &dyn Clock, wanted: u64) -> Result<u64, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let tracked: Vec<Arc<Tracked>> = (0..MODELS).map(|nth| collector.track(&series(nth))).collect();
    let run = RunTag { benchmark: Arc::from("bench"), index: 0, load: Arc::from("rate=100000/s") };
    let run = Arc::new(run);
    let mut random = Seed(7).random();
    let samples: Vec<Exchange> = (0..BATCH).map(|_| exchange(&mut random)).collect();
    let mut made = 0;
    while made < wanted {
        let now = clock.now();
        let mut records: Vec<Record> = (made..)
            .zip(&samples)
            .map(|(index, sample)| {
                let series = Arc::clone(&tracked[index as usize % MODELS]);
                let exchange = ended(sample, index, &series, now);
                Record { series, run: Some(Arc::clone(&run)), origin: Origin::Started, exchange }
            })
            .collect();
        made += records.len() as u64;
        while !records.is_empty() {
            runtime.block_on(collector.submit(&mut records))?;
        }
    }
    Ok(made)
}

fn series(nth: usize) -> Series {
    Series {
        model: Arc::from(["llama-3-8b", "qwen-3-32b", "gpt-oss-120b", "smol"][nth]),
        provider: Arc::from("vllm"),
        region: Arc::from("eu-west"),
        vantage: Vantage::Client,
        vantage_region: Arc::from(""),
        scenario: Arc::from("short_queries"),
        source: Source::Bench,
    }
}

/// The exchange as one of the series that ended at `end`.
fn ended(sample: &Exchange, index: u64, series: &Tracked, end: Timestamp) -> Exchange {
    let mut exchange = sample.clone();
    exchange.id.index = index;
    exchange.user = index % 1_000;
    exchange.model = Arc::clone(&series.series().model);
    let timeline = &mut exchange.timeline;
    let by = end.since(timeline.finished.arrived);
    timeline.planned = timeline.planned + by;
    timeline.started = timeline.started + by;
    timeline.sent = timeline.sent.map(|sent| sent + by);
    for arrival in timeline.headers.iter_mut().chain([&mut timeline.finished]) {
        arrival.arrived = arrival.arrived + by;
        arrival.read = arrival.read + by;
    }
    exchange
}

/// An answer of 32 tokens that took about a second, at the clock's start.
fn exchange(random: &mut Random) -> Exchange {
    let started = Timestamp::from_nanos(0);
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
    Exchange {
        id: RequestId { run: 0xbe7c, index: 0 },
        server_request_id: Some(format!("chatcmpl-{:016x}", random.bits()).into()),
        user: 0,
        turn: 0,
        model: Arc::from(""),
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
            finished: Arrival::at(arrived + Duration::from_micros(100)),
        },
        usage: Usage { input: Tokens(200), output: Tokens(CHUNKS), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: Some(Tokens(64)),
        outcome: Outcome::Success(FinishReason::Stop),
    }
}

/// The processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The most memory that this process has had resident.
fn memory_peak_bytes() -> Result<u64, Failure> {
    #[expect(clippy::disallowed_methods, reason = "a benchmark asks the system what it took")]
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no VmHWM")?;
    Ok(kib.parse::<u64>()? * 1_024)
}
