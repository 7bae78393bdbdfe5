//! `prony bench` and the store: alone, through a server, and where neither can be.

use serde_json::{Value, json};
use testkit::program::until;

use crate::desk::{Desk, integer, items, printed, text};
use crate::serving::Served;

/// The id that a bench said it is kept under.
fn id_in(stderr: &str) -> String {
    let (_, rest) = stderr.split_once("kept as ").unwrap_or_else(|| panic!("{stderr}"));
    rest.split(' ').next().expect("an id follows").to_owned()
}

fn line(url: &str) -> String {
    format!("bench --url {url} --concurrency 4 --num-prompts 40 --max-tokens 4 --output json")
}

#[test]
fn a_bench_is_kept_in_the_store_with_its_results_and_records() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 2ms --itl 1ms");
    let run = desk.prony(&line(&sim.url));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let id = id_in(&run.stderr);
    let listed = desk.prony("runs list --json");
    let listed: Value = serde_json::from_str(listed.stdout.trim()).expect("there is one");
    assert_eq!((text(&listed["id"]), text(&listed["status"])), (&*id, "completed"));
    assert_eq!(listed["name"], "sim: short_queries (concurrency=4)");
    // What the store tells of the run is what was printed.
    assert_eq!(listed["runs"], printed(&run)["runs"]);
    assert_eq!(desk.prony(&format!("export --run {id}")).stdout.lines().count(), 40);
    let sql = "SELECT source, scenario, count(*) AS n FROM requests GROUP BY 1, 2";
    let counts = desk.prony_in(&[], &["query", "--format", "csv", sql]);
    assert_eq!(counts.stdout, "source,scenario,n\nbench,short_queries,40\n", "{}", counts.stderr);

    let other = desk.prony(&format!("{} --store elsewhere", line(&sim.url)));
    assert!(other.stderr.contains(" in elsewhere\n"), "{}", other.stderr);
    let unkept = desk.prony(&format!("{} --no-store", line(&sim.url)));
    assert!(!unkept.stderr.contains("kept as"), "{}", unkept.stderr);
    assert_eq!(desk.prony("runs list").stdout.lines().count(), 2, "a heading and one run");
    sim.stop();
}

#[test]
fn a_bench_is_kept_through_the_server_that_has_the_store_open() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let served = Served::start(desk, &sim.url);
    let bench = served.desk.start(&format!(
        "bench --url {} --scenario short_queries,code_generation --concurrency 8 --duration 2s",
        sim.url
    ));
    let running = || {
        let all = served.get("/api/v1/benchmarks");
        items(&all["items"]).first().cloned().unwrap_or_default()
    };
    until("it runs and its requests are counted", || {
        let now = running();
        now["status"] == "running" && now["progress"]["completed"].as_u64() > Some(20)
    });
    let id = text(&running()["id"]).to_owned();
    assert!(integer(&running()["progress"]["in_flight"]) > 0, "{}", running());
    let (status, answer) =
        served.call("POST", &format!("/api/v1/benchmarks/{id}/cancel"), &json!({}));
    assert_eq!(status, 409, "{answer}");
    assert!(answer.contains("stop that process where it was started"), "{answer}");

    let end = bench.finish();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(id_in(&end.stderr), id);
    assert_eq!(served.benchmark(&id)["status"], "completed");
    let results = served.get(&format!("/api/v1/benchmarks/{id}/results"));
    let runs = items(&results["runs"]).to_vec();
    assert_eq!(runs.len(), 2);
    let timeline = served.get(&format!("/api/v1/benchmarks/{id}/timeline"));
    assert!(!items(&timeline["requests_per_second"]).is_empty(), "{timeline}");
    let desk = served.stop();
    let total: u64 = ["completed", "failed", "warmup", "outside_window"]
        .iter()
        .flat_map(|count| runs.iter().map(move |run| integer(&run[count])))
        .sum();
    let exported = desk.prony(&format!("export --run {id}"));
    assert_eq!(exported.stdout.lines().count() as u64, total);
    sim.stop();
}

#[test]
fn a_bench_whose_server_ends_stops_and_tells() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let served = Served::start(desk, &sim.url);
    let bench = served.desk.start(&format!("bench --url {} --duration 60s", sim.url));
    until("it runs", || {
        let all = served.get("/api/v1/benchmarks");
        items(&all["items"]).first().is_some_and(|one| one["progress"]["completed"] != json!(0))
    });
    let desk = served.stop();
    let end = bench.finish();
    assert_eq!(end.code, Some(3), "{}", end.stderr);
    assert!(end.stderr.contains("the server that writes to the store is gone"), "{}", end.stderr);
    assert!(end.stdout.contains("Serving Benchmark Result"), "{}", end.stdout);
    let listed = desk.prony("runs list");
    assert!(listed.stdout.contains("interrupted"), "{}", listed.stdout);
    sim.stop();
}

#[test]
fn a_killed_bench_is_no_running_one() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let bench = desk.start(&format!("bench --url {} --duration 60s", sim.url));
    let count = || {
        let sql = "SELECT count(*) AS n FROM requests";
        let counts = desk.prony_in(&[], &["query", "--format", "csv", sql]);
        counts.stdout.lines().nth(1).and_then(|count| count.parse::<u64>().ok())
    };
    until("requests are kept", || count() > Some(20));
    let listed = desk.prony("runs list");
    assert!(listed.stdout.contains("  running  "), "{}", listed.stdout);
    // One store has one writer: a second bench measures all the same.
    let second = desk.prony(&line(&sim.url));
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let warned = "warning: the store does not keep this bench: prony-data is in use";
    assert!(second.stderr.contains(warned), "{}", second.stderr);
    let refused = desk.prony(&format!("{} --store prony-data", line(&sim.url)));
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let _ = bench.kill();
    let listed = desk.prony("runs list");
    assert!(listed.stdout.contains("  interrupted  "), "{}", listed.stdout);
    sim.stop();
}
