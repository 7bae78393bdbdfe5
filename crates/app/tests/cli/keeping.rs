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
    let doubts = |id: &str| {
        let shown = desk.prony(&format!("runs show {id}"));
        let doubts = shown.stdout.lines().filter_map(|line| line.strip_prefix("doubt  "));
        doubts.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(doubts(&id).iter().all(|doubt| !doubt.contains("concurrency")), "there is one run");
    let sql = "SELECT source, scenario, count(*) AS n FROM requests GROUP BY 1, 2";
    let counts = desk.prony_in(&[], &["query", "--format", "csv", sql]);
    assert_eq!(counts.stdout, "source,scenario,n\nbench,short_queries,40\n", "{}", counts.stderr);

    let other = desk.prony(&format!("{} --store elsewhere", line(&sim.url)));
    assert!(other.stderr.contains(" in elsewhere\n"), "{}", other.stderr);
    let few = format!("bench --url {} --concurrency 1,2 --num-prompts 3", sim.url);
    let several = desk.prony(&format!("{few} --store elsewhere"));
    let shown = doubts(&format!("{} --store elsewhere", id_in(&several.stderr)));
    for load in ["concurrency=1", "concurrency=2"] {
        let told =
            format!("{}/v1/chat/completions · sim · short_queries · {load}: 3 answers", sim.url);
        assert!(shown.iter().any(|doubt| doubt.starts_with(&told)), "{told}: {shown:?}");
    }
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

const MARKER: &str = "zebra-in-the-library";

/// Every file of a store that holds the marker.
fn files_with_marker(desk: &Desk, folder: &str) -> Vec<String> {
    let found = desk.shell(&format!("grep -rl {MARKER} {folder}; true"));
    let names = found.stdout.lines().filter_map(|path| path.rsplit('/').next());
    names.map(str::to_owned).collect()
}

#[test]
fn prompts_and_answers_are_kept_only_where_that_is_asked_for_and_apart() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 2ms --itl 1ms");
    desk.write("prompts.jsonl", format!("{{\"prompt\": \"a {MARKER}\"}}\n"));
    let line = format!("bench --url {} --dataset prompts.jsonl --num-prompts 5", sim.url);
    let plain = desk.prony(&line);
    assert_eq!(plain.code, Some(0), "{}", plain.stderr);
    let shown = desk.prony(&format!("runs content {}", id_in(&plain.stderr)));
    assert_eq!((&*shown.stdout, shown.code), ("", Some(0)));
    assert!(shown.stderr.contains("nothing of it is kept"), "{}", shown.stderr);
    assert_eq!(files_with_marker(&desk, "prony-data"), [] as [&str; 0]);

    let kept = desk.prony(&format!("{line} --store-content"));
    assert!(!kept.stderr.contains("warning: prompts"), "{}", kept.stderr);
    let id = id_in(&kept.stderr);
    let shown = desk.prony(&format!("runs content {id}"));
    let texts: Vec<Value> =
        shown.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(texts.len(), 5, "{}", shown.stderr);
    for one in &texts {
        assert!(text(&one["prompt"][0]["content"]).contains(MARKER), "{one}");
        assert!(!text(&one["answer"]).is_empty(), "{one}");
    }
    let request = text(&texts[3]["request_id"]);
    let one = desk.prony(&format!("runs content {id} --request {request}"));
    assert_eq!(one.stdout.lines().count(), 1);
    assert!(!desk.prony(&format!("export --run {id}")).stdout.contains(MARKER));
    for file in files_with_marker(&desk, "prony-data") {
        assert!(file.starts_with("content."), "{file}");
    }
    let mode = desk.shell("stat -c %a prony-data/content.*");
    assert!(mode.stdout.lines().all(|mode| mode == "600"), "{}", mode.stdout);

    let deleted = desk.prony(&format!("runs delete {id}"));
    assert_eq!(deleted.code, Some(0), "{}", deleted.stderr);
    assert_eq!(files_with_marker(&desk, "prony-data"), [] as [&str; 0]);
    sim.stop();
}

