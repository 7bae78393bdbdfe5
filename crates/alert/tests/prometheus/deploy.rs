//! The files in `deploy/`: what is made of something else is up to date, and all of it is sound.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use testkit::asset::{debian, workspace};
use testkit::dashboard::panel_queries;

use crate::{promtool, rules, write};

fn folder(name: &str) -> PathBuf {
    workspace().join("deploy").join(name)
}

/// The rule file that users of Prometheus begin with.
fn exported() -> String {
    alert::export::prometheus(&rules(alert::settings::USUAL_RULES))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the rules are a file of the repository")]
fn the_rules_are_those_that_prony_begins_with() {
    let path = folder("prometheus/prony-alerts.yml");
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, exported(), "{} should be as on the right", path.display());
}

#[test]
fn prometheus_and_alertmanager_take_their_files() {
    let prometheus = folder("prometheus");
    // It names a key that only a real deployment has.
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"], &prometheus).expect("sound");
    let files = ["check", "rules", "prony-alerts.yml", "prony-itself.yml"];
    promtool(&files, &prometheus).expect("sound");
    let config = folder("alertmanager/alertmanager.yml");
    run(Command::new(debian("amtool")).arg("check-config").arg(config));
}

#[test]
fn the_dashboards_are_as_their_script_writes_them() {
    run(Command::new("python3").arg(folder("grafana/dashboards.py")).arg("--check"));
}

fn run(command: &mut Command) {
    let output = command.output().expect("it is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The labels of every series of requests.
const OF_REQUESTS: &str = "model=\"m\", provider=\"p\", region=\"r\", vantage=\"client\", \
                           vantage_region=\"v\", scenario=\"s\", source=\"gateway\"";

/// What Prony tells of itself that grows: metrics and the labels each has of its own.
const OF_REQUESTS_COUNTERS: [(&str, &str); 9] = [
    ("llm_requests_total", "outcome=\"success\""),
    ("llm_request_errors_total", "kind=\"timeout\""),
    ("llm_tokens_total", "type=\"input\""),
    ("llm_tokens_total", "type=\"output\""),
    ("llm_cached_tokens_total", ""),
    ("llm_cost_dollars_total", ""),
    ("llm_request_retries_total", ""),
    ("llm_active_requests", ""),
    ("llm_requests_total", "outcome=\"failure\""),
];
const HISTOGRAMS: [(&str, &str); 5] = [
    ("llm_request_duration_seconds", "outcome=\"success\""),
    ("llm_time_to_first_token_seconds", ""),
    ("llm_time_per_output_token_seconds", ""),
    ("llm_inter_token_latency_seconds", ""),
    ("llm_schedule_lag_seconds", ""),
];
const OF_ITSELF: [&str; 11] = [
    "prony_records_kept_total",
    "prony_intake_records",
    "prony_intake_held_back_total",
    "prony_keeper_failures_total",
    "prony_live_windows_thinned_total",
    "prony_series_merged_total",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "prony_process_proportional_memory_bytes",
    "prony_gpu_utilization_ratio",
    "prony_gpu_memory_used_bytes",
];

/// Every metric that Prony has, growing for half an hour.
fn input_series() -> Vec<Value> {
    let series = |name: &str, labels: &str, own: &str| {
        let comma = if own.is_empty() { "" } else { ", " };
        json!({
            "series": format!("{name}{{job=\"prony\", instance=\"i\", {labels}{comma}{own}}}"),
            "values": "0+1x120",
        })
    };
    let mut all: Vec<Value> =
        OF_REQUESTS_COUNTERS.iter().map(|(name, own)| series(name, OF_REQUESTS, own)).collect();
    for (name, own) in HISTOGRAMS {
        for le in ["0.5", "2", "+Inf"] {
            let comma = if own.is_empty() { "" } else { ", " };
            let own = format!("{own}{comma}le=\"{le}\"");
            all.push(series(&format!("{name}_bucket"), OF_REQUESTS, &own));
        }
    }
    all.extend(OF_ITSELF.iter().map(|name| series(name, "gpu=\"0\", gpu_name=\"g\"", "")));
    all
}

/// A query that finds nothing among all there is draws an empty panel for ever.
#[test]
fn every_panel_finds_something() {
    let queries = panel_queries("1m");
    assert!(queries.len() > 40, "only {} queries", queries.len());
    let tests: Vec<Value> = queries
        .iter()
        .map(|query| {
            json!({
                "expr": format!("count({}) > bool 0", query.expr),
                "eval_time": "20m",
                "exp_samples": [{ "labels": "{}", "value": 1 }],
            })
        })
        .collect();
    let test = json!({
        "tests": [{
            "interval": "15s",
            "input_series": input_series(),
            "promql_expr_test": tests,
        }],
    });
    let folder = tempfile::tempdir().expect("there is room");
    write(folder.path(), "test.yml", &test.to_string());
    let found = promtool(&["test", "rules", "test.yml"], Path::new(folder.path()));
    assert_eq!(found, Ok(()), "places: {queries:#?}");
}
