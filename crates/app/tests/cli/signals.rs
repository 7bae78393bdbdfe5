//! Being told to stop, once, twice, and outright.

use domain::{Clock as _, SystemClock};
use serde_json::Value;
use testkit::program::until;
use testkit::{Ending, FakeServer, Framing, Reply};

use crate::desk::{Desk, integer, printed, text};
use crate::fake::chat;

#[test]
fn ctrl_c_drains_and_reports_what_was_measured() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 20ms --itl 5ms --log sim.jsonl");
    let bench = desk.start(&format!(
        "bench --url {} --concurrency 4,8 --duration 600s --max-tokens 8 --output-dir out",
        sim.url
    ));
    until("requests are answered", || {
        desk.path("out/requests.jsonl").exists() && desk.lines("out/requests.jsonl").len() >= 8
    });
    bench.interrupt();
    let run = bench.finish();
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    assert!(run.stderr.contains("stopping: waiting for the requests in flight"), "{}", run.stderr);
    assert!(run.stderr.contains("this is what was measured"), "{}", run.stderr);
    assert!(run.stdout.contains("Serving Benchmark Result"), "{}", run.stdout);
    assert!(!run.stdout.contains("concurrency=8"), "the second load must not begin");

    let lines = desk.whole_lines("out/requests.jsonl");
    let failed: Vec<&Value> = lines.iter().filter(|line| !line["error"].is_null()).collect();
    assert!(failed.is_empty(), "requests in flight were not awaited: {failed:?}");
    let summary: Value = serde_json::from_str(&desk.read("out/summary.json")).expect("JSON");
    assert_eq!(summary["interrupted"], Value::Bool(true));
    let run = &summary["runs"][0];
    let counted = integer(&run["completed"]) + integer(&run["outside_window"]);
    assert_eq!(counted, lines.len() as u64, "{run}");

    // Nothing that the server answered is missing.
    sim.stop();
    let (_, served) = desk.sim_log("sim.jsonl");
    assert_eq!(served.len(), lines.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_before_the_load_ends_the_program() {
    let desk = Desk::new();
    let silent = Reply::status(200).framing(Framing::Chunked).ending(Ending::Stall);
    let server = FakeServer::builder().on("GET", "/v1/models", silent).start().await;
    let bench = desk.start(&format!("bench --url {} --connect-timeout 300s", server.url()));
    until("the server is asked", || !server.received().is_empty());
    bench.interrupt();
    let run = bench.finish();
    assert!(matches!(run.code, None | Some(130)) && run.stdout.is_empty(), "{}", run.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_ctrl_c_gives_up_what_is_in_flight() {
    let desk = Desk::new();
    let stalled = Reply::sse(&[r#"data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}"#]);
    let server = chat(stalled.ending(Ending::Stall)).start().await;
    let bench = desk.start(&format!(
        "bench --url {} --concurrency 2 --num-prompts 50 --output json --output-dir out",
        server.url()
    ));
    let is_chat = |request: &&testkit::Received| request.method == "POST";
    until("two requests are in flight", || server.received().iter().filter(is_chat).count() == 2);
    bench.interrupt();
    let _ = bench.line("again gives them up");
    bench.interrupt();
    let run = bench.finish();
    assert_eq!(run.code, Some(130), "{}", run.stderr);
    assert!(run.stderr.contains("interrupted twice"), "{}", run.stderr);
    let kinds: Vec<String> = desk
        .whole_lines("out/requests.jsonl")
        .iter()
        .map(|line| text(&line["error"]["kind"]).to_owned())
        .collect();
    assert_eq!(kinds, ["cancelled", "cancelled"]);
    assert_eq!(integer(&printed(&run)["runs"][0]["completed"]), 0);
}

#[test]
fn a_run_that_is_killed_leaves_its_records_complete_to_the_last_second() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 20ms --itl 5ms --log sim.jsonl");
    let bench = desk.start(&format!(
        "bench --url {} --concurrency 4 --duration 600s --max-tokens 8 --output-dir out",
        sim.url
    ));
    // Four users at 55 ms a request end at most 73 a second: some of these are older.
    until("the run is well over a second old", || {
        desk.path("out/requests.jsonl").exists() && desk.lines("out/requests.jsonl").len() >= 120
    });
    let killed = SystemClock.now().as_nanos();
    let run = bench.kill();
    assert_eq!((run.code, &*run.stdout), (None, ""));
    sim.stop();

    let kept: Vec<String> = desk
        .whole_lines("out/requests.jsonl")
        .iter()
        .map(|line| text(&line["request_id"]).to_owned())
        .collect();
    let (_, served) = desk.sim_log("sim.jsonl");
    let old = served.iter().filter(|(_, record)| {
        record["end"] == "complete" && integer(&record["finished_ns"]) + 1_000_000_000 <= killed
    });
    let mut count = 0;
    for (id, _) in old {
        assert!(kept.contains(id), "{id} ended a second before the kill and is not in the file");
        count += 1;
    }
    assert!(count >= 40, "only {count} requests were old enough to tell");
}

#[test]
fn servers_end_well_on_ctrl_c() {
    let desk = Desk::new();
    desk.sim("--log sim.jsonl").stop();
    assert_eq!(desk.whole_lines("sim.jsonl").len(), 1, "the log has its header");
}
