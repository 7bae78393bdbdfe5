//! The program's times against the server's own, on one clock, request by request.

use std::path::Path;

use domain::{Clock as _, SystemClock};
use serde_json::Value;
use testkit::Transcript;
use testkit::program::until;

use crate::desk::{Desk, integer, integers, items, number, text};

/// How far outside its write an arrival may be stamped: two wall-clock anchors that a clock's
/// steering may pull apart, and the kernel's handing over from the sender.
const TOLERANCE_NS: i64 = 1_000_000;
/// What a kernel takes at most to put a program to sleep, or to note a segment, on a busy machine.
const SLACK_NS: u64 = 50_000_000;

#[test]
fn arrivals_lie_within_the_servers_writes_and_figures_follow_from_the_records() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 50ms --itl 10ms --log sim.jsonl");
    let run = desk.prony(&format!(
        "bench --url {} --concurrency 8 --num-prompts 64 --max-tokens 12 --output-dir out",
        sim.url
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sim.stop();
    let (offset, served) = desk.sim_log("sim.jsonl");
    let lines = desk.whole_lines("out/requests.jsonl");
    assert_eq!((lines.len(), served.len()), (64, 64));

    let (mut early, mut late, mut chunks) = (0, 0, 0);
    for line in &lines {
        let record = &served[text(&line["request_id"])];
        assert_eq!(line["output_tokens"], record["output_tokens"]);
        assert_eq!(line["input_tokens"], record["prompt_tokens"]);
        let started = integer(&line["started_unix_ns"]);
        let arrived: Vec<u64> = integers(&line["chunk_ns"]).iter().map(|ns| started + ns).collect();
        assert_eq!(arrived[0], integer(&line["first_token_unix_ns"]));
        assert_eq!(arrived[arrived.len() - 1], integer(&line["last_token_unix_ns"]));
        let before = integers(&record["before_write_ns"]);
        let after = integers(&record["after_write_ns"]);
        assert_eq!((arrived.len(), after.len()), (12, 12));
        for ((arrived, before), after) in arrived.iter().zip(before).zip(after) {
            let since = |written: u64| arrived.wrapping_sub(written + offset).cast_signed();
            chunks += 1;
            early += usize::from(since(before) < -TOLERANCE_NS);
            late += usize::from(since(after) > TOLERANCE_NS);
        }
    }
    assert_eq!(early, 0, "of {chunks} chunks arrived before they were written");
    let summary: Value = serde_json::from_str(&desk.read("out/summary.json")).expect("JSON");
    let [run] = items(&summary["runs"]) else { panic!("one run: {summary}") };
    // On a machine with much else to do stamps may be late too, but then so was the client, and says
    // so. One that stamped its reads would know of no lag.
    let lag = |name: &str| number(&run[&format!("p99_{name}_ms")]);
    let is_starved = lag("read_lag").max(lag("schedule_lag")) * 1e6 > TOLERANCE_NS as f64;
    assert!(
        late * 20 <= chunks || is_starved,
        "{late} of {chunks} arrived long after they were written"
    );
    latencies_follow(run, &lines);
    throughput_follows(run, &lines);
}

/// The client is stopped for longer than its verdict lets pass, and its reads come that much late:
/// stamps are not.
#[test]
fn arrivals_are_the_kernels_while_the_client_does_not_read() {
    let desk = Desk::new();
    // No stream has two tokens in a pause, so none is read together with the next.
    let sim = desk.sim("--ttft uniform(0ms,500ms) --itl 500ms --log sim.jsonl");
    let line = format!(
        "bench --url {} --concurrency 64 --num-prompts 192 --max-tokens 3 --output-dir out",
        sim.url
    );
    let bench = desk.start_after("echo $$ > pid", &line);
    until("a first round is answered", || {
        desk.path("out/requests.jsonl").exists() && !desk.lines("out/requests.jsonl").is_empty()
    });
    let pause = "kill -STOP $(cat pid) && sleep 0.3";
    let clock = SystemClock;
    let begun = clock.now().as_nanos();
    let shell = Path::new("/bin/sh");
    assert_eq!(Transcript::run(shell, &["-c", pause], &[], &desk.path("")).code, Some(0));
    let ended = clock.now().as_nanos();
    let going_on = Transcript::run(shell, &["-c", "kill -CONT $(cat pid)"], &[], &desk.path(""));
    assert_eq!(going_on.code, Some(0));
    let run = bench.finish();
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    sim.stop();

    let (offset, served) = desk.sim_log("sim.jsonl");
    let (mut unread, mut late) = (0, 0);
    for line in desk.whole_lines("out/requests.jsonl") {
        let started = integer(&line["started_unix_ns"]);
        let after = integers(&served[text(&line["request_id"])]["after_write_ns"]);
        for (chunk, after) in integers(&line["chunk_ns"]).iter().zip(after) {
            // Those whose arrival the kernel had long noted when the pause ended.
            if (begun + SLACK_NS..ended - SLACK_NS).contains(&after) {
                unread += 1;
                late += usize::from(started + chunk > ended + offset);
            }
        }
    }
    assert!(unread >= 10, "only {unread} chunks came in the pause");
    assert_eq!(late, 0, "of {unread} chunks were stamped when they were read");
    let summary: Value = serde_json::from_str(&desk.read("out/summary.json")).expect("JSON");
    let doubts = items(&summary["runs"][0]["verdict"]["doubts"]);
    assert!(doubts.iter().any(|doubt| doubt["name"] == "read_lag"), "{doubts:?}");
}

/// The summary's latencies are those of the records.
fn latencies_follow(run: &Value, lines: &[Value]) {
    let gaps = lines.iter().flat_map(|line| {
        let chunks = integers(&line["chunk_ns"]);
        let pairs: Vec<f64> = chunks.windows(2).map(|two| (two[1] - two[0]) as f64 / 1e6).collect();
        pairs
    });
    let of = |key: &str| lines.iter().map(|line| number(&line[key])).collect::<Vec<f64>>();
    for (name, mut values) in [
        ("ttft", of("ttft_ms")),
        ("tpot", of("tpot_ms")),
        ("e2el", of("e2el_ms")),
        ("schedule_lag", of("schedule_lag_ms")),
        ("itl", gaps.collect()),
    ] {
        values.sort_unstable_by(f64::total_cmp);
        assert_eq!(integer(&run[&format!("n_{name}")]), values.len() as u64);
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        for (figure, want) in [
            ("mean", mean),
            ("median", quantile(&values, 0.5)),
            ("p90", quantile(&values, 0.9)),
            ("p95", quantile(&values, 0.95)),
            ("p99", quantile(&values, 0.99)),
        ] {
            let told = number(&run[&format!("{figure}_{name}_ms")]);
            let is_equal = (told - want).abs() <= 1e-3 * want.abs() + 1e-5;
            assert!(is_equal, "{figure} of {name} is {told}, not {want}");
        }
    }
}

/// Throughput counts the requests that ended inside the window.
fn throughput_follows(run: &Value, lines: &[Value]) {
    let window = ["window_start_unix_ns", "window_end_unix_ns"].map(|key| integer(&run[key]));
    let seconds = (window[1] - window[0]) as f64 / 1e9;
    let ended = lines.iter().map(|line| integer(&line["finished_unix_ns"]));
    let inside = ended.filter(|ended| (window[0]..=window[1]).contains(ended)).count();
    assert!(inside >= 48, "all but the last round of 8 users: {inside}");
    let (told, want) = (number(&run["request_throughput"]), inside as f64 / seconds);
    assert!((told / want - 1.0).abs() < 1e-3, "{told} is not {want}");
    assert!((number(&run["duration"]) - seconds).abs() < 1e-5, "{} s", run["duration"]);
}

/// The quantile by linear interpolation between the two nearest values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}
