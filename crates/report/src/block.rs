//! One run in full: the lines the field knows, then the latencies with their population.

use std::io::{self, Write};

use analysis::summary::{Settled, Sources};
use analysis::{Convention, Origin, Proportion, Quantile, RunSummary, Summary};

use crate::Run;
use crate::console::{Style, Tone};
use crate::figure::{CLIENT, Figure, SERVER};
use crate::format::{count, number, percent, right};

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
    line(out, "Successful requests:", &count(run.completed), "", style)?;
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
    if run.retries > 0 {
        line(out, "Retries:", &count(run.retries), "", style)?;
    }
    let label = match run.convention {
        Convention::Prony => "Measured window (s):",
        Convention::Vllm | Convention::Aiperf | Convention::Guidellm => "Benchmark duration (s):",
    };
    line(out, label, &number(run.window.duration().as_secs_f64()), &whose(run), style)
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

/// Whose definitions, where they are not ours.
fn whose(run: &RunSummary) -> String {
    match run.convention {
        Convention::Prony => String::new(),
        peer @ (Convention::Vllm | Convention::Aiperf | Convention::Guidellm) => {
            format!("by the definitions of {}", peer.as_str())
        }
    }
}

fn throughput(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    let tokens = &run.tokens;
    let input = sources(&tokens.input_sources);
    let output = sources(&tokens.output_sources);
    line(out, "Total input tokens:", &count(tokens.input.count()), &input, style)?;
    line(out, "Total generated tokens:", &count(tokens.output.count()), &output, style)?;
    line(out, "Request throughput (req/s):", &number(run.request_throughput), "", style)?;
    line(out, "Output token throughput (tok/s):", &number(run.output_throughput), "", style)?;
    line(out, "Total token throughput (tok/s):", &number(run.total_throughput), "", style)?;
    if let Some(speed) = &run.user_speed {
        line(out, "Speed per user (tok/s):", &number(speed.median()), "median", style)?;
    }
    if let Some(goodput) = &run.goodput {
        let share = format!("{} of all requests", percent(goodput.met.share()));
        line(out, "Request goodput (req/s):", &number(goodput.per_second), &share, style)?;
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
        notes.push("~ too few values to rely on".to_owned());
    }
    writeln!(out, "{}", style.paint(Tone::Quiet, &notes.join("; ")))
}

fn cells(summary: &Summary) -> Vec<String> {
    let mut cells = vec![
        right(&count(summary.n), 9),
        right(&number(summary.mean), 9),
        right(&number(summary.sd), 9),
    ];
    for percentile in &summary.percentiles {
        let mark = if percentile.supported { "" } else { "~" };
        cells.push(right(&format!("{mark}{}", number(percentile.value)), 9));
    }
    cells
}

fn client(out: &mut dyn Write, run: &RunSummary, style: Style) -> io::Result<()> {
    for Figure { label, read, .. } in &CLIENT {
        let label = format!("{label} p50, p99 (ms):");
        match read(run) {
            None => line(out, &label, "-", why_no_lag(run), style)?,
            Some(summary) => {
                let value = format!(
                    "{}, {}",
                    number(summary.median()),
                    number(summary.value(Quantile::P99))
                );
                line(out, &label, &value, &format!("n {}", count(summary.n)), style)?;
            }
        }
    }
    if let Some(delivery) = &run.delivery {
        let value = percent(delivery.delivered.share());
        line(out, "Planned load delivered:", &value, "", style)?;
    }
    line(out, "Steady throughput:", &settled(run.steady.throughput), "", style)?;
    line(out, "Steady latency:", &settled(run.steady.latency), "", style)
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

fn settled(when: Settled) -> String {
    match when {
        Settled::After(time) if time.is_zero() => "always".to_owned(),
        Settled::After(time) => format!("after {} s", number(time.as_secs_f64())),
        Settled::Never => "never".to_owned(),
        Settled::TooShort => "too short to tell".to_owned(),
    }
}

/// The verdict in a line, the doubts by name.
fn verdict(run: &RunSummary, style: Style) -> String {
    let verdict = run.verdict();
    if verdict.is_valid() {
        return style.paint(Tone::Good, "VALID");
    }
    let names: Vec<&str> = verdict.doubts().iter().map(analysis::Doubt::as_str).collect();
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
