//! Runs written down as plain text, with the figures anyone can work out by hand beside them.
//!
//! Each file of `tests/golden` is read line by line; `#` begins a comment. All times are in
//! milliseconds after the window began.
//!
//! - `request planned=P started=S chunks=A,B,... finished=F ...` adds a request. Further keys:
//!   `input`, `output`, `cached`, `reasoning`, `limit` (tokens), `lag` (read lag of its chunks),
//!   `connect` (cost of a new connection), `held` (its wait for a place in flight), `failed=A,B,...`
//!   (the ends of tries before the last, each with status 503) and `pause` after each, `fail=KIND` with `says=WORD`,
//!   `source=SOURCE`, and the bare words `warmup`, `unstreamed` and `cut` (the limit ended the
//!   answer). `started` is `planned` if not given.
//! - `run origin=planned|started end=E ...` sums up the requests so far. Further keys: `known=E` (an
//!   end known beforehand), `convention=NAME`, `ttft`, `tpot`, `e2el` (limits), `ramp`, `in_flight`
//!   (the most requests in flight), `prompts`,
//!   `before` (requests of earlier runs), `clock_step`, and the bare words `in_process`,
//!   `demanding` (answers are to reach their limit) and `streaming` (streams were asked for). `due`
//!   is how many requests were due by its end.
//! - `expect FIGURE VALUE` holds a figure of the last run against a number, `none` or words.
//! - `clear` forgets the requests.
//!
//! Figures from per-request columns must agree to one part in a million, those from histograms
//! (`itl`, `read_lag`, `held`, and `client_lag` under a limit) to one in a thousand.

use std::time::Duration;

use analysis::{
    ArrivalClock, Convention, Origin, Quantile, RunAccumulator, RunSpec, RunSummary, Slo, Summary,
};
use domain::{CountSource, FailureKind};

use crate::sketch::{Sketch, ZERO, at, duration};

#[test]
fn one_request() {
    check(include_str!("../golden/one_request.txt"));
}

#[test]
fn closed_loop() {
    check(include_str!("../golden/closed_loop.txt"));
}

#[test]
fn open_loop() {
    check(include_str!("../golden/open_loop.txt"));
}

#[test]
fn conventions() {
    check(include_str!("../golden/conventions.txt"));
}

#[test]
fn failures() {
    check(include_str!("../golden/failures.txt"));
}

#[test]
fn tokens() {
    check(include_str!("../golden/tokens.txt"));
}

/// Evaluates a golden file and names each line that does not hold.
fn check(text: &str) {
    let mut requests: Vec<Sketch> = Vec::new();
    let mut run: Option<RunSummary> = None;
    let mut wrong = Vec::new();
    let mut held = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "" => {}
            "clear" => requests.clear(),
            "request" => requests.push(request(rest)),
            "run" => run = Some(summarize(rest, &requests)),
            "expect" => {
                let (figure, expected) = rest.trim().split_once(' ').expect("expect FIGURE VALUE");
                let run = run.as_ref().expect("a run before the first expect");
                match holds(run, figure, expected.trim()) {
                    Ok(()) => held += 1,
                    Err(got) => wrong.push(format!("line {number}: {line}, got {got}")),
                }
            }
            _ => panic!("line {number}: unknown command {command}"),
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(held > 0, "the file expects nothing");
}

/// The `key=value` pairs and bare words of a line.
fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split_whitespace().map(|word| word.split_once('=').unwrap_or((word, "")))
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

fn whole(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is no whole number"))
}

fn request(text: &str) -> Sketch {
    let mut sketch = Sketch { started: f64::NAN, ..Sketch::default() };
    let mut failure = None;
    let mut message = "failed";
    for (key, value) in settings(text) {
        match key {
            "planned" => sketch.planned = number(value),
            "started" => sketch.started = number(value),
            "chunks" => sketch.chunks = value.split(',').map(number).collect(),
            "finished" => sketch.finished = number(value),
            "lag" => sketch.read_lag = number(value),
            "input" => sketch.input = whole(value),
            "output" => sketch.output = whole(value),
            "limit" => sketch.limit = Some(whole(value)),
            "cut" => sketch.is_cut = true,
            "cached" => sketch.cached = whole(value),
            "reasoning" => sketch.reasoning = Some(whole(value)),
            "connect" => sketch.connect = Some(number(value)),
            "held" => sketch.held = Some(number(value)),
            "failed" => sketch.failed = value.split(',').map(number).collect(),
            "pause" => sketch.pause = number(value),
            "source" => sketch.source = source(value),
            "fail" => failure = Some(kind(value)),
            "says" => message = value,
            "warmup" => sketch.warmup = true,
            "unstreamed" => sketch.streamed = false,
            _ => panic!("unknown key {key} of a request"),
        }
    }
    if sketch.started.is_nan() {
        sketch.started = sketch.planned;
    }
    sketch.failure = failure.map(|kind| (kind, message.to_owned()));
    sketch
}

