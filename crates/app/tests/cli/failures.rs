//! Requests that fail: each kind has its exit code, and limits decide what a run makes of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use testkit::program::until;
use testkit::{FakeServer, Reply};

use crate::desk::{Desk, integer, items, number, printed, text};
use crate::fake::{chat, hello};

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let desk = Desk::new();
    for (fault, code, kind, remedy) in [
        ("--fault-status 401:100%", 14, "unauthorized", "give the right key"),
        ("--fault-status 400:100%", 15, "rejected", "check --model"),
        ("--fault-status 429:100%", 16, "rate_limited", "lower the load"),
        ("--fault-status 503:100%", 17, "overloaded", "the server is full"),
        ("--fault-status 529:100%", 17, "overloaded", "the server is full"),
        ("--fault-status 500:100%", 18, "server_error", "the server's own log"),
        ("--fault-in-stream 100%", 19, "in_stream", "broke off its answers"),
        ("--fault-truncate 100%", 20, "truncated", "closed its answers early"),
        ("--fault-disconnect 100%", 20, "truncated", "closed its answers early"),
        ("--fault-reset 100%", 20, "truncated", "closed its answers early"),
        ("--fault-malformed 100%", 21, "malformed", "--endpoint-type, and --http2"),
        ("--fault-stall 100% --stall-time 60s", 13, "timeout", "--timeout"),
    ] {
        let sim = desk.sim(fault);
        let run = desk.prony(&format!(
            "bench --url {} --num-prompts 3 --concurrency 3 --timeout 300ms --output json",
            sim.url
        ));
        assert_eq!(run.code, Some(code), "{fault}: {}", run.stderr);
        let told = format!("error: 3 of 3 requests failed, most often: {kind}\n  help: ");
        assert!(run.stderr.contains(&told), "{fault}: {}", run.stderr);
        assert!(run.stderr.contains(remedy), "{fault}: {}", run.stderr);
        let summary = printed(&run);
        let run = &summary["runs"][0];
        assert_eq!((integer(&run["completed"]), integer(&run["failed"])), (0, 3), "{fault}");
        assert_eq!(integer(&run["errors"][kind]), 3, "{fault}: {}", run["errors"]);
    }
}

