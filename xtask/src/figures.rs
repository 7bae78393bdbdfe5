//! The client's figures: what load costs it, and how true its times are, on this machine, now.
//!
//! Each case runs `prony bench` against `prony sim` as two processes of the release build, the
//! client on one core and the server on another, records written to disk as always. Accuracy is
//! judged request by request against the server's own log, which brackets its socket writes on the
//! same clock. Where `wrk` is installed it takes turns with the client on the same server, as the
//! measure of what this machine's kernel asks for the traffic alone.
//!
//! Every raw record stays under `bench-results/`.

mod accuracy;
mod pair;
mod peer;
mod sample;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use self::accuracy::Accuracy;
use self::pair::{Cores, Pair};
use self::sample::median;
use crate::workspace;

/// How often each timed case is repeated; the median counts.
const ROUNDS: usize = 5;
/// Requests of one round of the cost case.
const COST_REQUESTS: u64 = 20_000;

/// Measures everything and prints it.
pub(crate) fn run() -> anyhow::Result<()> {
    let folder = results_folder()?;
    let bench = Figures { folder, table: Vec::new(), record: Vec::new() };
    bench.measure()
}

/// A row of the printed table.
struct Row {
    name: &'static str,
    reach: &'static str,
    measured: String,
    met: bool,
}

struct Figures {
    folder: PathBuf,
    table: Vec<Row>,
    record: Vec<Value>,
}

impl Figures {
    fn measure(mut self) -> anyhow::Result<()> {
        self.cost("one write an answer", "client-cost", 32)?;
        self.cost("one write a token", "client-cost-single-writes", 1)?;
        self.thousand()?;
        self.ten_thousand()?;
        self.print()
    }

    /// Client CPU for 1,000 streams of 32 tokens, without delays, in turns with wrk.
    fn cost(
        &mut self,
        what: &'static str,
        name: &str,
        events_per_write: u64,
    ) -> anyhow::Result<()> {
        let events = events_per_write.to_string();
        let requests = COST_REQUESTS.to_string();
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        let mut reads = 0.0;
        for round in 0..ROUNDS {
            let pair = Pair {
                folder: self.folder.join(format!("{name}-{round}")),
                cores: Cores::OneEach,
                sim: &["--events-per-write", &events],
                bench: &["--concurrency", "64", "--num-prompts", &requests],
            };
            let done = pair.run(|port| peer::wrk(port).map(|cpu| theirs.extend(cpu)))?;
            let records = accuracy::lines(&done.folder.join("requests.jsonl"))?;
            reads = sample::mean(records.iter().map(accuracy::reads));
            ours.push(done.cpu.as_secs_f64() * 1_000.0 / COST_REQUESTS as f64);
        }
        let cost = median(&ours);
        let mut measured = format!("{cost:.4} s, {reads:.1} reads a request ({what})");
        if !theirs.is_empty() {
            let peer = median(&theirs);
            let ratio = cost / peer;
            measured.push_str(&format!("; wrk {peer:.4} s, ratio {ratio:.2}"));
        }
        self.record.push(json!({
            "case": name, "cpu_s_per_1000": ours, "wrk_cpu_s_per_1000": theirs,
            "reads_per_request": reads,
        }));
        self.table.push(Row {
            name: "client CPU for 1,000 streams of 32 tokens, 64 connections",
            reach: "≤ 0.03 s",
            measured,
            met: cost <= 0.03,
        });
        Ok(())
    }

    /// 1,000 streams at 50 and 10 ms, a core each.
    fn thousand(&mut self) -> anyhow::Result<()> {
        self.accuracy(
            "arrival error of first tokens, 1,000 streams",
            Pair {
                folder: self.folder.join("thousand"),
                cores: Cores::OneEach,
                sim: &["--ttft", "50ms", "--itl", "10ms"],
                bench: &["--concurrency", "1000", "--num-prompts", "10000", "--ramp-up", "2s"],
            },
            None,
        )
    }

    /// 10,000 users at 500 and 100 ms, on all cores.
    fn ten_thousand(&mut self) -> anyhow::Result<()> {
        self.accuracy(
            "arrival error of first tokens, 10,000 users",
            Pair {
                folder: self.folder.join("ten-thousand"),
                cores: Cores::Shared,
                sim: &["--ttft", "500ms", "--itl", "100ms"],
                bench: &["--concurrency", "10000", "--num-prompts", "20000", "--ramp-up", "5s"],
            },
            Some(120.0),
        )
    }

    fn accuracy(
        &mut self,
        name: &'static str,
        pair: Pair<'_>,
        memory_max_mb: Option<f64>,
    ) -> anyhow::Result<()> {
        let done = pair.run(|_| Ok(()))?;
        let accuracy = Accuracy::read(&done.folder)?;
        self.table.push(Row {
            name,
            reach: "all answered, p50 ≤ 0.1 ms, p99 ≤ 1 ms",
            measured: accuracy.to_string(),
            met: accuracy.is_within(),
        });
        let run = run_summary(&done.folder)?;
        let memory_mb = run["process"]["memory_peak_bytes"].as_f64().context("no memory")? / 1e6;
        self.record.push(json!({
            "case": name, "accuracy": accuracy.to_json(), "memory_mb": memory_mb,
            "process": run["process"], "median_ttft_ms": run["median_ttft_ms"],
            "p99_ttft_ms": run["p99_ttft_ms"], "verdict": run["verdict"],
        }));
        if let Some(max) = memory_max_mb {
            self.table.push(Row {
                name: "client memory at its peak, 10,000 users",
                reach: "≤ 120 MB",
                measured: format!("{memory_mb:.0} MB"),
                met: memory_mb <= max,
            });
        }
        Ok(())
    }

    fn print(self) -> anyhow::Result<()> {
        println!();
        for Row { name, reach, measured, met } in &self.table {
            let mark = if *met { "reached" } else { "MISSED" };
            println!("{mark:8} {name}\n         {measured}\n         to reach: {reach}");
        }
        let path = self.folder.join("figures.json");
        #[expect(clippy::disallowed_methods, reason = "raw figures are kept")]
        std::fs::write(&path, serde_json::to_vec_pretty(&self.record)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("\nraw records: {}", self.folder.display());
        Ok(())
    }
}

fn run_summary(folder: &Path) -> anyhow::Result<Value> {
    let text = read(&folder.join("summary.json"))?;
    let mut summary: Value = serde_json::from_str(&text)?;
    Ok(summary["runs"][0].take())
}

fn read(path: &Path) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a chore reads what the program wrote")]
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn results_folder() -> anyhow::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a folder's name, no measurement")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let folder = workspace::root().join(format!("bench-results/figures-{now}"));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
