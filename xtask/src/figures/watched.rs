//! How soon what happens in `prony serve` is seen by someone who watches, and what showing it costs,
//! while it has many users ask a simulated model.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::pair::{Cores, pinned};
use super::program::Program;
use super::sample;

/// How long the users ask.
const SECONDS: u64 = 20;
/// What a thread that serves is called: the live view is made and sent on these.
const SERVING: &str = "tokio-rt-worker";
/// Clock ticks a second, as Linux tells CPU times.
const TICKS_PER_SECOND: f64 = 100.0;

/// What was measured.
pub(crate) struct Watched {
    /// How long ago the first moment that a window shows was when it came, milliseconds.
    pub(crate) age_ms: Vec<f64>,
    /// CPU time of the threads that serve, as a share of the time watched.
    pub(crate) serving_share: f64,
    /// How many requests were answered meanwhile.
    pub(crate) completed: u64,
}

impl Watched {
    /// Has `users` ask, and watches.
    pub(crate) fn measure(folder: &Path, users: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let log = folder.join("sim.jsonl");
        let mut sim = pinned(Cores::Shared.server(), &["sim", "--port", "0", "--log"]);
        sim.arg(log).args(["--ttft", "500ms", "--itl", "100ms"]);
        let sim = Program::start(sim)?;
        let config = folder.join("prony.toml");
        #[expect(clippy::disallowed_methods, reason = "a chore writes what the program reads")]
        std::fs::write(
            &config,
            format!(
                "[store]\npath = \"store\"\n[targets.sim]\nmodel = \"sim\"\n\
                 url = \"http://127.0.0.1:{}\"\n",
                sim.port
            ),
        )?;
        let mut serve = pinned(Cores::Shared.client(), &["serve", "--port", "0", "--config"]);
        serve.arg(&config).current_dir(folder);
        let serve = Program::start(serve)?;
        let body = json!({
            "models": ["sim"], "concurrent_users": users, "duration_seconds": SECONDS,
            "test_scenarios": ["short_queries"], "max_tokens": 32,
        });
        let id = ask(serve.port, "POST", "/api/v1/benchmarks", &body)?["id"].clone();
        let path = format!("/api/v1/benchmarks/{}", id.as_str().context("it has no id")?);
        let watched = watch(&serve, &path)?;
        serve.stop()?;
        sim.stop()?;
        Ok(watched)
    }
}

/// Reads the live stream until the benchmark has ended.
fn watch(serve: &Program, benchmark: &str) -> anyhow::Result<Watched> {
    let mut socket = TcpStream::connect(("127.0.0.1", serve.port))?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(socket, "GET /api/v1/live HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", serve.port)?;
    let mut age_ms = Vec::new();
    let mut begun: Option<(f64, u64)> = None;
    for line in BufReader::new(socket).lines() {
        let line = line?;
        let Some(data) = line.strip_prefix("data: ").filter(|data| data.contains("at_unix_ms"))
        else {
            continue;
        };
        let now = unix_ms()?;
        let window: Value = serde_json::from_str(data)?;
        // The first event has the windows before it.
        let (Some(at), Some(interval)) =
            (window["at_unix_ms"].as_u64(), window["interval_ms"].as_u64())
        else {
            continue;
        };
        let is_running = window["benchmarks"].as_array().is_some_and(|all| !all.is_empty());
        let has_news = window["series"].as_array().is_some_and(|all| !all.is_empty());
        match begun {
            None if is_running && has_news => begun = Some((cpu_seconds(serve.pid())?, now)),
            Some((cpu_before, since)) if !is_running => {
                let wall = (now - since) as f64 / 1e3;
                let cpu = cpu_seconds(serve.pid())? - cpu_before;
                let progress = ask(serve.port, "GET", benchmark, &json!({}))?;
                let completed = progress["progress"]["completed"].as_u64().unwrap_or_default();
                return Ok(Watched { age_ms, serving_share: cpu / wall, completed });
            }
            _ => {}
        }
        if has_news && begun.is_some() {
            age_ms.push(now.saturating_sub(at.saturating_sub(interval)) as f64);
        }
    }
    bail!("the live stream ended before the benchmark did")
}

/// CPU time of the threads that serve, in seconds.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let mut ticks = 0;
    #[expect(clippy::disallowed_methods, reason = "what the kernel tells of a process")]
    let (tasks, read) = (std::fs::read_dir(format!("/proc/{pid}/task"))?, |path: PathBuf| {
        std::fs::read_to_string(path)
    });
    for task in tasks {
        let stat = read(task?.path().join("stat"))?;
        let (name, rest) = stat.rsplit_once(')').context("a thread's line has its name")?;
        if name.ends_with(SERVING) {
            let times = rest.split_whitespace().skip(11).take(2);
            ticks += times.filter_map(|time| time.parse::<u64>().ok()).sum::<u64>();
        }
    }
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

fn ask(port: u16, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    let body = body.to_string();
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
    serde_json::from_str(body).with_context(|| format!("{method} {path}: {answer}"))
}

fn unix_ms() -> anyhow::Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "what the stream tells is of the wall clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(u64::try_from(now.as_millis())?)
}

impl std::fmt::Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {:.0} ms, p95 {:.0} ms of {} windows; {:.1} % of a core to show it; {} answers",
            sample::quantile(&self.age_ms, 0.5),
            sample::quantile(&self.age_ms, 0.95),
            self.age_ms.len(),
            100.0 * self.serving_share,
            self.completed,
        )
    }
}
