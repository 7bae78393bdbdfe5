//! What people and programs get to read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fixture;

use analysis::Convention;
use fixture::{ailing, benchmark, healthy, lost};
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
    Successful requests:                     2,000
    Failed requests:                             0
    Measured window (s):                      9.90
    Total input tokens:                     24,000   counted by the server
    Total generated tokens:                  8,000   counted by the server
    Request throughput (req/s):                198
    Output token throughput (tok/s):           794
    Total token throughput (tok/s):           3181
    Speed per user (tok/s):                    100   median
    Request goodput (req/s):                   198   100 % of all requests
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT      2,000     59.5     5.77     59.5     67.1     68.0     69.0    ~69.0
    TPOT      2,000     10.0        0     10.0     10.0     10.0     10.0    ~10.0
    ITL       6,000     10.0        0     10.0     10.0     10.0     10.0    ~10.0
    E2EL      2,000     90.5     5.77     90.5     98.1     99.0      100     ~100
    from a request's start; ITL is per chunk of 1.00 tokens; ~ too few values to rely on
    ---------------------------- Can it be believed? -----------------------------
    Schedule lag p50, p99 (ms):               0, 0   n 2,000
    Read lag p50, p99 (ms):           0.020, 0.020   n 8,000
    Steady throughput:               after 0.500 s
    Steady latency:                  after 0.025 s
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
    Successful requests:                        20
    Failed requests:                            10   33.3 %, 95 % CI 19.2–51.2 %
      rate_limited:                             10
        Rate limit reached for requests: try again in 20 s
    Measured window (s):                      1.20
    Total input tokens:                        240   counted by the server
    Total generated tokens:                     80   counted by estimate
    Request throughput (req/s):               15.8
    Output token throughput (tok/s):          66.7
    Total token throughput (tok/s):            267
    Speed per user (tok/s):                    100   median
    Request goodput (req/s):                  1.67   6.7 % of all requests
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT         20      330      177      330     ~554     ~591     ~606     ~610
    TPOT         20     10.0        0     10.0    ~10.0    ~10.0    ~10.0    ~10.0
    ITL          60     10.0        0     10.0    ~10.0    ~10.0    ~10.0    ~10.0
    E2EL         20      361      177      361     ~585     ~622     ~637     ~641
    from a request's start; ITL is per chunk of 1.00 tokens; ~ too few values to rely on
    ---------------------------- Can it be believed? -----------------------------
    Schedule lag p50, p99 (ms):               0, 0   n 30
    Read lag p50, p99 (ms):           0.020, 0.020   n 80
    Steady throughput:           too short to tell
    Steady latency:              too short to tell
    Own CPU (cores), memory (MiB):     0.200, 24.0   at its peak
    DOUBTFUL: errors, too_few_samples, token_counts_estimated
    ==============================================================================

    warning: 10 of 30 requests failed (33 %); the figures describe the others
      help: look at the errors by kind; lower the load if the server is overloaded or limits the rate
    warning: 20 answers are too few for p90, which takes 100
      help: send more requests or run longer, or read a lower percentile
    warning: token counts of 100 % of requests are estimates
      help: have the server report usage, or name the model's tokenizer
    "#);
}

