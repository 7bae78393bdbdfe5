//! `summary.json`: every figure under the key the field knows it by, with its meaning as Prony
//! defines it (or a peer, where `convention` says so).
//!
//! A figure that nobody could measure is `null`. Times in keys ending `_ms` are milliseconds, in keys
//! ending `_s` seconds; `duration`, in seconds too, is vLLM's name of `duration_s`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use analysis::summary::{Settled, Sources};
use analysis::{Doubt, Interval, Proportion, Quantile, RunSummary, Summary};
use domain::WallAnchor;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::figure::{CLIENT, Figure, SERVER};
use crate::{Benchmark, Run};

/// The version of the file's shape: raised when a key goes or changes its meaning.
pub const SCHEMA_VERSION: u32 = 1;

/// Writes the file, indented, with a line feed at its end.
///
/// # Errors
/// What `out` refused.
pub fn write(out: &mut dyn Write, benchmark: &Benchmark) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &SummaryFile::of(benchmark))?;
    writeln!(out)
}

/// One run as the file tells it, an entry of its `runs`. `anchor` joins the run's times to the wall
/// clock.
#[must_use]
pub fn run(run: &Run, anchor: WallAnchor) -> serde_json::Value {
    serde_json::to_value(RunEntry::of(run, anchor))
        .expect("its keys are strings, and numbers that are none become null")
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    schema_version: u32,
    prony_version: &'a str,
    started_unix_ns: u64,
    interrupted: bool,
    seed: u64,
    config: &'a serde_json::Value,
    machine: MachineEntry<'a>,
    runs: Vec<RunEntry<'a>>,
}

#[derive(Serialize)]
struct MachineEntry<'a> {
    system: &'a str,
    processor: &'a str,
    cores: u32,
    memory_bytes: u64,
}

impl<'a> SummaryFile<'a> {
    fn of(benchmark: &'a Benchmark) -> Self {
        let machine = &benchmark.machine;
        Self {
            schema_version: SCHEMA_VERSION,
            prony_version: &benchmark.version,
            started_unix_ns: benchmark.started_unix_nanos,
            interrupted: benchmark.interrupted,
            seed: benchmark.seed,
            config: &benchmark.config,
            machine: MachineEntry {
                system: &machine.system,
                processor: &machine.processor,
                cores: machine.cores,
                memory_bytes: machine.memory_bytes,
            },
            runs: benchmark.runs.iter().map(|run| RunEntry::of(run, benchmark.anchor)).collect(),
        }
    }
}

#[derive(Serialize)]
struct RunEntry<'a> {
    target: &'a str,
    model: &'a str,
    scenario: &'a str,
    load: &'a str,
    /// Why the run could not begin.
    error: Option<&'a str>,
    convention: &'static str,
    origin: &'static str,
    verdict: VerdictEntry,

    window_start_unix_ns: u64,
    window_end_unix_ns: u64,
    /// What ended the window. Null, as all that follows from a window, where the run could not begin.
    window_ended_by: Option<&'static str>,
    /// The window, in seconds: what every rate is over.
    duration: Option<f64>,
    duration_s: Option<f64>,
    /// How much of the window's beginning is ramp.
    ramp_s: Option<f64>,
    /// From the window's beginning to the end of the last request.
    elapsed_s: Option<f64>,
    completed: u64,
    failed: u64,
    warmup: u64,
    outside_window: u64,
    /// Requests that were tried more than once, and their tries beyond the first.
    retried: u64,
    retries: u64,
    /// How the tries ended that were followed by another.
    retry_causes: BTreeMap<&'static str, u64>,
    /// From a retried request's start to the beginning of its last try: its latencies hold it.
    mean_retrying_ms: Option<f64>,
    error_rate: Option<f64>,
    error_rate_ci95: Option<[f64; 2]>,
    errors: BTreeMap<&'static str, u64>,
    error_samples: BTreeMap<&'static str, &'a [String]>,

    total_input_tokens: u64,
    total_output_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    reasoning_tokens: u64,
    input_tokens_source: SourcesEntry,
    output_tokens_source: SourcesEntry,
    tokens_per_chunk: Option<f64>,
    /// Answers in which no token came, or none was counted.
    empty_answers: u64,

    /// The numerators of the three rates below, and of the goodput.
    completed_inside_window: u64,
    output_tokens_inside_window: f64,
    total_tokens_inside_window: f64,
    good_inside_window: Option<u64>,
    request_throughput: Option<f64>,
    output_throughput: Option<f64>,
    total_token_throughput: Option<f64>,
    request_goodput: Option<f64>,
    goodput_share: Option<f64>,
    goodput_share_ci95: Option<[f64; 2]>,

    #[serde(flatten)]
    figures: FigureEntries<'a>,

    connections_opened: u64,
    mean_connection_ms: Option<f64>,
    steady_state: SteadyEntry,
    delivery: Option<DeliveryEntry>,
    in_flight_limit: Option<LimitEntry>,
    unstamped_chunk_share: Option<f64>,
    /// Chunks that shared a read with a later one: they came no later than recorded.
    merged_chunk_share: Option<f64>,
    /// Whole answers where streams were asked for.
    not_streamed_share: Option<f64>,
    /// Answers that ended before the length that was demanded.
    short_answer_share: Option<f64>,
    distinct_prompts: Option<u64>,
    clock_step_ms: Option<f64>,
    process: Option<ProcessEntry>,
}

