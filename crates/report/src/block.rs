//! One run in full: the lines the field knows, then the latencies with their population.

use std::io::{self, Write};

use analysis::summary::{Inside, Settled, Sources, WindowEnd};
use analysis::verdict::HEADLINE;
use analysis::{Convention, Doubt, Origin, Proportion, Quantile, Reach, RunSummary, Summary};

use crate::Run;
use crate::console::{Style, Tone};
use crate::figure::{CLIENT, Figure, SERVER};
use crate::format::{MARK_MEANING, count, number, percent, percentile, right, seconds};

/// How wide a block is.
const WIDTH: usize = 78;
/// Where a line's value ends.
const VALUE_END: usize = 46;

/// Writes the run's block.
pub(crate) fn write(out: &mut dyn Write, run: &Run, style: Style) -> io::Result<()> {
    rule(out, '=', "Serving Benchmark Result", style)?;
    let name = format!("{} · {} · {}", run.model, run.scenario, run.load);
    writeln!(out, "{}", style.paint(Tone::Strong, &name))?;
    writeln!(out, "{}", style.paint(Tone::Quiet, &run.target))?;
    requests(out, &run.summary, style)?;
    throughput(out, &run.summary, style)?;
    rule(out, '-', "Latency (ms)", style)?;
    latencies(out, &run.summary, style)?;
    rule(out, '-', "Can it be believed?", style)?;
    client(out, &run.summary, style)?;
    process(out, run, style)?;
    writeln!(out, "{}", verdict(&run.summary, style))?;
    rule(out, '=', "", style)
}

/// A line across the block with a title in its middle.
fn rule(out: &mut dyn Write, mark: char, title: &str, style: Style) -> io::Result<()> {
    let title = if title.is_empty() { String::new() } else { format!(" {title} ") };
    let marks = WIDTH - title.chars().count();
    let side = |length: usize| style.paint(Tone::Quiet, &String::from(mark).repeat(length));
    let (left, right) = (side(marks / 2), side(marks - marks / 2));
    writeln!(out, "{left}{}{right}", style.paint(Tone::Strong, &title))
}

/// A label, its value flush right, and a remark.
fn line(
    out: &mut dyn Write,
    label: &str,
    value: &str,
    remark: &str,
    style: Style,
) -> io::Result<()> {
    let value = right(value, VALUE_END.saturating_sub(label.chars().count()));
    if remark.is_empty() {
        return writeln!(out, "{label}{value}");
    }
    writeln!(out, "{label}{value}   {}", style.paint(Tone::Quiet, remark))
}

fn requests(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    let inside = format!("{} ended in the window", count(run.inside.requests));
    line(out, "Successful requests:", &count(run.completed), &inside, style)?;
    if run.empty_answers.hits > 0 {
        let share = percent(run.empty_answers.share());
        line(out, "  without a token:", &count(run.empty_answers.hits), &share, style)?;
    }
    line(out, "Failed requests:", &count(run.failed), &error_rate(run), style)?;
    for error in &run.errors {
        line(out, &format!("  {}:", error.kind), &count(error.count), "", style)?;
        if let Some(sample) = error.samples.first() {
            writeln!(out, "    {}", style.paint(Tone::Quiet, &one_line(sample, WIDTH - 4)))?;
        }
    }
    if run.warmup > 0 {
        line(out, "Warm-up requests:", &count(run.warmup), "in no figure", style)?;
    }
    retries(out, run, style)?;
    window(out, run, style)
}

/// Requests that were tried again, and why.
fn retries(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    let Some(mean_ms) = run.retries.mean_ms else { return Ok(()) };
    let remark = format!("on average {} ms of latency", number(mean_ms));
    line(out, "Retried requests:", &count(run.retries.requests), &remark, style)?;
    for (kind, tries) in &run.retries.causes {
        line(out, &format!("  tries that ended in {kind}:"), &count(*tries), "", style)?;
    }
    Ok(())
}

/// The times that the rates below are over, or not.
fn window(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    let (label, remark) = match (run.convention, run.window.lasts_until) {
        (Convention::Prony, WindowEnd::Plan) => ("Measured window (s):", String::new()),
        (Convention::Prony, WindowEnd::LastAnswer) => {
            ("Measured window (s):", "until the last answer's end".to_owned())
        }
        (peer @ (Convention::Vllm | Convention::Aiperf | Convention::Guidellm), _) => {
            ("Benchmark duration (s):", format!("by the definitions of {}", peer.as_str()))
        }
    };
    line(out, label, &seconds(run.window.duration()), &remark, style)?;
    if !run.ramp.is_zero() {
        let ramp = seconds(run.ramp.min(run.window.duration()));
        line(out, "  of it ramp (s):", &ramp, "its first part, at less load", style)?;
    }
    line(out, "Elapsed (s):", &seconds(run.elapsed), "until the last request's end", style)
}

