//! What people and programs get to read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixture;

use analysis::Convention;
use fixture::{ailing, benchmark, eventful, healthy, lost, small};
use report::{Benchmark, Style, console, json};

fn text(benchmark: &Benchmark, width: usize) -> String {
    styled(benchmark, Style { colour: false, width })
}

fn styled(benchmark: &Benchmark, style: Style) -> String {
    let mut out = Vec::new();
    for run in &benchmark.runs {
        console::write_run(&mut out, run, style).unwrap();
    }
    console::write_end(&mut out, benchmark, style).unwrap();
    String::from_utf8(out).unwrap()
}

/// The table and what follows it. Blocks stand before it, each ended by a line and a blank one.
fn after_blocks(text: &str) -> &str {
    text.rsplit_once("==\n\n").unwrap().1
}

fn sweep() -> Benchmark {
    let ours = Convention::Prony;
    benchmark(vec![
        healthy("smol", "concurrency=8", ours),
        ailing("smol", "concurrency=64"),
        lost("smol", "concurrency=128"),
    ])
}

#[test]
fn a_run_without_doubts() {
    let run = healthy("smol", "concurrency=8", Convention::Prony);
    insta::assert_snapshot!(text(&benchmark(vec![run]), 100), @r#"
    ========================== Serving Benchmark Result ==========================
    smol · short_queries · concurrency=8
    http://127.0.0.1:8000 (chat)
    Successful requests:                     2,000   1,963 ended in the window
    Failed requests:                             0
    Measured window (s):                     9.900
    Elapsed (s):                            10.089   until the last request's end
    Total input tokens:                     24,000   counted by the server
    Total generated tokens:                  8,000   counted by the server
    Request throughput (req/s):                198   1,963 ended in 9.900 s
    Output token throughput (tok/s):           794   7,863 came in 9.900 s
    Total token throughput (tok/s):           3181   31,491 came in 9.900 s
    Speed per user (tok/s):                    100   median
    Request goodput (req/s):                   198   1,963 in 9.900 s; 100 % of all
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT      2,000     59.5     5.77     59.5     67.1     68.0     69.0    ~69.0
    TPOT      2,000     10.0        0     10.0     10.0     10.0     10.0    ~10.0
    ITL       6,000     10.0        0     10.0     10.0     10.0     10.0    ~10.0
    E2EL      2,000     90.5     5.77     90.5     98.1     99.0      100     ~100
    from a request's start; ITL is per chunk of 1.00 tokens; ~ too few values to rely on
    ---------------------------- Can it be believed? -----------------------------
    Percentiles to rely on:              up to p99   p99.9 takes 10,000
    Schedule lag p50, p99 (ms):               0, 0   n 2,000
    Read lag p50, p99 (ms):           0.020, 0.020   n 8,000
    Chunks read with a later one:              0 %   of 8,000
    Own CPU (cores), memory (MiB):     0.200, 24.0   at its peak
    VALID
    ==============================================================================
    "#);
}

#[test]
fn a_run_in_doubt() {
    let run = ailing("smol", "concurrency=64");
    insta::assert_snapshot!(text(&benchmark(vec![run]), 100), @r#"
    ========================== Serving Benchmark Result ==========================
    smol · short_queries · concurrency=64
    http://127.0.0.1:8000 (chat)
    Successful requests:                        20   19 ended in the window
    Failed requests:                            10   33.3 %, 95 % CI 19.2–51.2 %
      rate_limited:                             10
        Rate limit reached for requests: try again in 20 s
    Measured window (s):                     1.200
    Elapsed (s):                             1.241   until the last request's end
    Total input tokens:                        240   counted by the server
    Total generated tokens:                     80   counted by estimate
    Request throughput (req/s):               15.8   19 ended in 1.200 s
    Output token throughput (tok/s):          66.7   80 came in 1.200 s
    Total token throughput (tok/s):            267   320 came in 1.200 s
    Speed per user (tok/s):                    100   median
    Request goodput (req/s):                  1.67   2 in 1.200 s; 6.7 % of all
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT         20      330      177      330     ~554     ~591     ~606     ~610
    TPOT         20     10.0        0     10.0    ~10.0    ~10.0    ~10.0    ~10.0
    ITL          60     10.0        0     10.0    ~10.0    ~10.0    ~10.0    ~10.0
    E2EL         20      361      177      361     ~585     ~622     ~637     ~641
    from a request's start; ITL is per chunk of 1.00 tokens; ~ too few values to rely on
    ---------------------------- Can it be believed? -----------------------------
    Percentiles to rely on:              up to p50   p90 takes 100, p99 1,000
    Schedule lag p50, p99 (ms):              0, ~0   n 30
    Read lag p50, p99 (ms):          0.020, ~0.020   n 80
    Chunks read with a later one:              0 %   of 80
    Own CPU (cores), memory (MiB):     0.200, 24.0   at its peak
    DOUBTFUL: errors, token_counts_estimated
    ==============================================================================

    warning: 10 of 30 requests failed (33 %); the figures describe the others
      help: look at the errors by kind; lower the load if the server is overloaded or limits the rate
    warning: token counts of 100 % of requests are estimates
      help: have the server report usage, or name the model's tokenizer
    "#);
}

#[test]
fn a_run_in_which_much_went_other_than_planned() {
    insta::assert_snapshot!(text(&benchmark(vec![eventful()]), 100), @"
    ========================== Serving Benchmark Result ==========================
    smol · short_queries · rate=25/s,max=2
    http://127.0.0.1:8000 (chat)
    Successful requests:                        25   21 ended in the window
      without a token:                           1   4.0 %
    Failed requests:                             0
    Retried requests:                            5   on average 40.0 ms of latency
      tries that ended in overloaded:            5
    Measured window (s):                     0.960
      of it ramp (s):                        0.500   its first part, at less load
    Elapsed (s):                             1.061   until the last request's end
    Total input tokens:                        300   counted by the server
    Total generated tokens:                     96   counted by the server
    Request throughput (req/s):               21.9   21 ended in 0.960 s
    Output token throughput (tok/s):          93.1   89 came in 0.960 s
    Total token throughput (tok/s):            381   365 came in 0.960 s
    Speed per user (tok/s):                    100   median
    Request goodput (req/s):                  11.5   11 in 0.960 s; 48.0 % of all
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT         24     80.0     30.6     80.0     ~110     ~110     ~110     ~110
    TPOT         24     10.0        0     10.0    ~10.0    ~10.0    ~10.0    ~10.0
    ITL          72     10.0     8.22     10.0    ~20.0    ~20.0    ~20.0    ~20.0
    E2EL         25      110     30.6     81.0     ~141     ~141     ~141     ~141
    from when a request was due; ITL is per chunk of 1.00 tokens; ~ too few values to rely on
    ---------------------------- Can it be believed? -----------------------------
    Percentiles to rely on:              up to p50   p90 takes 100, p99 1,000
    Schedule lag p50, p99 (ms):           0, ~60.0   n 25
      of it held by the limit of 2:       0, ~60.0   48.0 % of requests waited
      of it the client's own:                0, ~0
    Read lag p50, p99 (ms):          0.020, ~0.020   n 96
    Chunks read with a later one:           25.0 %   of 96
    Planned load delivered:                 96.0 %
    Own CPU (cores), memory (MiB):     0.200, 24.0   at its peak
    DOUBTFUL: retried, in_flight_limit, empty_answers, ramp_included
    ==============================================================================

    warning: 5 of 25 requests were tried again (20 %): their latencies hold the failed tries and the pauses, 40.0 ms on average
      help: measure without retries, or lower the load until none is needed; the records tell each failed try
    warning: the limit of 2 requests in flight held 48 % of requests back: p99 60.0 ms, which their latencies hold
      help: raise the limit (--concurrency) or lower the rate; beside a request rate the limit bounds what is sent, however fast the client is
    warning: 1 of 25 answers came without a token (4.0 %): TTFT and token figures describe the others
      help: the model ended at once: check its chat template and the prompts, or demand lengths with --ignore-eos where the server knows it
    warning: the first 0.5 s of the window of 1.0 s are ramp, under less than the load named
      help: run much longer than the ramp, or shorten it: figures are of the whole window
    ");
}

/// Whoever reads a block can redo each of its divisions.
#[test]
fn rates_are_what_they_are_said_to_be_made_of() {
    let ours = Convention::Prony;
    let runs = [
        healthy("smol", "c", ours),
        healthy("smol", "c", Convention::Vllm),
        ailing("smol", "c"),
        eventful(),
    ];
    for run in runs {
        let text = text(&benchmark(vec![run]), 100);
        let mut redone = 0;
        for line in text.lines().filter(|line| line.contains("/s):") && line.contains(" in ")) {
            let (rate, remark) = line.split_once(':').unwrap().1.trim().split_once("   ").unwrap();
            let words: Vec<&str> = remark.split_whitespace().collect();
            let place = words.iter().position(|word| *word == "in").unwrap();
            let number = |text: &str| text.replace(',', "").parse::<f64>().unwrap();
            let (count, seconds) = (number(words[0]), number(words[place + 1]));
            let (rate, again) = (number(rate), count / seconds);
            assert!((rate - again).abs() <= 0.005 * again + 0.5 / seconds, "{line}: {again}");
            redone += 1;
        }
        assert_eq!(redone, if text.contains("goodput") { 4 } else { 3 }, "{text}");
    }
}

#[test]
fn the_verdict_of_a_small_run_says_what_it_is_too_small_for() {
    let lines = |answers| {
        let text = text(&benchmark(vec![small(answers)]), 100);
        let told = |line: &&str| {
            ["Percentiles", "VALID", "TOO FEW", "DOUBT", "warn", "  help"]
                .iter()
                .any(|word| line.starts_with(word))
        };
        text.lines().filter(told).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lines(8), @"
    Percentiles to rely on:                   none   p50 takes 20, p99 1,000
    TOO FEW TO TELL: nothing is amiss, but 8 answers are no sample
    warning: 8 answers are too few for any percentile: p50 takes 20, p99 1000
      help: send more requests or run longer
    ");
    insta::assert_snapshot!(lines(120), @"
    Percentiles to rely on:              up to p90   p95 takes 200, p99 1,000
    VALID but for percentiles from p95 on
    ");
    insta::assert_snapshot!(lines(1_000), @"
    Percentiles to rely on:              up to p99   p99.9 takes 10,000
    VALID
    ");
}

#[test]
fn a_run_that_failed() {
    let mut benchmark = benchmark(vec![lost("smol", "concurrency=1")]);
    benchmark.interrupted = true;
    insta::assert_snapshot!(text(&benchmark, 100), @r#"
    ========================== Serving Benchmark Result ==========================
    smol · short_queries · concurrency=1
    http://127.0.0.1:8000 (chat)
    Successful requests:                         0   0 ended in the window
    Failed requests:                             1   100 %, 95 % CI 20.7–100 %
      connect:                                   1
        connection refused
    Measured window (s):                     0.100
    Elapsed (s):                             0.032   until the last request's end
    Total input tokens:                          0
    Total generated tokens:                      0
    Request throughput (req/s):                  0   0 ended in 0.100 s
    Output token throughput (tok/s):             0   0 came in 0.100 s
    Total token throughput (tok/s):              0   0 came in 0.100 s
    Request goodput (req/s):                     0   0 in 0.100 s; 0 % of all
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT       none
    TPOT       none
    ITL        none
    E2EL       none
    from a request's start
    ---------------------------- Can it be believed? -----------------------------
    Percentiles to rely on:                   none   p50 takes 20, p99 1,000
    Schedule lag p50, p99 (ms):             ~0, ~0   n 1
    Read lag p50, p99 (ms):                      -   no answer came
    Own CPU (cores), memory (MiB):     0.200, 24.0   at its peak
    DOUBTFUL: all_failed
    ==============================================================================

    warning: stopped before the plan was done
      help: the figures are of what was measured until then
    warning: all 1 requests failed, most of them: connect
      help: check the address, and that a server listens there
    "#);
}

#[test]
fn a_run_that_could_not_begin_has_no_figures() {
    let mut unbegun = lost("smol", "concurrency=8");
    unbegun.summary = healthy("smol", "concurrency=8", Convention::Prony).summary;
    unbegun.error = Some("cannot connect".to_owned());
    let mut benchmark =
        benchmark(vec![healthy("smol", "concurrency=1", Convention::Prony), unbegun]);
    benchmark.interrupted = true;
    let text = text(&benchmark, 80);
    insta::assert_snapshot!(after_blocks(&text), @r#"
    model: smol
    scenario: short_queries
    no room for: E2EL p95, TTFT p95, E2EL p50, E2EL p99, TPOT p99
                                                    TTFT ms  TPOT ms
    load              ok  err  req/s  out tok/s   p50   p99      p50  goodput  verdict
    concurrency=1  2,000    0    198        794  59.5  69.0     10.0    100 %    valid
    concurrency=8      -    -      -          -     -     -        -        -        -

    warning: ended early: a run could not begin, and none was tried after it
      help: the error says why; the figures are of the runs before it
    "#);
    let mut out = Vec::new();
    json::write(&mut out, &benchmark).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for key in [
        "window_ended_by",
        "duration",
        "duration_s",
        "ramp_s",
        "elapsed_s",
        "error_rate",
        "error_rate_ci95",
        "request_throughput",
        "output_throughput",
        "total_token_throughput",
        "good_inside_window",
        "request_goodput",
        "goodput_share",
    ] {
        assert!(!summary["runs"][0][key].is_null(), "{key}");
        assert_eq!(summary["runs"][1].get(key), Some(&serde_json::Value::Null), "{key}");
    }
}

#[test]
fn another_convention_is_named() {
    let run = healthy("smol", "concurrency=8", Convention::Vllm);
    let text = text(&benchmark(vec![run]), 100);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("duration")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Benchmark duration (s):                 10.089   by the definitions of vllm
    "#);
}

#[test]
fn the_table_of_a_wide_terminal() {
    insta::assert_snapshot!(after_blocks(&text(&sweep(), 140)), @r#"
                                                                         ─── TTFT ms ────  ─ TPOT ms ─  ─── E2EL ms ────
    model  scenario       load                ok  err  req/s  out tok/s   p50   p95   p99   p50    p99   p50   p95   p99  goodput   verdict
    smol   short_queries  concurrency=8    2,000    0    198        794  59.5  68.0  69.0  10.0   10.0  90.5  99.0   100    100 %     valid
    smol   short_queries  concurrency=64      20   10   15.8       66.7   330  ~591  ~606  10.0  ~10.0   361  ~622  ~637    6.7 %  doubtful
    smol   short_queries  concurrency=128      0    1      0          0     -     -     -     -      -     -     -     -      0 %  doubtful
    ~ too few values to rely on

    warning: smol · short_queries · concurrency=64: 10 of 30 requests failed (33 %); the figures describe the others
      help: look at the errors by kind; lower the load if the server is overloaded or limits the rate
    warning: smol · short_queries · concurrency=64: token counts of 100 % of requests are estimates
      help: have the server report usage, or name the model's tokenizer
    warning: smol · short_queries · concurrency=128: all 1 requests failed, most of them: connect
      help: check the address, and that a server listens there
    "#);
}

#[test]
fn the_table_of_a_narrow_terminal() {
    let text = text(&sweep(), 80);
    let table = after_blocks(&text).split("\n\n").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    insta::assert_snapshot!(table, @r#"
    model: smol
    scenario: short_queries
    no room for: E2EL p95, TTFT p95, E2EL p50, E2EL p99, TPOT p99, TPOT p50
                                                      TTFT ms
    load                ok  err  req/s  out tok/s   p50   p99  goodput   verdict
    concurrency=8    2,000    0    198        794  59.5  69.0    100 %     valid
    concurrency=64      20   10   15.8       66.7   330  ~606    6.7 %  doubtful
    concurrency=128      0    1      0          0     -     -      0 %  doubtful
    ~ too few values to rely on
    "#);
}

#[test]
fn several_models_keep_their_column() {
    let ours = Convention::Prony;
    let runs = vec![healthy("smol", "rate=5/s", ours), healthy("gemma", "rate=5/s", ours)];
    let text = text(&benchmark(runs), 110);
    insta::assert_snapshot!(after_blocks(&text).split("\n\n").next().unwrap(), @r#"
    scenario: short_queries
                                                   ─── TTFT ms ────     TPOT ms  ─── E2EL ms ───
    model  load         ok  err  req/s  out tok/s   p50   p95   p99   p50   p99   p50   p95  p99  goodput  verdict
    smol   rate=5/s  2,000    0    198        794  59.5  68.0  69.0  10.0  10.0  90.5  99.0  100    100 %    valid
    gemma  rate=5/s  2,000    0    198        794  59.5  68.0  69.0  10.0  10.0  90.5  99.0  100    100 %    valid
    "#);
}

#[test]
fn colour_changes_no_text() {
    let coloured = styled(&sweep(), Style { colour: true, width: 140 });
    assert!(coloured.contains("\x1b[1;31m"), "a run that failed stands out");
    let mut plain = String::new();
    for (index, part) in coloured.split('\x1b').enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, text(&sweep(), 140));
}

#[test]
fn the_summary_file() {
    let mut out = Vec::new();
    json::write(&mut out, &benchmark(vec![ailing("smol", "concurrency=64")])).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
    {
      "schema_version": 1,
      "prony_version": "0.1.0",
      "started_unix_ns": 1700000000000000000,
      "interrupted": false,
      "seed": 42,
      "config": {
        "concurrency": [
          8
        ]
      },
      "machine": {
        "system": "Linux 6.1",
        "processor": "EPYC",
        "cores": 2,
        "memory_bytes": 8589934592
      },
      "runs": [
        {
          "target": "http://127.0.0.1:8000 (chat)",
          "model": "smol",
          "scenario": "short_queries",
          "load": "concurrency=64",
          "error": null,
          "convention": "prony",
          "origin": "started",
          "verdict": {
            "valid": false,
            "highest_percentile": "p50",
            "doubts": [
              {
                "name": "errors",
                "message": "10 of 30 requests failed (33 %); the figures describe the others",
                "remedy": "look at the errors by kind; lower the load if the server is overloaded or limits the rate"
              },
              {
                "name": "token_counts_estimated",
                "message": "token counts of 100 % of requests are estimates",
                "remedy": "have the server report usage, or name the model's tokenizer"
              }
            ]
          },
          "window_start_unix_ns": 1700000000000000000,
          "window_end_unix_ns": 1700000001200000000,
          "window_ended_by": "plan",
          "duration": 1.2,
          "duration_s": 1.2,
          "ramp_s": 0.0,
          "elapsed_s": 1.241,
          "completed": 20,
          "failed": 10,
          "warmup": 0,
          "outside_window": 0,
          "retried": 0,
          "retries": 0,
          "retry_causes": {},
          "mean_retrying_ms": null,
          "error_rate": 0.333333,
          "error_rate_ci95": [
            0.192305,
            0.512199
          ],
          "errors": {
            "rate_limited": 10
          },
          "error_samples": {
            "rate_limited": [
              "Rate limit reached for requests: try again in 20 s"
            ]
          },
          "total_input_tokens": 240,
          "total_output_tokens": 80,
          "cache_read_tokens": 0,
          "cache_write_tokens": 0,
          "reasoning_tokens": 0,
          "input_tokens_source": {
            "server": 20,
            "tokenizer": 0,
            "estimate": 0
          },
          "output_tokens_source": {
            "server": 0,
            "tokenizer": 0,
            "estimate": 20
          },
          "tokens_per_chunk": 1.0,
          "empty_answers": 0,
          "completed_inside_window": 19,
          "output_tokens_inside_window": 80.0,
          "total_tokens_inside_window": 320.0,
          "good_inside_window": 2,
          "request_throughput": 15.833333,
          "output_throughput": 66.666667,
          "total_token_throughput": 266.666667,
          "request_goodput": 1.666667,
          "goodput_share": 0.066667,
          "goodput_share_ci95": [
            0.018477,
            0.213235
          ],
          "n_ttft": 20,
          "mean_ttft_ms": 330.0,
          "std_ttft_ms": 177.111324,
          "min_ttft_ms": 50.0,
          "max_ttft_ms": 610.0,
          "median_ttft_ms": 330.0,
          "p90_ttft_ms": 554.0,
          "p95_ttft_ms": 591.0,
          "p99_ttft_ms": 606.2,
          "p999_ttft_ms": 609.62,
          "n_tpot": 20,
          "mean_tpot_ms": 10.0,
          "std_tpot_ms": 0.0,
          "min_tpot_ms": 10.0,
          "max_tpot_ms": 10.0,
          "median_tpot_ms": 10.0,
          "p90_tpot_ms": 10.0,
          "p95_tpot_ms": 10.0,
          "p99_tpot_ms": 10.0,
          "p999_tpot_ms": 10.0,
          "n_itl": 60,
          "mean_itl_ms": 10.0,
          "std_itl_ms": 0.0,
          "min_itl_ms": 10.0,
          "max_itl_ms": 10.0,
          "median_itl_ms": 10.0,
          "p90_itl_ms": 10.0,
          "p95_itl_ms": 10.0,
          "p99_itl_ms": 10.0,
          "p999_itl_ms": 10.0,
          "n_e2el": 20,
          "mean_e2el_ms": 361.0,
          "std_e2el_ms": 177.111324,
          "min_e2el_ms": 81.0,
          "max_e2el_ms": 641.0,
          "median_e2el_ms": 361.0,
          "p90_e2el_ms": 585.0,
          "p95_e2el_ms": 622.0,
          "p99_e2el_ms": 637.2,
          "p999_e2el_ms": 640.62,
          "n_schedule_lag": 30,
          "mean_schedule_lag_ms": 0.0,
          "std_schedule_lag_ms": 0.0,
          "min_schedule_lag_ms": 0.0,
          "max_schedule_lag_ms": 0.0,
          "median_schedule_lag_ms": 0.0,
          "p90_schedule_lag_ms": 0.0,
          "p95_schedule_lag_ms": 0.0,
          "p99_schedule_lag_ms": 0.0,
          "p999_schedule_lag_ms": 0.0,
          "n_read_lag": 80,
          "mean_read_lag_ms": 0.02,
          "std_read_lag_ms": 0.0,
          "min_read_lag_ms": 0.02,
          "max_read_lag_ms": 0.02,
          "median_read_lag_ms": 0.02,
          "p90_read_lag_ms": 0.02,
          "p95_read_lag_ms": 0.02,
          "p99_read_lag_ms": 0.02,
          "p999_read_lag_ms": 0.02,
          "n_user_speed": 20,
          "mean_user_speed_tok_s": 100.0,
          "std_user_speed_tok_s": 0.0,
          "min_user_speed_tok_s": 100.0,
          "max_user_speed_tok_s": 100.0,
          "median_user_speed_tok_s": 100.0,
          "p90_user_speed_tok_s": 100.0,
          "p95_user_speed_tok_s": 100.0,
          "p99_user_speed_tok_s": 100.0,
          "p999_user_speed_tok_s": 100.0,
          "ci95": {
            "median_tpot_ms": [
              10.0,
              10.0
            ],
            "median_schedule_lag_ms": [
              0.0,
              0.0
            ],
            "median_user_speed_tok_s": [
              100.0,
              100.0
            ]
          },
          "unsupported": [
            "p90_ttft_ms",
            "p95_ttft_ms",
            "p99_ttft_ms",
            "p999_ttft_ms",
            "p90_tpot_ms",
            "p95_tpot_ms",
            "p99_tpot_ms",
            "p999_tpot_ms",
            "p90_itl_ms",
            "p95_itl_ms",
            "p99_itl_ms",
            "p999_itl_ms",
            "p90_e2el_ms",
            "p95_e2el_ms",
            "p99_e2el_ms",
            "p999_e2el_ms",
            "p90_schedule_lag_ms",
            "p95_schedule_lag_ms",
            "p99_schedule_lag_ms",
            "p999_schedule_lag_ms",
            "p90_read_lag_ms",
            "p95_read_lag_ms",
            "p99_read_lag_ms",
            "p999_read_lag_ms",
            "p90_user_speed_tok_s",
            "p95_user_speed_tok_s",
            "p99_user_speed_tok_s",
            "p999_user_speed_tok_s"
          ],
          "connections_opened": 0,
          "mean_connection_ms": null,
          "steady_state": {
            "throughput": {
              "state": "too_short",
              "after_s": null
            },
            "latency": {
              "state": "too_short",
              "after_s": null
            }
          },
          "delivery": null,
          "in_flight_limit": null,
          "unstamped_chunk_share": 0.0,
          "merged_chunk_share": 0.0,
          "not_streamed_share": null,
          "short_answer_share": null,
          "distinct_prompts": null,
          "clock_step_ms": null,
          "process": {
            "cpu_s": 2.0,
            "cpu_cores": 0.2,
            "memory_peak_bytes": 25165824
          }
        }
      ]
    }
    "#);
}

#[test]
fn what_a_limit_and_retries_did_is_in_the_summary_file() {
    let mut out = Vec::new();
    json::write(&mut out, &benchmark(vec![eventful()])).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let run = &summary["runs"][0];
    let keys = [
        "retried",
        "retries",
        "retry_causes",
        "mean_retrying_ms",
        "empty_answers",
        "ramp_s",
        "in_flight_limit",
    ];
    let told: Vec<String> = keys.iter().map(|key| format!("{key}: {}", run[*key])).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    retried: 5
    retries: 5
    retry_causes: {"overloaded":5}
    mean_retrying_ms: 40.0
    empty_answers: 1
    ramp_s: 0.5
    in_flight_limit: {"limit":2,"mean_wait_ms":28.8,"median_client_lag_ms":0.0,"median_wait_ms":0.0,"p99_client_lag_ms":0.0,"p99_wait_ms":60.0,"waited_share":0.48}
    "#);
}

#[test]
fn figures_nobody_could_measure_are_null() {
    let mut out = Vec::new();
    json::write(&mut out, &benchmark(vec![lost("smol", "concurrency=1")])).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let run = &summary["runs"][0];
    for key in ["mean_ttft_ms", "p99_itl_ms", "median_tpot_ms", "p95_e2el_ms", "median_read_lag_ms"]
    {
        assert_eq!(run.get(key), Some(&serde_json::Value::Null), "{key}");
    }
    assert_eq!((&run["failed"], &run["errors"]["connect"]), (&1.into(), &1.into()));
    assert_eq!(run["verdict"]["doubts"][0]["name"], "all_failed");
}
