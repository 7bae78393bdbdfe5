//! `prony serve`: benchmarks over its API, and what is kept of them whatever becomes of the process.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use domain::{Clock as _, SystemClock};
use serde_json::{Value, json};
use testkit::Program;
use testkit::program::until;

use crate::desk::{Desk, integer, items, text};

/// Records that ended this long before a kill are kept, whatever happens.
const SAFE_AFTER_NANOS: u64 = 200_000_000;

/// A server at work, and a simulated model as its target `sim`.
pub(crate) struct Served {
    pub(crate) desk: Desk,
    pub(crate) program: Program,
    pub(crate) url: String,
}

impl Served {
    /// Starts a server whose target is at `target`.
    pub(crate) fn start(desk: Desk, target: &str) -> Self {
        Self::start_with(desk, target, "")
    }

    /// Starts it with `more` in its configuration.
    pub(crate) fn start_with(desk: Desk, target: &str, more: &str) -> Self {
        let target =
            format!("[targets.sim]\nurl = \"{target}/v1\"\nmodel = \"sim\"\nregion = \"eu\"\n");
        desk.write("prony.toml", target + more);
        Self::resume(desk)
    }

    /// Starts it with the configuration that is there.
    pub(crate) fn resume(desk: Desk) -> Self {
        let program = desk.start("serve --config prony.toml --port 0");
        let url = program.url();
        Self { desk, program, url }
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let host = self.url.trim_start_matches("http://");
        let mut socket = TcpStream::connect(host).expect("it listens");
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers in text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.expect("an answer has a status"), body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, &json!({}));
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("it is JSON")
    }

    pub(crate) fn create(&self, body: &Value) -> String {
        let (status, answer) = self.call("POST", "/api/v1/benchmarks", body);
        assert_eq!(status, 202, "{answer}");
        let answer: Value = serde_json::from_str(&answer).expect("it is JSON");
        text(&answer["id"]).to_owned()
    }

    pub(crate) fn benchmark(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/benchmarks/{id}"))
    }

    pub(crate) fn stop(self) -> Desk {
        self.program.interrupt();
        let end = self.program.finish();
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        self.desk
    }
}

pub(crate) fn benchmark(seconds: f64, users: u64) -> Value {
    json!({
        "models": ["sim"], "test_scenarios": ["short_queries"],
        "concurrent_users": users, "duration_seconds": seconds,
    })
}

#[test]
fn a_benchmark_is_carried_out_on_request_and_kept() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let served = Served::start(desk, &sim.url);
    let id = served.create(&json!({
        "models": ["sim"], "test_scenarios": ["short_queries", "code_generation"],
        "concurrent_users": 4, "num_requests": 20, "duration_minutes": 5,
    }));
    until("it is completed", || served.benchmark(&id)["status"] == "completed");

    let results = served.get(&format!("/api/v1/benchmarks/{id}/results"));
    let completed: Vec<u64> =
        items(&results["runs"]).iter().map(|run| integer(&run["completed"])).collect();
    assert_eq!(completed, [20, 20]);
    let counted = "scenario=\"code_generation\",source=\"bench\",outcome=\"success\"} 20\n";
    until("the metrics count them", || {
        let (status, metrics) = served.call("GET", "/metrics", &json!({}));
        assert_eq!(status, 200);
        metrics.contains(counted)
    });

    let desk = served.stop();
    let listed = desk.prony("runs list");
    assert!(listed.stdout.contains(&format!("{id}  completed")), "{}", listed.stdout);
    let shown = desk.prony(&format!("runs show {id}"));
    assert!(shown.stdout.contains("code_generation  concurrency=4"), "{}", shown.stdout);
    let sql =
        "SELECT scenario, target_region, count(*) AS n FROM requests GROUP BY 1, 2 ORDER BY 1";
    let counts = desk.prony_in(&[], &["query", "--format", "csv", sql]);
    assert_eq!(
        counts.stdout, "scenario,target_region,n\ncode_generation,eu,20\nshort_queries,eu,20\n",
        "{}",
        counts.stderr
    );
    let exported = desk.prony(&format!("export --run {id} --output records.jsonl"));
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert_eq!(desk.whole_lines("records.jsonl").len(), 40);
    let again = desk.prony(&format!("export --run {id} --output records.jsonl"));
    assert_eq!(again.code, Some(3), "{}", again.stderr);
    assert!(again.stderr.contains("cannot write records.jsonl"), "{}", again.stderr);

    let deleted = desk.prony(&format!("runs delete {id}"));
    assert_eq!(deleted.stderr, format!("deleted {id} and its 40 records\n"));
    assert_eq!(desk.prony("runs list").stderr, "there are no runs yet\n");
    sim.stop();
}