/// The share of failed requests and its interval, where any failed.
fn error_rate(run: &RunSummary) -> String {
    if run.failed == 0 {
        return String::new();
    }
    let rate = run.error_rate();
    let interval = rate.interval();
    let (low, high) = (percent(interval.low), percent(interval.high));
    format!("{}, 95 % CI {}–{high}", percent(rate.share()), low.trim_end_matches(" %"))
}

fn throughput(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    let tokens = &run.tokens;
    let input = sources(&tokens.input_sources);
    let output = sources(&tokens.output_sources);
    line(out, "Total input tokens:", &count(tokens.input.count()), &input, style)?;
    line(out, "Total generated tokens:", &count(tokens.output.count()), &output, style)?;
    // Each rate with its division, which is not that of any total above: those are of all measured
    // requests, to their end.
    let Inside { requests, output_tokens, input_tokens } = run.inside;
    let window = seconds(run.window.duration());
    let tokens = |tokens: f64| format!("{} came in {window} s", count(tokens.round() as u64));
    let ended = |requests: u64| format!("{} ended in {window} s", count(requests));
    let (all, output) = (tokens(output_tokens + input_tokens), tokens(output_tokens));
    let request_throughput = number(run.request_throughput);
    line(out, "Request throughput (req/s):", &request_throughput, &ended(requests), style)?;
    line(out, "Output token throughput (tok/s):", &number(run.output_throughput), &output, style)?;
    line(out, "Total token throughput (tok/s):", &number(run.total_throughput), &all, style)?;
    if let Some(speed) = &run.user_speed {
        let median = percentile(speed.percentile(Quantile::P50));
        line(out, "Speed per user (tok/s):", &median, "median", style)?;
    }
    if let Some(goodput) = &run.goodput {
        let (inside, share) = (count(goodput.inside), percent(goodput.met.share()));
        let remark = format!("{inside} in {window} s; {share} of all");
        line(out, "Request goodput (req/s):", &number(goodput.per_second), &remark, style)?;
    }
    Ok(())
}

/// Who counted, in words; the shares where several did.
fn sources(sources: &Sources) -> String {
    let named = [
        (sources.server, "the server"),
        (sources.tokenizer, "the tokenizer"),
        (sources.estimate, "estimate"),
    ];
    let total: u64 = named.iter().map(|(n, _)| n).sum();
    let by: Vec<String> = named
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, who)| {
            if n == total {
                who.to_owned()
            } else {
                format!("{who} {}", percent(n as f64 / total as f64))
            }
        })
        .collect();
    if by.is_empty() { String::new() } else { format!("counted by {}", by.join(", ")) }
}

const COLUMNS: [&str; 8] = ["n", "mean", "sd", "median", "p90", "p95", "p99", "p99.9"];

fn latencies(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    let header: String = COLUMNS.map(|name| right(name, 9)).concat();
    writeln!(out, "{}", style.paint(Tone::Quiet, &format!("{:6}{header}", "")))?;
    let mut is_marked = false;
    for Figure { label, read, .. } in &SERVER {
        match read(run) {
            None => writeln!(out, "{label:6}{}", style.paint(Tone::Quiet, &right("none", 9)))?,
            Some(summary) => {
                writeln!(out, "{label:6}{}", cells(summary).concat())?;
                is_marked |= summary.percentiles.iter().any(|p| !p.supported);
            }
        }
    }
    let from = match run.origin {
        Origin::Planned => "when a request was due",
        Origin::Started => "a request's start",
    };
    let mut notes = vec![format!("from {from}")];
    if let Some(tokens) = run.tokens_per_chunk {
        notes.push(format!("ITL is per chunk of {} tokens", number(tokens)));
    }
    if is_marked {
        notes.push(MARK_MEANING.to_owned());
    }
    writeln!(out, "{}", style.paint(Tone::Quiet, &notes.join("; ")))
}

fn cells(summary: &Summary) -> Vec<String> {
    let mut cells = vec![
        right(&count(summary.n), 9),
        right(&number(summary.mean), 9),
        right(&number(summary.sd), 9),
    ];
    cells.extend(summary.percentiles.iter().map(|value| right(&percentile(value), 9)));
    cells
}

