//! What the store takes in and how soon it answers: the benches of the packages, and DuckDB asked
//! the same over the same files.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::pair::{children_cpu, on_cores, pinned};
use crate::workspace;

/// Percentiles as Prony's users ask for them.
const OURS: &str = "SELECT model, \
    percentile_cont(0.5) WITHIN GROUP (ORDER BY e2el_ms) AS p50, \
    percentile_cont(0.95) WITHIN GROUP (ORDER BY e2el_ms) AS p95, \
    percentile_cont(0.99) WITHIN GROUP (ORDER BY e2el_ms) AS p99 \
    FROM requests GROUP BY model ORDER BY model";
/// The same as a user of DuckDB asks: one sort gives all three.
const THEIRS: &str = "\
import duckdb, json, sys
for model, p in duckdb.sql(f\"\"\"
    SELECT model, quantile_cont(e2el_ms, [0.5, 0.95, 0.99])
    FROM read_parquet('{sys.argv[1]}/partitions/*.parquet') GROUP BY model ORDER BY model
\"\"\").fetchall():
    print(json.dumps({'model': model, 'p50': p[0], 'p95': p[1], 'p99': p[2]}))
";

/// The packages of the benches and of the program, built together so that they share what they need.
const PACKAGES: [&str; 4] = ["prony", "archive", "collect", "store"];

/// Runs a bench on one core and returns the figures that it wrote into `folder`, its last argument.
pub(crate) fn bench(name: &str, arguments: &[&str], folder: &Path) -> anyhow::Result<Value> {
    println!("{name}");
    std::fs::create_dir_all(folder)?;
    let mut command = on_cores("0", "cargo");
    command.current_dir(workspace::root()).args(["bench", "--quiet", "--bench", name]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    command.arg("--").args(arguments).arg(folder);
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(serde_json::from_str(&super::read(&folder.join("figures.json"))?)?)
}

/// Processor times of the percentiles by model over every record of the store in `folder`: ours, and
/// DuckDB's. Fails where the two do not answer the same.
pub(crate) fn percentiles(folder: &Path) -> anyhow::Result<[Duration; 2]> {
    let mut ours = pinned("0,1", &["query", "--format", "jsonl", "--store"]);
    ours.arg(folder).arg(OURS);
    let mut theirs = on_cores("0,1", python());
    theirs.args(["-c", THEIRS]).arg(folder);
    let (ours, answer) = ask(ours)?;
    let (theirs, wanted) = ask(theirs)?;
    ensure!(answer.len() == wanted.len(), "{answer:?} is not {wanted:?}");
    for (row, wanted) in answer.iter().zip(&wanted) {
        for name in ["p50", "p95", "p99"] {
            let (Some(value), Some(wanted)) = (row[name].as_f64(), wanted[name].as_f64()) else {
                bail!("{row} has no {name}");
            };
            ensure!((value - wanted).abs() <= 1e-6 * wanted, "{row}: {name} is not {wanted}");
        }
    }
    Ok([ours, theirs])
}

/// What a command answers, a line a row, and the processor time it took.
fn ask(mut command: Command) -> anyhow::Result<(Duration, Vec<Value>)> {
    let before = children_cpu()?;
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let cpu = children_cpu()?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    let lines = String::from_utf8(output.stdout)?;
    let rows = lines.lines().map(|line| serde_json::from_str(line).context("a row is JSON"));
    Ok((cpu, rows.collect::<anyhow::Result<_>>()?))
}

/// Removes a store that was measured, which takes gigabytes.
pub(crate) fn remove(folder: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Where `scripts/duckdb.sh` installed it.
fn python() -> PathBuf {
    workspace::root().join(".prony/duckdb/bin/python")
}