#[test]
fn a_killed_server_loses_nothing_and_says_what_was_interrupted() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms --log sim.jsonl");
    let served = Served::start(desk, &sim.url);
    let id = served.create(&benchmark(60.0, 8));
    until("some hundred requests have ended", || {
        integer(&served.benchmark(&id)["progress"]["completed"]) >= 300
    });
    let safe_until = SystemClock.unix_nanos() - SAFE_AFTER_NANOS;
    let Served { desk, program, .. } = served;
    let _ = program.kill();
    sim.stop();

    let served = Served::resume(desk);
    until("what was measured has been summed up", || {
        integer(&served.benchmark(&id)["progress"]["completed"]) >= 100
    });
    let found = served.benchmark(&id);
    assert_eq!(found["status"], "interrupted");
    let results = served.get(&format!("/api/v1/benchmarks/{id}/results"));
    let runs = items(&results["runs"]);
    assert_eq!(runs.len(), 1, "{results}");
    assert_eq!(runs[0]["completed"], found["progress"]["completed"]);
    assert_eq!(runs[0]["verdict"]["doubts"][0]["name"], "cut_short", "{}", runs[0]["verdict"]);
    assert!(runs[0]["median_ttft_ms"].as_f64().expect("there is a median") >= 5.0);
    let desk = served.stop();
    let exported = desk.prony(&format!("export --run {id}"));
    let kept: BTreeSet<String> = exported
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record is JSON"))
        .map(|record| text(&record["request_id"]).to_owned())
        .collect();
    let (offset, log) = desk.sim_log("sim.jsonl");
    let ended = |record: &Value| record["finished_ns"].as_u64().map(|nanos| nanos + offset);
    let safe = log.iter().filter(|(_, record)| ended(record).is_some_and(|end| end <= safe_until));
    let safe: Vec<&String> = safe.map(|(id, _)| id).collect();
    assert!(safe.len() >= 100, "the simulation logged {} such requests", safe.len());
    assert_eq!(kept.len() as u64, integer(&runs[0]["completed"]));
    let lost: Vec<_> = safe.iter().filter(|id| !kept.contains(**id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), safe.len());
}

#[test]
fn a_benchmark_that_has_just_ended_is_deleted_while_another_runs() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let served = Served::start(desk, &sim.url);
    let short = served.create(&json!({
        "models": ["sim"], "test_scenarios": ["short_queries"],
        "concurrent_users": 4, "num_requests": 100, "duration_minutes": 5,
    }));
    let long = served.create(&benchmark(60.0, 8));
    until("the first has ended and the second has answers", || {
        integer(&served.benchmark(&long)["progress"]["completed"]) > 0
    });
    let (status, answer) =
        served.call("DELETE", &format!("/api/v1/benchmarks/{short}"), &json!({}));
    assert_eq!(status, 204, "{answer}");
    let desk = served.stop();
    let sql = "SELECT run_id, count(*) > 0 AS some FROM requests GROUP BY 1";
    let counts = desk.prony_in(&[], &["query", "--format", "csv", sql]);
    assert_eq!(counts.stdout, format!("run_id,some\n{long},true\n"), "{}", counts.stderr);
    sim.stop();
}

#[test]
fn a_store_has_one_writer_and_a_server_says_who_it_is() {
    let desk = Desk::new();
    let served = Served::start(desk, "http://127.0.0.1:9");
    let second = served.desk.prony("serve --config prony.toml --port 0");
    assert_eq!(second.code, Some(3), "{}", second.stderr);
    assert!(second.stderr.contains("prony-data is in use by another process"), "{}", second.stderr);
    assert!(second.stderr.contains("  help: "), "{}", second.stderr);
    let desk = served.stop();

    desk.write("open.toml", "[targets.a]\nurl = \"http://127.0.0.1:9\"\nmodel = \"m\"\n");
    let open = desk.prony("serve --config open.toml --host 0.0.0.0 --port 0");
    assert_eq!(open.code, Some(2), "{}", open.stderr);
    assert!(open.stderr.contains("there is no key"), "{}", open.stderr);
}

#[test]
fn a_described_server_is_asked_and_after_a_restart_too_but_only_where_the_file_allows_it() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let elsewhere = json!({ "url": sim.url, "model": "sim", "name": "lab" });
    let ask = |stop: (&str, u64)| json!({ "models": [elsewhere.clone()], "concurrent_users": 2, stop.0: stop.1 });
    let served = Served::start(desk, "http://127.0.0.1:9");
    let (status, answer) = served.call("POST", "/api/v1/benchmarks", &ask(("num_requests", 5)));
    assert_eq!(status, 403, "{answer}");
    let desk = served.stop();

    desk.write("prony.toml", "[server]\nad_hoc_targets = true\n");
    let served = Served::resume(desk);
    let first = served.create(&ask(("duration_minutes", 5)));
    let second = served.create(&ask(("num_requests", 5)));
    until("the first runs", || served.benchmark(&first)["status"] == "running");
    let served = Served::resume(served.stop());
    until("the second is completed", || served.benchmark(&second)["status"] == "completed");
    assert_eq!(served.benchmark(&first)["status"], "interrupted");
    let results = served.get(&format!("/api/v1/benchmarks/{second}/results"));
    let run = &items(&results["runs"])[0];
    assert_eq!((text(&run["target"]), integer(&run["completed"])), ("lab", 5));
    served.stop();
    sim.stop();
}