#[test]
fn prompts_and_answers_are_kept_through_a_server_and_by_its_setting() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 2ms --itl 1ms");
    desk.write("prompts.jsonl", format!("{{\"prompt\": \"a {MARKER}\"}}\n"));
    let more = "[store]\ncontent = true\ncontent_retention = \"2d\"\n\
                [scenarios.mine]\ndataset = \"prompts.jsonl\"\n";
    let served = Served::start_with(desk, &sim.url, more);
    let linked = served.desk.prony(&format!(
        "bench --url {} --dataset prompts.jsonl --num-prompts 5 --store-content",
        sim.url
    ));
    assert_eq!(linked.code, Some(0), "{}", linked.stderr);
    let ask = |more: Value| {
        let mut body = json!({
            "models": ["sim"], "test_scenarios": ["mine"],
            "concurrent_users": 1, "num_requests": 4, "duration_minutes": 1,
        });
        body.as_object_mut().expect("it is one").extend(more.as_object().expect("one").clone());
        served.create(&body)
    };
    let (silent, refusing) = (ask(json!({})), ask(json!({ "store_content": false })));
    let completed = |id: &str| served.benchmark(id)["status"] == "completed";
    until("they are completed", || completed(&silent) && completed(&refusing));
    for (id, is_kept) in [(&silent, true), (&refusing, false)] {
        assert_eq!(served.benchmark(id)["request"]["store_content"], is_kept);
    }
    let listed = served.get(&format!("/api/v1/benchmarks/{silent}/content"));
    assert_eq!(items(&listed["items"]).len(), 4, "{listed}");
    let request = text(&listed["items"][0]["request_id"]);
    let one = served.get(&format!("/api/v1/benchmarks/{silent}/content/{request}"));
    assert_eq!(one, listed["items"][0]);
    let path = format!("/api/v1/benchmarks/{refusing}/content");
    let (status, told) = served.call("GET", &path, &json!({}));
    assert_eq!(status, 404);
    assert!(told.contains("content-not-kept") && told.contains("store_content"), "{told}");
    let desk = served.stop();
    for (id, count) in [(id_in(&linked.stderr), 5), (silent, 4), (refusing, 0)] {
        let shown = desk.prony(&format!("runs content {id}"));
        assert_eq!(shown.stdout.lines().count(), count, "{}", shown.stderr);
        assert!(shown.stdout.lines().all(|line| line.contains(MARKER)), "{}", shown.stdout);
    }
    sim.stop();
}

#[test]
fn a_benchmark_that_asks_for_its_texts_is_remembered_across_a_restart() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 2ms --itl 1ms");
    desk.write("prompts.jsonl", format!("{{\"prompt\": \"a {MARKER}\"}}\n"));
    let more = "[scenarios.mine]\ndataset = \"prompts.jsonl\"\n";
    let served = Served::start_with(desk, &sim.url, more);
    let long = served.create(&json!({
        "models": ["sim"], "concurrent_users": 1, "duration_minutes": 5,
    }));
    let asking = served.create(&json!({
        "models": ["sim"], "test_scenarios": ["mine"], "store_content": true,
        "concurrent_users": 1, "num_requests": 3, "duration_minutes": 1,
    }));
    until("the first runs", || served.benchmark(&long)["status"] == "running");
    let served = Served::resume(served.stop());
    until("the second is completed", || served.benchmark(&asking)["status"] == "completed");
    assert_eq!(served.benchmark(&asking)["request"]["store_content"], true);
    assert_eq!(served.benchmark(&long)["request"]["store_content"], false);
    let listed = served.get(&format!("/api/v1/benchmarks/{asking}/content"));
    let texts = items(&listed["items"]);
    assert_eq!(texts.len(), 3, "{listed}");
    assert!(texts.iter().all(|one| text(&one["prompt"][0]["content"]).contains(MARKER)));
    let desk = served.stop();
    let log = desk.prony(&format!("runs show {asking} --json"));
    assert!(!log.stdout.contains(MARKER), "{}", log.stdout);
    sim.stop();
}