#[test]
fn a_limit_of_errors_ends_a_run_and_a_share_forgives_them() {
    let desk = Desk::new();
    let failing = desk.sim("--fault-status 500:100%");
    let run = desk.prony(&format!(
        "bench --url {} --num-prompts 1000 --max-errors 3 --output json",
        failing.url
    ));
    assert_eq!(run.code, Some(18), "{}", run.stderr);
    let told = "warning: stopped: the limit of failed requests was reached";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let summary = printed(&run);
    assert_eq!(integer(&summary["runs"][0]["failed"]), 3);
    assert_eq!(summary["interrupted"], true, "1000 were asked for");

    let flaky = desk.sim("--fault-status 500:30%");
    let with = |flags: &str| {
        desk.prony(&format!("bench --url {} --num-prompts 40 --output json {flags}", flaky.url))
    };
    let forgiven = with("--max-error-rate 90%");
    assert_eq!(forgiven.code, Some(0), "{}", forgiven.stderr);
    let summary = printed(&forgiven);
    assert_eq!(summary["interrupted"], false);
    let run = &summary["runs"][0];
    assert!(integer(&run["failed"]) > 0 && integer(&run["completed"]) > 0, "{run}");
    let doubts = items(&run["verdict"]["doubts"]);
    assert!(doubts.iter().any(|doubt| text(&doubt["name"]).contains("error")), "{doubts:?}");
    for flags in ["", "--max-error-rate 1%"] {
        assert_eq!(with(flags).code, Some(18), "{flags}");
    }
    // Either limit fails a run, and so does its number where all were sent before it was reached.
    for more in ["--concurrency 1", "--concurrency 40"] {
        let run = with(&format!("--max-error-rate 90% --max-errors 2 {more}"));
        assert_eq!(run.code, Some(18), "{more}: {}", run.stderr);
        let told = "most often: server_error; --max-errors 2 is reached";
        assert!(run.stderr.contains(told), "{more}: {}", run.stderr);
    }
    let within = with("--max-error-rate 90% --max-errors 40");
    assert_eq!(within.code, Some(0), "{}", within.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warm_up_that_failed_is_doubted() {
    let desk = Desk::new();
    let models = Reply::json(200, &[], r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#);
    let builder = FakeServer::builder().on("GET", "/v1/models", models).otherwise(hello());
    let server = builder.reply(Reply::status(503)).reply(Reply::status(503)).start().await;
    let line = format!("bench --url {} --num-prompts 3 --warmup 2 --output json", server.url());
    let run = desk.prony(&line);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let summary = printed(&run);
    let doubts = items(&summary["runs"][0]["verdict"]["doubts"]);
    let doubt = doubts.iter().find(|doubt| doubt["name"] == "warmup_failed");
    let message = text(&doubt.unwrap_or_else(|| panic!("{doubts:?}"))["message"]);
    assert!(message.starts_with("2 of 2 warm-up requests failed"), "{message}");
}

/// A server that says when to come back is asked again at once all the same, unless `--retries` is
/// given: what users get is measured, and nothing of it hidden. Both ways of refusing are alike.
#[test]
fn a_server_that_asks_for_patience_is_spared_only_by_retries() {
    let desk = Desk::new();
    for (status, kind) in [(429, "rate_limited"), (503, "overloaded")] {
        let sim = desk.sim(&format!("--fault-status {status}:100%"));
        let records = |flags: &str, folder: &str| {
            let folder = format!("{folder}-{status}");
            let run = desk.prony(&format!(
                "bench --url {} --max-error-rate 100% --output json --output-dir {folder} {flags}",
                sim.url
            ));
            let told = integer(&printed(&run)["runs"][0]["errors"][kind]);
            let records = desk.whole_lines(&format!("{folder}/requests.jsonl"));
            assert_eq!(told, records.len() as u64, "none of them is hidden: {}", run.stderr);
            records
        };
        let mut ready = None;
        for record in records("--num-prompts 4", "at-once") {
            assert_eq!(integer(&record["attempts"]), 1, "{record}");
            let planned = integer(&record["planned_unix_ns"]);
            assert_eq!(ready.unwrap_or(planned), planned, "the answer made the user ready");
            ready = Some(integer(&record["finished_unix_ns"]));
        }
        for record in records("--num-prompts 1 --retries 1", "patient") {
            assert_eq!(integer(&record["attempts"]), 2, "{record}");
            let pause = number(&record["failed_attempts"][0]["pause_ms"]);
            assert!(pause >= 1_000.0, "{status} asks for a second: {pause} ms");
        }
    }
}

#[test]
fn nothing_is_tried_again_unless_asked_and_every_try_is_recorded() {
    let desk = Desk::new();
    let sim = desk.sim("--fault-status 503:40%");
    let run = desk.prony(&format!(
        "bench --url {} --concurrency 20 --num-prompts 20 --retries 20 --output json --output-dir out",
        sim.url
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let attempts: u64 =
        desk.whole_lines("out/requests.jsonl").iter().map(|line| integer(&line["attempts"])).sum();
    let retries = integer(&printed(&run)["runs"][0]["retries"]);
    assert!(retries > 0);
    assert_eq!(attempts, 20 + retries);
}

#[test]
fn one_failed_run_among_several_decides_the_exit_code() {
    let desk = Desk::new();
    // The queue is full for most of the second load alone.
    let sim = desk.sim("--slots 1 --queue 1 --decode-rate 200");
    let run = desk.prony(&format!(
        "bench --url {} --concurrency 1,16 --num-prompts 20 --max-tokens 4 --output json",
        sim.url
    ));
    assert_eq!(run.code, Some(17), "{}", run.stderr);
    let told: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(told.len(), 1, "{}", run.stderr);
    assert!(told[0].starts_with("error: sim · short_queries · concurrency=16: "), "{}", told[0]);
    let summary = printed(&run);
    let failed: Vec<u64> =
        items(&summary["runs"]).iter().map(|run| integer(&run["failed"])).collect();
    assert!(failed[0] == 0 && failed[1] > 0, "{failed:?}");
}

#[test]
fn runs_that_ended_are_published_though_the_next_cannot_begin() {
    let desk = Desk::new();
    let sim = desk.sim("--itl 5ms");
    let bench = desk.start(&format!(
        "bench --url {} --concurrency 1,2 --duration 2s --max-tokens 4 --output json \
         --output-dir out --format csv",
        sim.url
    ));
    until("requests are answered", || {
        desk.path("out/requests.jsonl").exists() && !desk.lines("out/requests.jsonl").is_empty()
    });
    sim.stop();
    let run = bench.finish();
    assert_eq!(run.code, Some(11), "{}", run.stderr);
    let told = "error: sim · short_queries · concurrency=2: cannot connect";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    let summary = printed(&run);
    assert_eq!(summary["interrupted"], true);
    let [measured, unbegun] = items(&summary["runs"]) else { panic!("two runs: {summary}") };
    assert!(text(&measured["load"]) == "concurrency=1" && integer(&measured["completed"]) > 0);
    assert!(measured["error"].is_null(), "{measured}");
    assert!(text(&unbegun["load"]) == "concurrency=2" && integer(&unbegun["completed"]) == 0);
    assert!(text(&unbegun["error"]).starts_with("cannot connect"), "{unbegun}");
    assert!(unbegun["request_throughput"].is_null(), "{unbegun}");
    let kept: serde_json::Value =
        serde_json::from_str(&desk.read("out/summary.json")).expect("JSON");
    assert_eq!(kept, summary);
    let lines = desk.whole_lines("out/requests.jsonl").len();
    assert_eq!(desk.read("out/requests.csv").lines().count(), 1 + lines);
}

/// A server that lists its model and is gone, and where it was.
fn gone_once_listed() -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a client comes");
        drop(listener);
        let mut request = BufReader::new(&connection).lines();
        while request.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let body = r#"{"object":"list","data":[{"id":"m","object":"model"}]}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        connection.write_all((head + body).as_bytes()).expect("the client reads");
    });
    (url, server)
}

#[test]
fn a_first_run_that_cannot_begin_leaves_no_files_and_those_of_an_earlier_bench() {
    let desk = Desk::new();
    let files = ["summary.json", "requests.jsonl", "requests.csv", "requests.parquet"];
    let cannot_begin = |flags: &str| {
        let (url, server) = gone_once_listed();
        let run = desk.prony(&format!(
            "bench --url {url} --concurrency 2,1 --format csv,parquet --output-dir out \
             --output json {flags}"
        ));
        server.join().expect("it answers");
        assert_eq!((run.code, &*run.stdout), (Some(11), ""), "{}", run.stderr);
        assert!(run.stderr.contains("error: cannot connect to"), "{}", run.stderr);
    };
    for flags in ["", "--overwrite"] {
        cannot_begin(flags);
        for file in files {
            assert!(!desk.path("out").join(file).exists(), "{flags}: {file}");
        }
    }
    for file in files {
        desk.write(&format!("out/{file}"), "earlier");
    }
    cannot_begin("--overwrite");
    for file in files {
        assert_eq!(desk.read(&format!("out/{file}")), "earlier", "{file}");
    }
    let left = desk.shell("ls -A out").stdout;
    assert_eq!(left.lines().count(), files.len(), "nothing else is left: {left}");
}

#[test]
fn requests_that_were_due_and_never_sent_are_missed() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 60s");
    let run = desk.prony(&format!(
        "bench --url {} --request-rate 100/s --concurrency 2 --num-prompts 5000 --timeout 500ms \
         --max-errors 1 --output json",
        sim.url
    ));
    assert_eq!(run.code, Some(13), "{}", run.stderr);
    let summary = printed(&run);
    let doubts = items(&summary["runs"][0]["verdict"]["doubts"]);
    assert!(doubts.iter().any(|doubt| doubt["name"] == "load_off_plan"), "{doubts:?}");
    let delivered =
        summary["runs"][0]["delivery"]["delivered_share"].as_f64().expect("it was planned");
    assert!(delivered < 0.5, "2 of about 50 were sent in time: {delivered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_stream_though_asked_to_is_doubted() {
    let desk = Desk::new();
    let answer = r#"{"choices":[{"index":0,"finish_reason":"stop",
        "message":{"role":"assistant","content":"Hello"}}],
        "usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
    let server = chat(Reply::json(200, &[], answer)).start().await;
    for (flag, is_doubted) in [("", true), ("--no-stream", false)] {
        let url = server.url();
        let run = desk.prony(&format!("bench --url {url} --num-prompts 3 --output json {flag}"));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let summary = printed(&run);
        let doubts = items(&summary["runs"][0]["verdict"]["doubts"]);
        let told = doubts.iter().any(|doubt| doubt["name"] == "not_streamed");
        assert_eq!(told, is_doubted, "{flag}: {doubts:?}");
    }
}
