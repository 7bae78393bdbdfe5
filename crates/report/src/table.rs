//! All runs side by side, a line each, as many columns as fit.

use std::io::{self, Write};

use analysis::{Doubt, Quantile, RunSummary, Summary};

use crate::Run;
use crate::console::{Style, Tone};
use crate::format::{MARK, MARK_MEANING, count, number, percent, percentile, right};

/// A column: what stands over it, its values, and how soon it goes where there is no room.
struct Column {
    group: &'static str,
    name: &'static str,
    /// Columns of the highest rank go first; those of rank 0 stay.
    rank: u8,
    is_text: bool,
    read: fn(&Run) -> String,
}

const fn text(name: &'static str, read: fn(&Run) -> String) -> Column {
    Column { group: "", name, rank: 0, is_text: true, read }
}

const fn column(
    group: &'static str,
    name: &'static str,
    rank: u8,
    read: fn(&Run) -> String,
) -> Column {
    Column { group, name, rank, is_text: false, read }
}

fn at(summary: Option<&Summary>, quantile: Quantile) -> String {
    summary.map_or_else(|| "-".to_owned(), |summary| percentile(summary.percentile(quantile)))
}

const TTFT: &str = "TTFT ms";
const TPOT: &str = "TPOT ms";
const E2EL: &str = "E2EL ms";

static COLUMNS: [Column; 17] = [
    text("model", |run| run.model.clone()),
    text("scenario", |run| run.scenario.clone()),
    text("load", |run| run.load.clone()),
    column("", "ok", 0, |run| count(run.summary.completed)),
    column("", "err", 0, |run| count(run.summary.failed)),
    column("", "req/s", 0, |run| number(run.summary.request_throughput)),
    column("", "out tok/s", 0, |run| number(run.summary.output_throughput)),
    column(TTFT, "p50", 0, |run| at(run.summary.ttft.as_ref(), Quantile::P50)),
    column(TTFT, "p95", 4, |run| at(run.summary.ttft.as_ref(), Quantile::P95)),
    column(TTFT, "p99", 0, |run| at(run.summary.ttft.as_ref(), Quantile::P99)),
    column(TPOT, "p50", 2, |run| at(run.summary.tpot.as_ref(), Quantile::P50)),
    column(TPOT, "p99", 2, |run| at(run.summary.tpot.as_ref(), Quantile::P99)),
    column(E2EL, "p50", 3, |run| at(run.summary.e2e.as_ref(), Quantile::P50)),
    column(E2EL, "p95", 5, |run| at(run.summary.e2e.as_ref(), Quantile::P95)),
    column(E2EL, "p99", 2, |run| at(run.summary.e2e.as_ref(), Quantile::P99)),
    column("", "goodput", 1, |run| {
        run.summary.goodput.as_ref().map_or_else(|| "-".to_owned(), |g| percent(g.met.share()))
    }),
    column("", "verdict", 0, |run| verdict(&run.summary).to_owned()),
];

/// The verdict in a word, as the block has it in a line.
fn verdict(run: &RunSummary) -> &'static str {
    let verdict = run.verdict();
    match verdict.doubts() {
        _ if verdict.is_valid() => "valid",
        [Doubt::TooFewSamples { .. }] => "too few",
        _ => "doubtful",
    }
}

/// Blanks between columns.
const GAP: usize = 2;

/// A column with its values and the width they take.
struct Filled {
    column: &'static Column,
    values: Vec<String>,
    width: usize,
}

/// Writes the table.
pub(crate) fn write(out: &mut dyn Write, runs: &[Run], style: Style) -> io::Result<()> {
    let mut columns: Vec<Filled> = COLUMNS.iter().map(|column| fill(column, runs)).collect();
    if runs.iter().all(|run| run.summary.goodput.is_none()) {
        columns.retain(|filled| filled.column.name != "goodput");
    }
    fit(out, &mut columns, style)?;
    widen_for_groups(&mut columns);
    writeln!(out, "{}", style.paint(Tone::Quiet, groups(&columns).trim_end()))?;
    let names = |filled: &Filled| filled.column.name.to_owned();
    writeln!(out, "{}", style.paint(Tone::Strong, &row(&columns, names)))?;
    for (index, run) in runs.iter().enumerate() {
        let line = row(&columns, |filled| filled.values[index].clone());
        let is_lost = run.summary.completed == 0;
        writeln!(out, "{}", if is_lost { style.paint(Tone::Bad, &line) } else { line })?;
    }
    let is_marked = |filled: &Filled| filled.values.iter().any(|value| value.starts_with(MARK));
    if columns.iter().filter(|filled| !filled.column.is_text).any(is_marked) {
        writeln!(out, "{}", style.paint(Tone::Quiet, MARK_MEANING))?;
    }
    Ok(())
}