fn kind(name: &str) -> FailureKind {
    let found = FailureKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    found.unwrap_or_else(|| panic!("unknown kind of failure {name}"))
}

fn source(name: &str) -> CountSource {
    [CountSource::Server, CountSource::Tokenizer, CountSource::Estimate]
        .into_iter()
        .find(|source| source.as_str() == name)
        .unwrap_or_else(|| panic!("unknown source {name}"))
}

fn summarize(text: &str, requests: &[Sketch]) -> RunSummary {
    let mut spec = RunSpec {
        origin: Origin::Started,
        window_start: ZERO,
        window_end: None,
        ramp: Duration::ZERO,
        in_flight_max: None,
        slo: None,
        convention: Convention::Prony,
        arrivals: ArrivalClock::Network,
        distinct_prompts: None,
        sent_before: 0,
        demands_lengths: false,
        asks_streams: false,
    };
    let mut end = ZERO;
    let (mut clock_step, mut due) = (None, None);
    for (key, value) in settings(text) {
        let slo = || Some(duration(number(value)));
        match key {
            "origin" => {
                spec.origin = [Origin::Planned, Origin::Started]
                    .into_iter()
                    .find(|origin| origin.as_str() == value)
                    .unwrap_or_else(|| panic!("unknown origin {value}"));
            }
            "end" => end = at(number(value)),
            "known" => spec.window_end = Some(at(number(value))),
            "convention" => {
                spec.convention = Convention::ALL
                    .into_iter()
                    .find(|convention| convention.as_str() == value)
                    .unwrap_or_else(|| panic!("unknown convention {value}"));
            }
            "ttft" => spec.slo.get_or_insert_with(Slo::default).ttft = slo(),
            "tpot" => spec.slo.get_or_insert_with(Slo::default).tpot = slo(),
            "e2el" => spec.slo.get_or_insert_with(Slo::default).e2el = slo(),
            "ramp" => spec.ramp = duration(number(value)),
            "in_flight" => spec.in_flight_max = Some(whole(value)),
            "prompts" => spec.distinct_prompts = Some(whole(value)),
            "before" => spec.sent_before = whole(value),
            "demanding" => spec.demands_lengths = true,
            "streaming" => spec.asks_streams = true,
            "due" => due = Some(whole(value)),
            "clock_step" => clock_step = Some((number(value) * 1e6) as i64),
            "in_process" => spec.arrivals = ArrivalClock::InProcess,
            _ => panic!("unknown key {key} of a run"),
        }
    }
    let mut run = RunAccumulator::new(spec);
    requests.iter().for_each(|sketch| run.record(&sketch.exchange()));
    clock_step.into_iter().for_each(|nanos| run.note_clock_step(nanos));
    due.into_iter().for_each(|due| run.note_due(due));
    run.finish(end)
}

/// Holds one figure against what is expected, and gives what it is where that differs.
fn holds(run: &RunSummary, figure: &str, expected: &str) -> Result<(), String> {
    if figure == "doubts" || figure == "messages" {
        let verdict = run.verdict();
        let separator = if figure == "doubts" { " " } else { " | " };
        let words: Vec<String> = verdict
            .doubts()
            .iter()
            .map(|doubt| match figure {
                "doubts" => doubt.as_str().to_owned(),
                _ => doubt.message(),
            })
            .collect();
        let got = if words.is_empty() { "valid".to_owned() } else { words.join(separator) };
        return if got == expected { Ok(()) } else { Err(got) };
    }
    let got = value(run, figure);
    let is_rough = ["itl", "read_lag", "held", "client_lag"]
        .iter()
        .any(|histogram| figure.starts_with(histogram));
    let tolerance = if is_rough { 1e-3 } else { 1e-6 };
    let holds = match (got, expected) {
        (None, "none") => true,
        (None, _) | (Some(_), "none") => false,
        (Some(got), text) => {
            let expected = number(text);
            (got - expected).abs() <= tolerance * expected.abs().max(1e-3)
        }
    };
    if holds { Ok(()) } else { Err(got.map_or("none".to_owned(), |got| got.to_string())) }
}

