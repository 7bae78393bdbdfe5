//! The figures that the project answers for, on this machine, now.
//!
//! Of the client: `prony bench` runs against `prony sim` as two processes of the release build, the
//! client on one core and the server on another, records written to disk as always. Accuracy is
//! judged request by request against the server's own log, which brackets its socket writes on the
//! same clock. Where `wrk` is installed it takes turns with the client on the same server, as the
//! measure of what this machine's kernel asks for the traffic alone.
//!
//! Of the platform: what the store takes in and how soon it answers, and how soon someone who watches
//! `prony serve` sees what many users get.
//!
//! Every raw record stays under `bench-results/`.

mod accuracy;
mod kept;
mod pair;
mod peer;
mod program;
mod sample;
mod watched;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use self::accuracy::Accuracy;
use self::pair::{Cores, Pair};
use self::sample::median;
use self::watched::Watched;
use crate::workspace;

/// How often each timed case is repeated; the median counts.
const ROUNDS: usize = 5;
/// Requests of one round of the cost case.
const COST_REQUESTS: u64 = 20_000;
/// How many records the store is asked about.
const KEPT_RECORDS: u64 = 20_000_000;
/// How often it is asked.
const QUERY_ROUNDS: usize = 3;
/// What the client may cost over wrk: 0.03 s for 1,000 streams on a machine where wrk needs 0.019 s.
const COST_RATIO_MAX: f64 = 0.03 / 0.019;

/// A load under which arrivals are held against the server's log.
struct AccuracyCase {
    name: &'static str,
    folder: &'static str,
    cores: Cores,
    sim: &'static [&'static str],
    bench: &'static [&'static str],
    memory_mb_max: Option<f64>,
}

const ACCURACY_CASES: [AccuracyCase; 2] = [
    AccuracyCase {
        name: "arrival error of first tokens, 1,000 streams, a core each",
        folder: "thousand",
        cores: Cores::OneEach,
        sim: &["--ttft", "50ms", "--itl", "10ms"],
        bench: &["--concurrency", "1000", "--num-prompts", "10000", "--ramp-up", "2s"],
        memory_mb_max: None,
    },
    AccuracyCase {
        name: "arrival error of first tokens, 10,000 users, two cores for both",
        folder: "ten-thousand",
        cores: Cores::Shared,
        sim: &["--ttft", "500ms", "--itl", "100ms"],
        bench: &["--concurrency", "10000", "--num-prompts", "20000", "--ramp-up", "5s"],
        memory_mb_max: Some(120.0),
    },
];

/// Measures something.
type Measure = fn(&mut Figures) -> anyhow::Result<()>;

/// What is measured, by name, in the order it is.
const CASES: [(&str, Measure); 6] = [
    ("cost", Figures::costs),
    ("stored", Figures::stored_cost),
    ("accuracy", Figures::accuracies),
    ("watched", Figures::watched),
    ("kept", Figures::kept),
    ("history", Figures::history),
];

/// Measures what is named, or everything, and prints it.
pub(crate) fn run(wanted: &[&str]) -> anyhow::Result<()> {
    if let Some(unknown) = wanted.iter().find(|name| CASES.iter().all(|(known, _)| known != *name))
    {
        let known = CASES.map(|(name, _)| name).join(", ");
        bail!("nothing is called `{unknown}`; there are {known}");
    }
    let mut figures = Figures { folder: results_folder()?, rows: Vec::new(), record: Vec::new() };
    for (name, measure) in CASES {
        if wanted.is_empty() || wanted.contains(&name) {
            measure(&mut figures)?;
        }
    }
    figures.print()
}

/// A row of the printed table.
struct Row {
    name: String,
    measured: String,
    /// What to reach, and whether it was.
    goal: Option<(String, bool)>,
}

struct Figures {
    folder: PathBuf,
    rows: Vec<Row>,
    record: Vec<Value>,
}

impl Figures {
    fn costs(&mut self) -> anyhow::Result<()> {
        self.cost("one write an answer", "cost", 32)?;
        self.cost("one write a token", "cost-single-writes", 1)
    }

    fn accuracies(&mut self) -> anyhow::Result<()> {
        ACCURACY_CASES.iter().try_for_each(|case| self.accuracy(case))
    }