impl<'a> RunEntry<'a> {
    fn of(run: &'a Run, anchor: WallAnchor) -> Self {
        let summary = &run.summary;
        let errors = &summary.errors;
        let tokens = &summary.tokens;
        let has_begun = run.error.is_none();
        let measured = |figure: f64| has_begun.then(|| rounded(figure));
        let goodput = summary.goodput.as_ref().filter(|_| has_begun);
        let (window, inside) = (summary.window.duration(), &summary.inside);
        let causes = summary.retries.causes.iter();
        Self {
            target: &run.target,
            model: &run.model,
            scenario: &run.scenario,
            load: &run.load,
            error: run.error.as_deref(),
            convention: summary.convention.as_str(),
            origin: summary.origin.as_str(),
            verdict: VerdictEntry::of(summary),
            window_start_unix_ns: anchor.unix_nanos(summary.window.start),
            window_end_unix_ns: anchor.unix_nanos(summary.window.end),
            window_ended_by: has_begun.then(|| summary.window.lasts_until.as_str()),
            duration: measured(window.as_secs_f64()),
            duration_s: measured(window.as_secs_f64()),
            ramp_s: measured(summary.ramp.min(window).as_secs_f64()),
            elapsed_s: measured(summary.elapsed.as_secs_f64()),
            completed: summary.completed,
            failed: summary.failed,
            warmup: summary.warmup,
            outside_window: summary.outside,
            retried: summary.retries.requests,
            retries: summary.retries.attempts,
            retry_causes: causes.map(|(kind, tries)| (kind.as_str(), *tries)).collect(),
            mean_retrying_ms: summary.retries.mean_ms.map(rounded),
            error_rate: measured(summary.error_rate().share()),
            error_rate_ci95: has_begun.then(|| bounds(summary.error_rate().interval())),
            errors: errors.iter().map(|error| (error.kind.as_str(), error.count)).collect(),
            error_samples: errors.iter().map(|e| (e.kind.as_str(), &*e.samples)).collect(),
            total_input_tokens: tokens.input.count(),
            total_output_tokens: tokens.output.count(),
            cache_read_tokens: tokens.cache_read.count(),
            cache_write_tokens: tokens.cache_write.count(),
            reasoning_tokens: tokens.reasoning.count(),
            input_tokens_source: SourcesEntry::of(&tokens.input_sources),
            output_tokens_source: SourcesEntry::of(&tokens.output_sources),
            tokens_per_chunk: summary.tokens_per_chunk.map(rounded),
            empty_answers: summary.empty_answers.hits,
            completed_inside_window: inside.requests,
            output_tokens_inside_window: rounded(inside.output_tokens),
            total_tokens_inside_window: rounded(inside.output_tokens + inside.input_tokens),
            good_inside_window: goodput.map(|goodput| goodput.inside),
            request_throughput: measured(summary.request_throughput),
            output_throughput: measured(summary.output_throughput),
            total_token_throughput: measured(summary.total_throughput),
            request_goodput: goodput.map(|goodput| rounded(goodput.per_second)),
            goodput_share: goodput.map(|goodput| rounded(goodput.met.share())),
            goodput_share_ci95: goodput.map(|goodput| bounds(goodput.met.interval())),
            figures: FigureEntries(summary),
            connections_opened: summary.connections.opened,
            mean_connection_ms: summary.connections.mean_ms.map(rounded),
            steady_state: SteadyEntry {
                throughput: settled(summary.steady.throughput),
                latency: settled(summary.steady.latency),
            },
            delivery: summary.delivery.as_ref().map(DeliveryEntry::of),
            in_flight_limit: summary.in_flight_limit.as_ref().map(LimitEntry::of),
            unstamped_chunk_share: summary.unstamped.as_ref().map(Proportion::share).map(rounded),
            merged_chunk_share: summary.merged.as_ref().map(Proportion::share).map(rounded),
            not_streamed_share: summary.not_streamed.as_ref().map(Proportion::share).map(rounded),
            short_answer_share: summary.short_answers.as_ref().map(Proportion::share).map(rounded),
            distinct_prompts: summary.distinct_prompts,
            clock_step_ms: summary.clock_step_nanos.map(|nanos| nanos as f64 / 1e6),
            process: run.process.map(|used| ProcessEntry {
                cpu_s: rounded(used.cpu.as_secs_f64()),
                cpu_cores: rounded(used.cores()),
                memory_peak_bytes: used.memory_peak_bytes,
            }),
        }
    }
}

