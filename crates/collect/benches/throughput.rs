//! How many records one core takes in, keeps (a keeper that only counts) and rolls up.
//!
//! One thread is producer and worker in turns, so that the CPU time of each is told apart. A record
//! is of an answer in 8 chunks that took about a second; 20 series, live windows five times a second.
//! Making the records is no part of the collector's work and is told separately.
//!
//! `cargo bench -p collect --bench throughput -- [RECORDS]`

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use collect::{Collector, Keeper, Record, SeriesDelta, Settings, Tracked};
use domain::{
    Arrival, Chunks, Clock, CountSource, Exchange, FinishReason, Outcome, Random, RequestId, Seed,
    Series, Source, SystemClock, Timeline, Timestamp, Tokens, Usage, Vantage,
};
use rustix::time::{ClockId, clock_gettime};

const SERIES: usize = 20;
const CHUNKS: usize = 8;

/// Counts what it is given.
#[derive(Debug, Default)]
struct Counter {
    records: u64,
    deltas: u64,
}

impl Keeper for Counter {
    type Error = Infallible;

    fn keep(&mut self, records: &[Record]) -> Result<(), Infallible> {
        self.records += records.len() as u64;
        Ok(())
    }

    fn roll_up(&mut self, deltas: &[SeriesDelta]) -> Result<(), Infallible> {
        self.deltas += deltas.len() as u64;
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let wanted =
        std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(5_000_000_u64);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let settings = Settings::default();
    let (collector, mut worker) = Collector::new(&settings, Arc::clone(&clock), Counter::default());
    let tracked: Vec<Arc<Tracked>> = (0..SERIES).map(|nth| collector.track(&series(nth))).collect();
    let mut random = Seed(1).random();
    let (mut making, mut submitting, mut working) = (0, 0, 0);
    let mut made = 0;
    while made < wanted {
        let begun = cpu_nanos();
        let mut records: Vec<Record> = (made..made + settings.intake_records as u64)
            .map(|index| record(&tracked[index as usize % SERIES], index, clock.now(), &mut random))
            .collect();
        made += records.len() as u64;
        let after_making = cpu_nanos();
        collector.try_submit(&mut records)?;
        let after_submitting = cpu_nanos();
        worker.turn();
        making += after_making - begun;
        submitting += after_submitting - after_making;
        working += cpu_nanos() - after_submitting;
    }
    let counter = worker.finish()?;
    if counter.records != made {
        return Err(format!("{made} records were made and {} kept", counter.records).into());
    }
    let each = |nanos: u64| nanos as f64 / made as f64;
    println!("{made} records, {} deltas", counter.deltas);
    println!("making          {:6.0} ns a record (not the collector's)", each(making));
    println!("submitting      {:6.0} ns a record", each(submitting));
    println!("worker          {:6.0} ns a record", each(working));
    println!("one core        {:6.2} M records/s", 1e3 / each(submitting + working));
    println!("with the making {:6.2} M records/s", 1e3 / each(making + submitting + working));
    println!("memory at most  {:6.1} MiB", peak_mib()?);
    Ok(())
}

fn series(nth: usize) -> Series {
    Series {
        model: Arc::from(format!("model-{}", nth % 5)),
        provider: Arc::from("provider"),
        region: Arc::from("region"),
        vantage: Vantage::Client,
        vantage_region: Arc::from("region"),
        scenario: Arc::from(format!("scenario-{}", nth / 5)),
        source: Source::Bench,
    }
}

/// A request that ended at `end`, having taken about a second.
fn record(series: &Arc<Tracked>, index: u64, end: Timestamp, random: &mut Random) -> Record {
    let after = |nanos: u64, start: Timestamp| Arrival::at(start + Duration::from_nanos(nanos));
    let (wait, gap) = (random.exponential(2e8) as u64, random.exponential(1e8) as u64);
    let last = wait + gap * CHUNKS as u64;
    let start = end.before(Duration::from_nanos(last));
    let mut chunks = Chunks::with_capacity(CHUNKS);
    (0..CHUNKS as u64)
        .for_each(|nth| chunks.push(start, after(wait + gap * nth + nth * nth, start)));
    let exchange = Exchange {
        id: RequestId { run: 1, index },
        server_request_id: None,
        user: index,
        turn: 0,
        model: Arc::clone(&series.series().model),
        scenario: Arc::clone(&series.series().scenario),
        vantage: Vantage::Client,
        warmup: false,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            held: None,
            planned: start,
            started: start,
            connection: None,
            sent: Some(start),
            headers: None,
            chunks,
            finished: Arrival::at(end),
        },
        usage: Usage { input: Tokens(100), output: Tokens(40), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: None,
        outcome: Outcome::Success(FinishReason::Stop),
    };
    Record { series: Arc::clone(series), run: None, origin: Origin::Planned, exchange }
}

/// The CPU time of this thread.
fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
}

/// The most memory this process had resident.
#[expect(clippy::disallowed_methods, reason = "a benchmark asks the system what it took")]
fn peak_mib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 =
        line.and_then(|line| line.trim().strip_suffix(" kB")).ok_or("no peak")?.parse()?;
    Ok(kib / 1_024.0)
}
