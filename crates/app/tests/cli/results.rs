//! What a bench prints and the files it leaves.

use std::collections::BTreeSet;
use std::path::Path;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;
use testkit::program::until;
use testkit::{Ending, FakeServer, Framing, Reply};

use crate::desk::{Desk, integer, items, printed, text};
use crate::fake::hello;

/// Figures that differ from run to run, each by the words that stand before it. Counts stay.
const FIGURES: &[(&str, &str)] = &[
    (r"\d+ ended in the window", "[some] ended in the window"),
    (r"((window|Elapsed) \(s\)|throughput \([a-z/]+\)|user \(tok/s\)): +~?[\d.,]+", "$1: [figure]"),
    (r"[\d,]+ (ended|came) in [\d.]+ s", "[count] $1 in [time] s"),
    (r"(with a later one): +[\d.<>]+ %", "$1: [share]"),
    (r"(Total input tokens): +[\d,]+", "$1: [count]"),
    (r"\n(TTFT|TPOT|ITL|E2EL) +(\d+)( +~?\d[\d.,]*)+", "\n$1 n=$2 [figures]"),
    (r"(lag p50, p99 \(ms\)): +~?[\d.]+, ~?[\d.]+ +n", "$1: [figures] n"),
    (r"(Own CPU .*): +[\d.]+, [\d.]+", "$1: [figures]"),
    (r"(DOUBTFUL|TOO FEW TO TELL): .*", "[verdict]"),
    (
        r"(concurrency=\d+) +(\d+) +(\d+)( +~?\d[\d.,]*)+ +(too few|doubtful)\n",
        "$1 ok=$2 err=$3 [figures] [verdict]\n",
    ),
    (r"\n +─+ TTFT.*", "\n[headings]"),
    (r"\nwarning: (.*\n)+  help: .*\n", "\n[warnings]\n"),
    (r"kept as [0-9a-f]{16} in", "kept as [id] in"),
    (r" {2,}", "  "),
];