#[derive(Serialize)]
struct VerdictEntry {
    valid: bool,
    /// The highest percentile there are answers enough for.
    highest_percentile: Option<&'static str>,
    doubts: Vec<DoubtEntry>,
}

#[derive(Serialize)]
struct DoubtEntry {
    name: &'static str,
    message: String,
    remedy: &'static str,
}

impl VerdictEntry {
    fn of(summary: &RunSummary) -> Self {
        let verdict = summary.verdict();
        let entry = |doubt: &Doubt| DoubtEntry {
            name: doubt.as_str(),
            message: doubt.message(),
            remedy: doubt.remedy(),
        };
        Self {
            valid: verdict.is_valid(),
            highest_percentile: summary.reach().highest.map(Quantile::label),
            doubts: verdict.doubts().iter().map(entry).collect(),
        }
    }
}

/// What Prony itself used.
#[derive(Serialize)]
struct ProcessEntry {
    cpu_s: f64,
    cpu_cores: f64,
    memory_peak_bytes: u64,
}

/// How many requests had their tokens counted by whom.
#[derive(Serialize)]
struct SourcesEntry {
    server: u64,
    tokenizer: u64,
    estimate: u64,
}

impl SourcesEntry {
    fn of(sources: &Sources) -> Self {
        let &Sources { server, tokenizer, estimate } = sources;
        Self { server, tokenizer, estimate }
    }
}

#[derive(Serialize)]
struct SteadyEntry {
    throughput: SettledEntry,
    latency: SettledEntry,
}

#[derive(Serialize)]
struct SettledEntry {
    state: &'static str,
    after_s: Option<f64>,
}

fn settled(when: Settled) -> SettledEntry {
    let (state, after_s) = match when {
        Settled::After(time) => ("settled", Some(rounded(time.as_secs_f64()))),
        Settled::Never => ("never", None),
        Settled::TooShort => ("too_short", None),
    };
    SettledEntry { state, after_s }
}

#[derive(Serialize)]
struct DeliveryEntry {
    on_plan: bool,
    delivered_share: f64,
    overdue_share: f64,
    planned_rate: Option<f64>,
    achieved_rate: Option<f64>,
    achieved_rate_ci95: Option<[f64; 2]>,
}