fn client(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    reach(out, run.reach(), style)?;
    let [schedule_lag, read_lag] = &CLIENT;
    lag(out, schedule_lag, run, style)?;
    if let Some(limit) = &run.in_flight_limit {
        let label = format!("  of it held by the limit of {}:", count(limit.most));
        let waited = format!("{} of requests waited", percent(limit.waited.share()));
        line(out, &label, &median_and_p99(&limit.wait), &waited, style)?;
        line(out, "  of it the client's own:", &median_and_p99(&limit.client_lag), "", style)?;
    }
    lag(out, read_lag, run, style)?;
    if let Some(merged) = run.merged.filter(|merged| merged.total > 0) {
        let remark = format!("of {}", count(merged.total));
        line(out, "Chunks read with a later one:", &percent(merged.share()), &remark, style)?;
    }
    if let Some(delivery) = &run.delivery {
        let value = percent(delivery.delivered.share());
        line(out, "Planned load delivered:", &value, "", style)?;
    }
    for (label, when) in
        [("Steady throughput:", run.steady.throughput), ("Steady latency:", run.steady.latency)]
    {
        if let Some(when) = settled(when) {
            line(out, label, &when, "", style)?;
        }
    }
    Ok(())
}

/// One of the client's delays.
fn lag(out: &mut dyn Write, figure: &Figure, run: &RunSummary, style: Style) -> io::Result<()> {
    let label = format!("{} p50, p99 (ms):", figure.label);
    match (figure.read)(run) {
        None => line(out, &label, "-", why_no_lag(run), style),
        Some(summary) => {
            let n = format!("n {}", count(summary.n));
            line(out, &label, &median_and_p99(summary), &n, style)
        }
    }
}

fn median_and_p99(summary: &Summary) -> String {
    let [median, p99] = [Quantile::P50, Quantile::P99].map(|q| percentile(summary.percentile(q)));
    format!("{median}, {p99}")
}

/// How far into the tail the latencies can be read, and what more would take.
fn reach(out: &mut dyn Write, reach: Reach, style: Style) -> io::Result<()> {
    let value = reach.highest.map_or("none".to_owned(), |most| format!("up to {}", most.label()));
    let lacking = Quantile::ALL.into_iter().filter(|quantile| Some(*quantile) > reach.highest);
    let needed: Vec<String> = lacking
        .enumerate()
        .filter(|(place, quantile)| *place == 0 || *quantile == HEADLINE)
        .map(|(place, quantile)| {
            let takes = if place == 0 { " takes" } else { "" };
            format!("{}{takes} {}", quantile.label(), count(quantile.required()))
        })
        .collect();
    let remark = needed.join(", ");
    line(out, "Percentiles to rely on:", &value, &remark, style)
}

/// What Prony itself took of the machine.
fn process(out: &mut dyn Write, run: &Run, style: Style) -> io::Result<()> {
    let Some(used) = &run.process else { return Ok(()) };
    let mib = used.memory_peak_bytes as f64 / f64::from(1 << 20);
    let value = format!("{}, {}", number(used.cores()), number(mib));
    line(out, "Own CPU (cores), memory (MiB):", &value, "at its peak", style)
}

/// Why there is no read lag to show.
const fn why_no_lag(run: &RunSummary) -> &'static str {
    match run.unstamped {
        None => "in the same process",
        Some(Proportion { total: 0, .. }) => "no answer came",
        Some(_) => "no kernel stamps: unknown",
    }
}

/// When a figure settled, in words; nothing of a run that is too short to tell.
fn settled(when: Settled) -> Option<String> {
    match when {
        Settled::After(time) if time.is_zero() => Some("always".to_owned()),
        Settled::After(time) => Some(format!("after {} s", number(time.as_secs_f64()))),
        Settled::Never => Some("never".to_owned()),
        Settled::TooShort => None,
    }
}

/// The verdict in a line, the doubts by name. A run whose only fault is its size says so: nothing is
/// wrong with what was measured.
fn verdict(run: &RunSummary, style: Style) -> String {
    let verdict = run.verdict();
    if verdict.is_valid() {
        let valid = style.paint(Tone::Good, "VALID");
        return match run.reach().lacking() {
            None => valid,
            Some(percentile) => {
                format!("{valid} but for percentiles from {} on", percentile.label())
            }
        };
    }
    if let [Doubt::TooFewSamples { n }] = verdict.doubts() {
        let few = style.paint(Tone::Doubtful, "TOO FEW TO TELL:");
        return format!("{few} nothing is amiss, but {} answers are no sample", count(*n));
    }
    let names: Vec<&str> = verdict.doubts().iter().map(Doubt::as_str).collect();
    let tone = if run.completed == 0 { Tone::Bad } else { Tone::Doubtful };
    format!("{} {}", style.paint(tone, "DOUBTFUL:"), names.join(", "))
}

/// The first line of `text`, cut to `length` characters.
fn one_line(text: &str, length: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.chars().count() <= length {
        return first.to_owned();
    }
    first.chars().take(length - 1).chain(['…']).collect()
}