#[test]
fn a_run_that_failed() {
    let mut benchmark = benchmark(vec![lost("smol", "concurrency=1")]);
    benchmark.interrupted = true;
    insta::assert_snapshot!(text(&benchmark, 100), @r#"
    ========================== Serving Benchmark Result ==========================
    smol · short_queries · concurrency=1
    http://127.0.0.1:8000 (chat)
    Successful requests:                         0
    Failed requests:                             1   100 %, 95 % CI 20.7–100 %
      connect:                                   1
        connection refused
    Measured window (s):                     0.100
    Total input tokens:                          0
    Total generated tokens:                      0
    Request throughput (req/s):                  0
    Output token throughput (tok/s):             0
    Total token throughput (tok/s):              0
    Request goodput (req/s):                     0   0 % of all requests
    -------------------------------- Latency (ms) --------------------------------
                  n     mean       sd   median      p90      p95      p99    p99.9
    TTFT       none
    TPOT       none
    ITL        none
    E2EL       none
    from a request's start
    ---------------------------- Can it be believed? -----------------------------
    Schedule lag p50, p99 (ms):               0, 0   n 1
    Read lag p50, p99 (ms):                      -   no answer came
    Steady throughput:           too short to tell
    Steady latency:              too short to tell
    Own CPU (cores), memory (MiB):     0.200, 24.0   at its peak
    DOUBTFUL: all_failed
    ==============================================================================

    warning: stopped before the plan was done
      help: the figures are of what was measured until then
    warning: all 1 requests failed, most of them: connect
      help: check the address, the key and the model's name; the error samples say what the server answered
    "#);
}

#[test]
fn another_convention_is_named() {
    let run = healthy("smol", "concurrency=8", Convention::Vllm);
    let text = text(&benchmark(vec![run]), 100);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("duration")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Benchmark duration (s):                   10.1   by the definitions of vllm
    "#);
}

#[test]
fn the_table_of_a_wide_terminal() {
    insta::assert_snapshot!(after_blocks(&text(&sweep(), 140)), @r#"
                                                                         ─── TTFT ms ────     TPOT ms  ─── E2EL ms ───
    model  scenario       load                ok  err  req/s  out tok/s   p50   p95   p99   p50   p99   p50   p95  p99  goodput
    smol   short_queries  concurrency=8    2,000    0    198        794  59.5  68.0  69.0  10.0  10.0  90.5  99.0  100    100 %
    smol   short_queries  concurrency=64      20   10   15.8       66.7   330   591   606  10.0  10.0   361   622  637    6.7 %
    smol   short_queries  concurrency=128      0    1      0          0     -     -     -     -     -     -     -    -      0 %

    warning: smol · short_queries · concurrency=64: 10 of 30 requests failed (33 %); the figures describe the others
      help: look at the errors by kind; lower the load if the server is overloaded or limits the rate
    warning: smol · short_queries · concurrency=64: 20 answers are too few for p90, which takes 100
      help: send more requests or run longer, or read a lower percentile
    warning: smol · short_queries · concurrency=64: token counts of 100 % of requests are estimates
      help: have the server report usage, or name the model's tokenizer
    warning: smol · short_queries · concurrency=128: all 1 requests failed, most of them: connect
      help: check the address, the key and the model's name; the error samples say what the server answered
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
    left out for want of room: E2EL p95, TTFT p95, E2EL p50, E2EL p99
                                                      TTFT ms     TPOT ms
    load                ok  err  req/s  out tok/s   p50   p99   p50   p99  goodput
    concurrency=8    2,000    0    198        794  59.5  69.0  10.0  10.0    100 %
    concurrency=64      20   10   15.8       66.7   330   606  10.0  10.0    6.7 %
    concurrency=128      0    1      0          0     -     -     -     -      0 %
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
    model  load         ok  err  req/s  out tok/s   p50   p95   p99   p50   p99   p50   p95  p99  goodput
    smol   rate=5/s  2,000    0    198        794  59.5  68.0  69.0  10.0  10.0  90.5  99.0  100    100 %
    gemma  rate=5/s  2,000    0    198        794  59.5  68.0  69.0  10.0  10.0  90.5  99.0  100    100 %
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
            "doubts": [
              {
                "name": "errors",
                "message": "10 of 30 requests failed (33 %); the figures describe the others",
                "remedy": "look at the errors by kind; lower the load if the server is overloaded or limits the rate"
              },
              {
                "name": "too_few_samples",
                "message": "20 answers are too few for p90, which takes 100",
                "remedy": "send more requests or run longer, or read a lower percentile"
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
          "duration": 1.2,
          "completed": 20,
          "failed": 10,
          "warmup": 0,
          "outside_window": 0,
          "retries": 0,
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
          "unstamped_chunk_share": 0.0,
          "merged_chunk_share": 0.0,
          "not_streamed_share": null,
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