#[test]
fn a_bench_prints_a_block_a_run_and_a_table_over_them() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 2ms --itl 1ms --models small");
    let run = desk.prony(&format!(
        "bench --url {} --scenario short_queries,code_generation --concurrency 1,4 \
         --num-prompts 8 --max-tokens 4",
        sim.url
    ));
    let told = run.redacted_with(FIGURES);
    // Each block has the same form: the first and the table stand for all.
    let blocks = told.matches("Serving Benchmark Result").count();
    assert_eq!(blocks, 4, "{told}");
    let (first, rest) = told.split_once("\n\n").expect("blocks have a line between them");
    insta::assert_snapshot!(first, @"
    $ prony bench --url http://127.0.0.1:[port] --scenario short_queries,code_generation --concurrency 1,4 --num-prompts 8 --max-tokens 4
    ========================== Serving Benchmark Result ==========================
    small · short_queries · concurrency=1
    http://127.0.0.1:[port]/v1/chat/completions
    Successful requests:  8  [some] ended in the window
    Failed requests:  0
    Measured window (s): [figure]
    Elapsed (s): [figure]  until the last request's end
    Total input tokens: [count]  counted by the server
    Total generated tokens:  32  counted by the server
    Request throughput (req/s): [figure]  [count] ended in [time] s
    Output token throughput (tok/s): [figure]  [count] came in [time] s
    Total token throughput (tok/s): [figure]  [count] came in [time] s
    Speed per user (tok/s): [figure]  median
    -------------------------------- Latency (ms) --------------------------------
      n  mean  sd  median  p90  p95  p99  p99.9
    TTFT n=8 [figures]
    TPOT n=8 [figures]
    ITL n=24 [figures]
    E2EL n=8 [figures]
    from a request's start; ITL is per chunk of 1.00 tokens; ~ too few values to rely on
    ---------------------------- Can it be believed? -----------------------------
    Percentiles to rely on:  none  p50 takes 20, p99 1,000
    Schedule lag p50, p99 (ms): [figures] n 8
    Read lag p50, p99 (ms): [figures] n 32
    Chunks read with a later one: [share]  of 32
    Own CPU (cores), memory (MiB): [figures]  at its peak
    [verdict]
    ==============================================================================
    ");
    let (_, table) = rest.rsplit_once("==\n\n").expect("the table comes last");
    insta::assert_snapshot!(table, @"
    [headings]
    model  scenario  load  ok  err  req/s  out tok/s  p50  p95  p99  p50  p99  p50  p95  p99  verdict
    small  short_queries  concurrency=1 ok=8 err=0 [figures] [verdict]
    small  short_queries  concurrency=4 ok=8 err=0 [figures] [verdict]
    small  code_generation  concurrency=1 ok=8 err=0 [figures] [verdict]
    small  code_generation  concurrency=4 ok=8 err=0 [figures] [verdict]
    ~ too few values to rely on

    [warnings]
    ! model: small, the first the server lists
    ! endpoint: /v1/chat/completions (--endpoint-type chooses another)
    ! kept as [id] in prony-data
    exit code 0
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_is_printed_as_it_ends() {
    let desk = Desk::new();
    let models = Reply::json(200, &[], r#"{"object":"list","data":[{"id":"m"}]}"#);
    // The first run's answers come, the second's never do.
    let stalled = Reply::status(200).framing(Framing::Chunked).ending(Ending::Stall);
    let builder = FakeServer::builder().on("GET", "/v1/models", models).otherwise(stalled);
    let server = builder.reply(hello()).reply(hello()).start().await;
    let line = format!("bench --url {} --concurrency 1,2 --num-prompts 2 > printed", server.url());
    desk.write("printed", "");
    let bench = desk.start_after("true", &line);
    until("the first run is printed", || desk.read("printed").contains("Can it be believed?"));
    let said = bench.kill().stderr;
    let printed = desk.read("printed");
    assert!(printed.contains("concurrency=1") && !printed.contains("concurrency=2"), "{said}");
}

#[test]
fn a_quiet_bench_says_what_is_wrong_and_nothing_else() {
    let desk = Desk::new();
    let sim = desk.sim("--fault-status 500:100%");
    for (flags, told) in [
        ("-q --max-error-rate 100% --max-errors 3", "warning: stopped: the limit"),
        ("--quiet", "error: 9 of 9 requests failed"),
    ] {
        let line = format!("bench --url {} --num-prompts 9 --output-dir out", sim.url);
        let run = desk.prony(&format!("{line} --overwrite {flags}"));
        assert!(run.stderr.starts_with(told), "{}", run.stderr);
        for note in ["model: ", "endpoint: ", "wrote "] {
            assert!(!run.stderr.contains(note), "{}", run.stderr);
        }
    }
}

#[test]
fn files_are_written_though_nothing_can_be_printed() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let line = format!("bench --url {} --num-prompts 2 --output-dir out > /dev/full", sim.url);
    let run = desk.prony_after("true", &line);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("error: cannot write to standard output"), "{}", run.stderr);
    let summary: Value = serde_json::from_str(&desk.read("out/summary.json")).expect("JSON");
    assert_eq!(integer(&summary["runs"][0]["completed"]), 2);
}

#[test]
fn results_are_printed_though_a_file_cannot_be_written() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 20ms");
    let bench = desk.start(&format!(
        "bench --url {} --duration 600s --output json --output-dir out --format parquet",
        sim.url
    ));
    until("a request is answered", || {
        desk.path("out/requests.jsonl").exists() && !desk.lines("out/requests.jsonl").is_empty()
    });
    std::fs::create_dir(desk.path("out/summary.json")).expect("the name is free");
    bench.interrupt();
    let run = bench.finish();
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("error: cannot write out/summary.json"), "{}", run.stderr);
    assert!(integer(&printed(&run)["runs"][0]["completed"]) > 0, "{}", run.stdout);
    // The records were brought to their end all the same.
    let lines = desk.whole_lines("out/requests.jsonl").len();
    assert_eq!(parquet_rows(&desk.path("out/requests.parquet")), lines as i64);
}