fn value(run: &RunSummary, figure: &str) -> Option<f64> {
    let (head, tail) = figure.split_once('.').unwrap_or((figure, ""));
    let count = |count: u64| Some(count as f64);
    match (head, tail) {
        ("window_s", _) => Some(run.window.duration().as_secs_f64()),
        ("completed", _) => count(run.completed),
        ("failed", _) => count(run.failed),
        ("warmup", _) => count(run.warmup),
        ("outside", _) => count(run.outside),
        ("elapsed_s", _) => Some(run.elapsed.as_secs_f64()),
        ("inside", "requests") => count(run.inside.requests),
        ("inside", "output") => Some(run.inside.output_tokens),
        ("inside", "total") => Some(run.inside.output_tokens + run.inside.input_tokens),
        ("empty", _) => count(run.empty_answers.hits),
        ("retries", "requests") => count(run.retries.requests),
        ("retries", "attempts") => count(run.retries.attempts),
        ("retries", "mean_ms") => run.retries.mean_ms,
        ("retries", name) => {
            let causes = &run.retries.causes;
            causes.iter().find(|(cause, _)| *cause == kind(name)).and_then(|(_, n)| count(*n))
        }
        ("held", "waited") => run.in_flight_limit.as_ref().and_then(|l| count(l.waited.hits)),
        ("held", of) => part(run.in_flight_limit.as_ref().map(|limit| &limit.wait), of),
        ("client_lag", of) => part(run.client_lag(), of),
        ("error_rate", _) => Some(run.error_rate().share()),
        ("errors", name) => {
            run.errors.iter().find(|e| e.kind == kind(name)).and_then(|e| count(e.count))
        }
        ("error_samples", name) => run
            .errors
            .iter()
            .find(|errors| errors.kind == kind(name))
            .and_then(|errors| count(errors.samples.len() as u64)),
        ("request_throughput", _) => Some(run.request_throughput),
        ("output_throughput", _) => Some(run.output_throughput),
        ("total_throughput", _) => Some(run.total_throughput),
        ("tokens_per_chunk", _) => run.tokens_per_chunk,
        ("merged", _) => run.merged.map(|merged| merged.share()),
        ("connections", "opened") => count(run.connections.opened),
        ("connections", "mean_ms") => run.connections.mean_ms,
        ("goodput", "met") => run.goodput.and_then(|goodput| count(goodput.met.hits)),
        ("goodput", "share") => run.goodput.map(|goodput| goodput.met.share()),
        ("goodput", "inside") => run.goodput.and_then(|goodput| count(goodput.inside)),
        ("goodput", "per_second") => run.goodput.map(|goodput| goodput.per_second),
        ("tokens", "input") => count(run.tokens.input.count()),
        ("tokens", "output") => count(run.tokens.output.count()),
        ("tokens", "cached") => count(run.tokens.cache_read.count()),
        ("tokens", "reasoning") => count(run.tokens.reasoning.count()),
        ("delivery", "share") => run.delivery.map(|delivery| delivery.delivered.share()),
        ("delivery", "overdue") => run.delivery.and_then(|delivery| count(delivery.overdue)),
        ("delivery", "planned_rate") => run.delivery?.rates.map(|rates| rates.planned),
        ("delivery", "achieved_rate") => run.delivery?.rates.map(|rates| rates.achieved),
        ("ttft", of) => part(run.ttft.as_ref(), of),
        ("e2e", of) => part(run.e2e.as_ref(), of),
        ("tpot", of) => part(run.tpot.as_ref(), of),
        ("itl", of) => part(run.itl.as_ref(), of),
        ("user_speed", of) => part(run.user_speed.as_ref(), of),
        ("schedule_lag", of) => part(run.schedule_lag.as_ref(), of),
        ("read_lag", of) => part(run.read_lag.as_ref(), of),
        _ => panic!("unknown figure {figure}"),
    }
}

fn part(summary: Option<&Summary>, of: &str) -> Option<f64> {
    let summary = summary?;
    Some(match of {
        "n" => summary.n as f64,
        "mean" => summary.mean,
        "sd" => summary.sd,
        "min" => summary.min,
        "max" => summary.max,
        _ => {
            let quantile = Quantile::ALL.into_iter().find(|quantile| quantile.label() == of);
            summary.value(quantile.unwrap_or_else(|| panic!("unknown part {of} of a summary")))
        }
    })
}
