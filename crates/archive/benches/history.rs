//! What it takes to answer a chart: ten series over several times, at 1,000 points and in the steps of
//! the dashboard.
//!
//! Every window of a minute holds 600 requests of a series, with latencies drawn at random.
//!
//! `cargo bench -p archive --bench history -- FOLDER` keeps the store in FOLDER, and what was measured
//! beside it, as `figures.json`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::collections::BTreeSet;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alert::Dimension;
use analysis::rollup::{Resolution, Rollup};
use archive::history::{RollupQuestion, Step};
use archive::{History, rollup, series};
use domain::{Random, Seed, Series, Source, SystemClock, Vantage};
use serde_json::json;
use store::durable::{RollupRow, Store, StoreSettings};

const SERIES: usize = 10;
const DAY_S: u64 = 86_400;
/// The end of what is kept, at the start of an hour.
const END_S: u64 = 1_767_225_600;
const REQUESTS_PER_SECOND: u64 = 10;
/// How often each question is asked; the median counts.
const TIMES: usize = 15;

/// For how long windows of each resolution are kept: as in an archive, the coarse ones for a year.
const KEPT: [(Resolution, u64); 8] = [
    (Resolution::Second, DAY_S / 4),
    (Resolution::TenSeconds, 3 * DAY_S),
    (Resolution::Minute, 15 * DAY_S),
    (Resolution::FiveMinutes, 60 * DAY_S),
    (Resolution::HalfHour, 366 * DAY_S),
    (Resolution::Hour, 366 * DAY_S),
    (Resolution::SixHours, 366 * DAY_S),
    (Resolution::Day, 366 * DAY_S),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let scratch = tempfile::tempdir()?;
    let folder = folder.map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    let (store, _) = Store::open(&folder, StoreSettings::default(), Arc::new(SystemClock))?;
    for (resolution, kept_s) in KEPT {
        fill(&store, resolution, kept_s)?;
    }
    let history = History::new(store.reader().clone());
    let mut figures = Vec::new();
    for (name, span_s, step) in [
        ("15 min", 900, Step::Points(1_000)),
        ("1 h", 3_600, Step::Points(1_000)),
        ("6 h", 6 * 3_600, Step::Points(1_000)),
        ("24 h", DAY_S, Step::Points(1_000)),
        ("4 d", 4 * DAY_S, Step::Points(1_000)),
        ("7 d", 7 * DAY_S, Step::Points(1_000)),
        ("30 d", 30 * DAY_S, Step::Points(1_000)),
        ("90 d", 90 * DAY_S, Step::Points(1_000)),
        ("365 d", 365 * DAY_S, Step::Points(1_000)),
        ("1 h by 10 s", 3_600, Step::Seconds(10)),
        ("24 h by 300 s", DAY_S, Step::Seconds(300)),
        ("7 d by 1,800 s", 7 * DAY_S, Step::Seconds(1_800)),
        ("30 d as a whole", 30 * DAY_S, Step::Seconds(30 * DAY_S)),
    ] {
        let question = RollupQuestion {
            from_unix_ms: (END_S - span_s) * 1_000,
            to_unix_ms: END_S * 1_000,
            step,
            filters: [].into(),
            group_by: BTreeSet::from([Dimension::Model]),
        };
        let (took, points) = ask(&history, &question)?;
        println!(
            "{name}: {points} points of {SERIES} series in {:.1} ms",
            took.as_secs_f64() * 1e3
        );
        figures.push(json!({ "asked": name, "points": points, "ms": took.as_secs_f64() * 1e3 }));
    }
    let requests: u64 = KEPT.map(|(_, kept_s)| kept_s).into_iter().max().unwrap_or(0);
    let requests = requests * REQUESTS_PER_SECOND * SERIES as u64;
    let figures = json!({ "requests": requests, "questions": figures });
    #[expect(clippy::disallowed_methods, reason = "a benchmark writes its result")]
    std::fs::write(folder.join("figures.json"), figures.to_string())?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn ask(history: &History, question: &RollupQuestion) -> Result<(Duration, usize), Box<dyn Error>> {
    let mut took = [Duration::ZERO; TIMES];
    let mut points = 0;
    for took in &mut took {
        let start = Instant::now();
        points = history.rollups(question)?.times_unix_ms.len();
        *took = start.elapsed();
    }
    took.sort_unstable();
    Ok((took[TIMES / 2], points))
}

fn fill(store: &Store, resolution: Resolution, kept_s: u64) -> Result<(), Box<dyn Error>> {
    let mut random = Seed(7).random();
    let through = store.not_rolled_up(|_| ())?;
    let length = resolution.seconds();
    for number in 0..SERIES {
        let series = series::write(&Series {
            model: format!("model-{number}").into(),
            provider: "vllm".into(),
            region: "eu-west".into(),
            vantage: Vantage::Client,
            vantage_region: "eu-west".into(),
            scenario: "short_queries".into(),
            source: Source::Bench,
        });
        // Drawn anew for one in a hundred, so that filling takes seconds.
        let windows: Vec<Vec<u8>> =
            (0..100).map(|_| rollup::encode(&window(length, &mut random))).collect();
        let rows = (0..kept_s / length).map(|place| RollupRow {
            series: series.clone(),
            resolution_s: u32::try_from(length).expect("an hour at most"),
            start_unix_s: END_S - kept_s + place * length,
            data: windows[place as usize % windows.len()].clone(),
        });
        let rows: Vec<RollupRow> = rows.collect();
        store.add_rollups(&rows, through, |_, new| Ok(new.to_vec()))?;
    }
    Ok(())
}

fn window(seconds: u64, random: &mut Random) -> Rollup {
    let mut rollup = Rollup::default();
    let requests = seconds * REQUESTS_PER_SECOND;
    rollup.flow.output_tokens = requests * 60;
    rollup.flow.busy_nanos = u128::from(requests) * 1_500_000_000;
    let ended = &mut rollup.ended;
    ended.succeeded = requests;
    for _ in 0..requests {
        let mut draw = |median_ms: f64, spread: f64| {
            (median_ms * 1e6 * (spread * random.normal()).exp()) as u64
        };
        ended.ttft.record(draw(200.0, 0.4));
        ended.e2e.record(draw(1_500.0, 0.4));
        ended.tpot.record(draw(20.0, 0.2));
        (0..8).for_each(|_| ended.itl.record(draw(20.0, 0.5)));
        ended.client_lag.record(draw(0.1, 0.7));
    }
    rollup
}