impl DeliveryEntry {
    fn of(delivery: &analysis::Delivery) -> Self {
        Self {
            on_plan: delivery.verdict == analysis::DeliveryVerdict::OnPlan,
            delivered_share: rounded(delivery.delivered.share()),
            overdue_share: rounded(delivery.overdue_share),
            planned_rate: delivery.rates.map(|rates| rounded(rates.planned)),
            achieved_rate: delivery.rates.map(|rates| rounded(rates.achieved)),
            achieved_rate_ci95: delivery.rates.and_then(|rates| rates.interval).map(bounds),
        }
    }
}

/// What the limit of requests in flight did: how long requests waited for a place, and how late the
/// client was beside that. The two together are the schedule lag.
#[derive(Serialize)]
struct LimitEntry {
    limit: u64,
    waited_share: f64,
    mean_wait_ms: f64,
    median_wait_ms: f64,
    p99_wait_ms: f64,
    median_client_lag_ms: f64,
    p99_client_lag_ms: f64,
}

impl LimitEntry {
    fn of(limit: &analysis::summary::InFlightLimit) -> Self {
        let p99 = |summary: &Summary| rounded(summary.value(Quantile::P99));
        Self {
            limit: limit.most,
            waited_share: rounded(limit.waited.share()),
            mean_wait_ms: rounded(limit.wait.mean),
            median_wait_ms: rounded(limit.wait.median()),
            p99_wait_ms: p99(&limit.wait),
            median_client_lag_ms: rounded(limit.client_lag.median()),
            p99_client_lag_ms: p99(&limit.client_lag),
        }
    }
}

/// The summaries of a run, flattened into keys such as `p99_ttft_ms`; beside them how many values
/// each has, the percentiles' 95 % intervals, and the percentiles with too few values to rely on.
struct FigureEntries<'a>(&'a RunSummary);

impl Serialize for FigureEntries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut intervals = Intervals::default();
        let mut unsupported = Vec::new();
        for (figure, unit, summary) in self.summaries() {
            map.serialize_entry(&format!("n_{figure}"), &summary.map_or(0, |summary| summary.n))?;
            for (name, value) in statistics(summary) {
                map.serialize_entry(&format!("{name}_{figure}_{unit}"), &value.map(rounded))?;
            }
            for percentile in summary.iter().flat_map(|summary| &summary.percentiles) {
                let key = format!("{}_{figure}_{unit}", percentile_key(percentile.quantile));
                if !percentile.supported {
                    unsupported.push(key.clone());
                }
                intervals.0.extend(percentile.interval.map(|interval| (key, bounds(interval))));
            }
        }
        map.serialize_entry("ci95", &intervals)?;
        map.serialize_entry("unsupported", &unsupported)?;
        map.end()
    }
}

impl FigureEntries<'_> {
    fn summaries(&self) -> impl Iterator<Item = (&'static str, &'static str, Option<&Summary>)> {
        let ms = SERVER.into_iter().chain(CLIENT);
        ms.map(|Figure { key, read, .. }| (key, "ms", read(self.0))).chain([(
            "user_speed",
            "tok_s",
            self.0.user_speed.as_ref(),
        )])
    }
}

fn statistics(summary: Option<&Summary>) -> impl Iterator<Item = (&'static str, Option<f64>)> {
    let moments = [
        ("mean", summary.map(|summary| summary.mean)),
        ("std", summary.map(|summary| summary.sd)),
        ("min", summary.map(|summary| summary.min)),
        ("max", summary.map(|summary| summary.max)),
    ];
    let percentiles = Quantile::ALL
        .map(|quantile| (percentile_key(quantile), summary.map(|summary| summary.value(quantile))));
    moments.into_iter().chain(percentiles)
}

const fn percentile_key(quantile: Quantile) -> &'static str {
    match quantile {
        Quantile::P50 => "median",
        Quantile::P90 => "p90",
        Quantile::P95 => "p95",
        Quantile::P99 => "p99",
        Quantile::P999 => "p999",
    }
}

/// Intervals by key, in the keys' own order.
#[derive(Default)]
struct Intervals(Vec<(String, [f64; 2])>);

impl Serialize for Intervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, bounds)| (key, bounds)))
    }
}

fn bounds(interval: Interval) -> [f64; 2] {
    [rounded(interval.low), rounded(interval.high)]
}

/// To six decimals: nanoseconds where the unit is a millisecond, and no tail of binary digits.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