    /// Client CPU for 1,000 streams of 32 tokens, without delays, in turns with wrk.
    ///
    /// Only answers written at once have a goal: with a write a token, what is measured is mostly
    /// how many reads the kernel makes of them.
    fn cost(&mut self, what: &str, name: &str, events_per_write: u64) -> anyhow::Result<()> {
        let events = events_per_write.to_string();
        let requests = COST_REQUESTS.to_string();
        let (mut ours, mut theirs, mut reads) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let pair = Pair {
                folder: self.folder.join(format!("{name}-{round}")),
                cores: Cores::OneEach,
                sim: &["--events-per-write", &events],
                bench: &["--concurrency", "64", "--num-prompts", &requests],
                has_store: false,
            };
            let cpu = pair.run(|port| peer::wrk(port).map(|cpu| theirs.extend(cpu)))?;
            ours.push(cpu.as_secs_f64() * 1_000.0 / COST_REQUESTS as f64);
            let records = accuracy::lines(&pair.folder.join("requests.jsonl"))?;
            reads.push(sample::mean(records.iter().map(accuracy::reads)));
        }
        let (cost, reads_each) = (median(&ours), median(&reads));
        let mut measured = format!("{cost:.4} s, {reads_each:.1} reads a request");
        let mut goal = None;
        if !theirs.is_empty() {
            let peer = median(&theirs);
            let ratio = cost / peer;
            measured.push_str(&format!("; wrk {peer:.4} s, ratio {ratio:.2}"));
            goal = (events_per_write > 1).then(|| {
                (format!("{COST_RATIO_MAX:.2} times wrk, or less"), ratio <= COST_RATIO_MAX)
            });
        }
        self.record.push(json!({
            "case": name, "cpu_s_per_1000": ours, "wrk_cpu_s_per_1000": theirs,
            "reads_per_request": reads,
        }));
        let name = format!("client CPU for 1,000 streams of 32 tokens, 64 connections, {what}");
        self.rows.push(Row { name, measured, goal });
        Ok(())
    }

    /// The same as the first cost, with and without a store, in turns.
    fn stored_cost(&mut self) -> anyhow::Result<()> {
        let requests = COST_REQUESTS.to_string();
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            for (has_store, costs) in [(false, &mut without), (true, &mut with)] {
                let pair = Pair {
                    folder: self.folder.join(format!("stored-{has_store}-{round}")),
                    cores: Cores::OneEach,
                    sim: &["--events-per-write", "32"],
                    bench: &["--concurrency", "64", "--num-prompts", &requests],
                    has_store,
                };
                let cpu = pair.run(|_| Ok(()))?;
                costs.push(cpu.as_secs_f64() * 1_000.0 / COST_REQUESTS as f64);
            }
        }
        let (bare, kept) = (median(&without), median(&with));
        self.record.push(json!({ "case": "stored", "without": without, "with": with }));
        self.rows.push(Row {
            name: "the same, kept in a store".to_owned(),
            measured: format!(
                "{kept:.4} s, {:.2} times that without one, {bare:.4} s",
                kept / bare
            ),
            goal: None,
        });
        Ok(())
    }

    fn accuracy(&mut self, case: &AccuracyCase) -> anyhow::Result<()> {
        let folder = self.folder.join(case.folder);
        let (cores, sim, bench) = (case.cores, case.sim, case.bench);
        let pair = Pair { folder, cores, sim, bench, has_store: true };
        pair.run(|_| Ok(()))?;
        let accuracy = Accuracy::read(&pair.folder)?;
        let reach = "all answered, p50 ≤ 0.1 ms, p99 ≤ 1 ms".to_owned();
        self.rows.push(Row {
            name: case.name.to_owned(),
            measured: accuracy.to_string(),
            goal: Some((reach, accuracy.is_within())),
        });
        let run = run_summary(&pair.folder)?;
        let memory_mb = run["process"]["memory_peak_bytes"].as_f64().context("no memory")? / 1e6;
        self.record.push(json!({
            "case": case.folder, "accuracy": accuracy.to_json(), "process": run["process"],
            "median_ttft_ms": run["median_ttft_ms"], "p99_ttft_ms": run["p99_ttft_ms"],
            "verdict": run["verdict"],
        }));
        if let Some(most) = case.memory_mb_max {
            self.rows.push(Row {
                name: "client memory at its peak, then".to_owned(),
                measured: format!("{memory_mb:.0} MB"),
                goal: Some((format!("≤ {most} MB"), memory_mb <= most)),
            });
        }
        Ok(())
    }

    /// How soon the live view shows what happens.
    fn watched(&mut self) -> anyhow::Result<()> {
        const AGE_MS_MAX: f64 = 500.0;
        const SHARE_MAX: f64 = 0.1;
        let users = 10_000;
        println!("watched");
        let watched = Watched::measure(&self.folder.join("watched"), users)?;
        let p95 = sample::quantile(&watched.age_ms, 0.95);
        self.rows.push(Row {
            name: format!("from an event to who watches it live, {users} users"),
            measured: watched.to_string(),
            goal: Some((
                format!("p95 ≤ {AGE_MS_MAX} ms, ≤ {:.0} % of a core", 100.0 * SHARE_MAX),
                p95 <= AGE_MS_MAX && watched.serving_share <= SHARE_MAX,
            )),
        });
        self.record.push(json!({
            "case": "watched", "age_ms": watched.age_ms,
            "serving_share": watched.serving_share, "completed": watched.completed,
        }));
        Ok(())
    }

    /// How many records are kept a second, and how soon questions about them are answered.
    fn kept(&mut self) -> anyhow::Result<()> {
        const PER_SECOND_MIN: f64 = 100_000.0;
        const RATIO_MAX: f64 = 2.0;
        let folder = self.folder.join("kept");
        let kept = kept::bench("ingest", &[&KEPT_RECORDS.to_string()], &folder)?;
        let figure = |name: &str| kept[name].as_f64().context("a bench tells its figures");
        let (records, memory_mb) = (figure("records")?, figure("memory_peak_bytes")? / 1e6);
        let per_second = records / figure("wall_s")?;
        self.rows.push(Row {
            name: "records of 32 chunks taken in, rolled up and kept durably, one core".to_owned(),
            measured: format!(
                "{per_second:.0}/s of {records:.0} records, {memory_mb:.0} MB at most"
            ),
            goal: Some((format!("≥ {PER_SECOND_MIN:.0}/s"), per_second >= PER_SECOND_MIN)),
        });
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..QUERY_ROUNDS {
            let [our, their] = kept::percentiles(&folder)?;
            ours.push(our.as_secs_f64());
            theirs.push(their.as_secs_f64());
        }
        let (our, their) = (median(&ours), median(&theirs));
        let ratio = our / their;
        self.rows.push(Row {
            name: format!("p50, p95 and p99 by model over those {records:.0} records"),
            measured: format!("CPU {our:.2} s; DuckDB {their:.2} s, ratio {ratio:.2}"),
            goal: Some((format!("{RATIO_MAX} times DuckDB, or less"), ratio <= RATIO_MAX)),
        });
        self.record.push(json!({
            "case": "kept", "ingest": kept, "query_cpu_s": ours, "duckdb_cpu_s": theirs,
        }));
        kept::remove(&folder)
    }

    /// How soon the dashboard's charts are answered.
    fn history(&mut self) -> anyhow::Result<()> {
        const MS_MAX: f64 = 50.0;
        let folder = self.folder.join("history");
        let history = kept::bench("history", &[], &folder)?;
        let questions = history["questions"].as_array().context("a bench tells its figures")?;
        let slowest = questions
            .iter()
            .filter_map(|question| Some((question["ms"].as_f64()?, question["asked"].as_str()?)))
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let (ms, asked) = slowest.context("no question was asked")?;
        let requests = history["requests"].as_u64().context("a bench tells its figures")?;
        self.rows.push(Row {
            name: format!("a chart out of the rollups of {} M requests", requests / 1_000_000),
            measured: format!("{ms:.1} ms at most of {} charts ({asked})", questions.len()),
            goal: Some((format!("≤ {MS_MAX} ms"), ms <= MS_MAX)),
        });
        self.record.push(json!({ "case": "history", "figures": history }));
        kept::remove(&folder)
    }

    fn print(self) -> anyhow::Result<()> {
        println!();
        for Row { name, measured, goal } in &self.rows {
            let mark = match goal {
                Some((_, true)) => "reached",
                Some((_, false)) => "MISSED",
                None => "seen",
            };
            println!("{mark:8} {name}\n         {measured}");
            if let Some((reach, _)) = goal {
                println!("         to reach: {reach}");
            }
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