fn fill(column: &'static Column, runs: &[Run]) -> Filled {
    let values: Vec<String> = runs
        .iter()
        .map(|run| match &run.error {
            Some(_) if !column.is_text => "-".to_owned(),
            Some(_) | None => (column.read)(run),
        })
        .collect();
    let width =
        values.iter().map(|value| length(value)).max().unwrap_or(0).max(length(column.name));
    Filled { column, values, width }
}

/// Makes room: names that all runs share move into a line above the table, then the columns of the
/// highest rank go, and a line says which.
fn fit(out: &mut dyn Write, columns: &mut Vec<Filled>, style: Style) -> io::Result<()> {
    let total = |columns: &[Filled]| -> usize {
        columns.iter().map(|filled| filled.width + GAP).sum::<usize>().saturating_sub(GAP)
    };
    for name in ["model", "scenario"] {
        let shared = columns.iter().position(|filled| {
            filled.column.name == name && filled.values.iter().all(|v| *v == filled.values[0])
        });
        if let Some(place) = shared.filter(|_| total(columns) > style.width) {
            let filled = columns.remove(place);
            writeln!(
                out,
                "{}",
                style.paint(Tone::Quiet, &format!("{name}: {}", filled.values[0]))
            )?;
        }
    }
    let mut dropped = Vec::new();
    while total(columns) > style.width {
        let highest = columns.iter().map(|filled| filled.column.rank).max().unwrap_or(0);
        let last = columns.iter().rposition(|filled| filled.column.rank == highest);
        let Some(place) = last.filter(|_| highest > 0) else { break };
        let Column { group, name, .. } = columns.remove(place).column;
        let group = group.trim_end_matches(" ms");
        dropped.push(format!("{group} {name}").trim_start().to_owned());
    }
    if !dropped.is_empty() {
        let note = format!("no room for: {}", dropped.join(", "));
        writeln!(out, "{}", style.paint(Tone::Quiet, &note))?;
    }
    Ok(())
}

/// Gives a group of one narrow column the room its title takes.
fn widen_for_groups(columns: &mut [Filled]) {
    for place in 0..columns.len() {
        let group = columns[place].column.group;
        let members = columns.iter().filter(|filled| filled.column.group == group).count();
        if !group.is_empty() && members == 1 {
            columns[place].width = columns[place].width.max(length(group));
        }
    }
}

/// The line of group titles, each over the columns it joins.
fn groups(columns: &[Filled]) -> String {
    let mut line = String::new();
    for group in columns.chunk_by(|a, b| a.column.group == b.column.group) {
        let width: usize = group.iter().map(|filled| filled.width + GAP).sum::<usize>() - GAP;
        let title = group[0].column.group;
        let fill = width.saturating_sub(length(title));
        let dash = if title.is_empty() { " " } else { "─" };
        // Over its columns a title stands between dashes, so that it is seen how far it reaches.
        let (left, right) = match fill {
            0..=3 => (" ".repeat(fill), String::new()),
            _ => (
                dash.repeat(fill / 2 - 1) + " ",
                " ".to_owned() + &dash.repeat(fill - fill / 2 - 1),
            ),
        };
        line.push_str(&format!("{left}{title}{right}{}", " ".repeat(GAP)));
    }
    line
}

fn row(columns: &[Filled], value: impl Fn(&Filled) -> String) -> String {
    let cells: Vec<String> = columns
        .iter()
        .map(|filled| {
            let (value, width) = (value(filled), filled.width);
            if filled.column.is_text { format!("{value:width$}") } else { right(&value, width) }
        })
        .collect();
    cells.join(&" ".repeat(GAP))
}

fn length(text: &str) -> usize {
    text.chars().count()
}