/// vLLM's names, each of which a script may look for.
const KEYS: [&str; 31] = [
    "completed",
    "failed",
    "duration",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
    "mean_ttft_ms",
    "median_ttft_ms",
    "std_ttft_ms",
    "p90_ttft_ms",
    "p95_ttft_ms",
    "p99_ttft_ms",
    "mean_tpot_ms",
    "median_tpot_ms",
    "std_tpot_ms",
    "p95_tpot_ms",
    "p99_tpot_ms",
    "mean_itl_ms",
    "median_itl_ms",
    "std_itl_ms",
    "p95_itl_ms",
    "p99_itl_ms",
    "mean_e2el_ms",
    "median_e2el_ms",
    "std_e2el_ms",
    "p95_e2el_ms",
    "p99_e2el_ms",
    "median_schedule_lag_ms",
];

#[test]
fn json_has_an_entry_for_every_model_scenario_and_load() {
    let desk = Desk::new();
    let sim = desk.sim("--models a,b");
    let run = desk.prony(&format!(
        "bench --url {} --model a,b --scenario short_queries,long_documents --concurrency 1,2 \
         --num-prompts 6 --max-tokens 3 --goodput ttft:60000 --output json",
        sim.url
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let summary = printed(&run);
    assert_eq!(summary["interrupted"], Value::Bool(false));
    let runs = items(&summary["runs"]);
    let names: BTreeSet<String> = runs
        .iter()
        .map(|run| ["model", "scenario", "load"].map(|key| text(&run[key])).join(" "))
        .collect();
    let mut wanted = BTreeSet::new();
    for model in ["a", "b"] {
        for scenario in ["short_queries", "long_documents"] {
            for users in [1, 2] {
                wanted.insert(format!("{model} {scenario} concurrency={users}"));
            }
        }
    }
    assert_eq!(names, wanted);
    for run in runs {
        for key in KEYS {
            assert!(run[key].is_number(), "{key} is {}", run[key]);
        }
        assert_eq!((integer(&run["completed"]), integer(&run["failed"])), (6, 0));
        assert_eq!(integer(&run["total_output_tokens"]), 18);
    }
}

/// What a line of the records has at least.
const COLUMNS: [&str; 10] = [
    "request_id",
    "user_id",
    "model",
    "scenario",
    "ttft_ms",
    "started_unix_ns",
    "first_token_unix_ns",
    "last_token_unix_ns",
    "output_tokens",
    "error",
];

#[test]
fn files_hold_a_record_a_request_and_agree_with_the_summary() {
    let desk = Desk::new();
    let sim = desk.sim("--fault-status 500:30% --seed 3");
    let run = desk.prony(&format!(
        "bench --url {} --concurrency 1,3 --num-prompts 20 --warmup 2 --max-tokens 4 \
         --max-error-rate 90% --output-dir results --format csv,parquet",
        sim.url
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for file in ["summary.json", "requests.jsonl", "requests.csv", "requests.parquet"] {
        assert!(run.stderr.contains(&format!("wrote results/{file}")), "{}", run.stderr);
    }
    let summary: Value = serde_json::from_str(&desk.read("results/summary.json")).expect("JSON");
    let lines = desk.whole_lines("results/requests.jsonl");
    for line in &lines {
        for column in COLUMNS {
            assert!(line.get(column).is_some(), "{column} is missing in {line}");
        }
    }
    let ids: BTreeSet<&str> = lines.iter().map(|line| text(&line["request_id"])).collect();
    assert_eq!(ids.len(), lines.len(), "no two requests share a name");
    for (index, run) in items(&summary["runs"]).iter().enumerate() {
        let measured = |line: &&Value| {
            line["run_index"] == index && line["warmup"] == false && line["load"] == run["load"]
        };
        let of_run: Vec<&Value> = lines.iter().filter(measured).collect();
        let failed = of_run.iter().filter(|line| !line["error"].is_null()).count();
        assert!(failed > 0, "the server was told to fail some");
        assert_eq!(of_run.len(), 20);
        assert_eq!(integer(&run["warmup"]), 2);
        assert!(run["process"]["memory_peak_bytes"].as_u64() > Some(1 << 20), "{run}");
        assert_eq!(integer(&run["failed"]), failed as u64);
        assert_eq!(integer(&run["completed"]), (20 - failed) as u64);
        let tokens: u64 = of_run
            .iter()
            .filter(|line| line["error"].is_null())
            .map(|line| integer(&line["output_tokens"]))
            .sum();
        assert_eq!(integer(&run["total_output_tokens"]), tokens);
    }
    assert_eq!(lines.len(), 2 * 22);
    assert_eq!(desk.read("results/requests.csv").lines().count(), 1 + lines.len());
    assert_eq!(parquet_rows(&desk.path("results/requests.parquet")), lines.len() as i64);
}

#[expect(clippy::disallowed_methods, reason = "the program wrote the file")]
fn parquet_rows(path: &Path) -> i64 {
    let file = std::fs::File::open(path).expect("the program wrote it");
    let reader = SerializedFileReader::new(file).expect("it is Parquet");
    reader.metadata().file_metadata().num_rows()
}

#[test]
fn results_are_not_written_over_unless_that_is_asked_for() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let line =
        |more: &str| format!("bench --url {} --max-tokens 2 --output-dir out {more}", sim.url);
    assert_eq!(desk.prony(&line("--num-prompts 3 --format csv")).code, Some(0));
    let before = desk.read("out/requests.jsonl");

    let refused = desk.prony(&line("--num-prompts 5"));
    assert_eq!((refused.code, &*refused.stdout), (Some(3), ""));
    assert!(refused.stderr.contains("holds results already"), "{}", refused.stderr);
    assert!(refused.stderr.contains("help: name another directory"), "{}", refused.stderr);
    assert_eq!(desk.read("out/requests.jsonl"), before);

    assert_eq!(desk.prony(&line("--num-prompts 5 --overwrite")).code, Some(0));
    assert_eq!(desk.whole_lines("out/requests.jsonl").len(), 5);
    assert!(!desk.path("out/requests.csv").exists(), "an earlier bench's file must not stay");
}

#[test]
fn results_are_saved_by_a_switch_too() {
    let desk = Desk::new();
    let sim = desk.sim("");
    for (flags, folder) in [
        ("--save-result", "results"),
        ("--save-result kept", "kept"),
        ("--save-result --result-dir there --format csv", "there"),
    ] {
        let run = desk.prony(&format!("bench --url {} --num-prompts 2 {flags}", sim.url));
        assert_eq!(run.code, Some(0), "{flags}: {}", run.stderr);
        assert!(desk.path(&format!("{folder}/summary.json")).exists(), "{flags}");
    }
    let both = "--save-result here --output-dir there";
    let run = desk.prony(&format!("bench --url {} --num-prompts 2 {both}", sim.url));
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}

#[test]
fn an_open_loop_sends_on_its_schedule_and_a_seed_repeats_it() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let planned = |name: &str, seed: u64| -> Vec<u64> {
        let run = desk.prony(&format!(
            "bench --url {} --request-rate 400/s --num-prompts 40 --max-tokens 2 --seed {seed} \
             --output-dir {name}",
            sim.url
        ));
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        let mut times: Vec<u64> = desk
            .whole_lines(&format!("{name}/requests.jsonl"))
            .iter()
            .map(|line| integer(&line["planned_unix_ns"]))
            .collect();
        times.sort_unstable();
        times.iter().map(|time| time - times[0]).collect()
    };
    let first = planned("first", 7);
    assert_eq!(first, planned("second", 7));
    assert_ne!(first, planned("third", 8));
}
