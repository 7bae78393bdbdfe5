//! Prometheus reads `prony serve` under load: no panel stays empty, and no rule is without what it
//! watches.
#![expect(clippy::disallowed_methods, reason = "the rules are files of the repository")]

use std::process::Command;

use serde_json::Value;
use testkit::asset::{debian, workspace};
use testkit::dashboard::panel_queries;
use testkit::monitoring::Prometheus;
use testkit::program::until_none;

use super::load;
use crate::desk::{Desk, text};
use crate::serving::Served;

/// Queries that users have, as they stand.
const USERS_QUERIES: [&str; 3] = [
    "histogram_quantile(0.95, llm_request_duration_seconds_bucket)",
    "rate(llm_requests_total[5m])",
    "increase(llm_cost_dollars_total[1h])",
];

/// Alerts that users have, as they stand.
const USERS_RULES: &str = "
groups:
  - name: users
    rules:
      - alert: HighLatency
        expr: histogram_quantile(0.95, llm_request_duration_seconds_bucket) > 2.0
        for: 5m
      - alert: CostThresholdExceeded
        expr: increase(llm_cost_dollars_total[1h]) > 100
        for: 1m
";

/// What rightly finds nothing here: a part of the query, and why.
const NOTHING_TO_FIND: [(&str, &str); 3] = [
    ("prony_gpu_utilization_ratio", "where there is no GPU, there is no figure of one"),
    ("prony_gpu_memory_used_bytes", "where there is no GPU, there is no figure of one"),
    (
        "source=~\"canary|gateway\"",
        "availability is that of users and canaries, and here is only a benchmark",
    ),
];

fn deployed(name: &str) -> String {
    let path = workspace().join("deploy/prometheus").join(name);
    std::fs::read_to_string(path).expect("the repository has it")
}

/// A Prometheus with the configuration in `deploy/`, at a test's pace, with the users' rules besides,
/// for this server.
fn prometheus(served: &Served, jobs: &str, features: &[&str]) -> Prometheus {
    let mut config = deployed("prometheus.yml");
    for (there, here) in [
        ("15s", "250ms"),
        ("prony:8080", served.url.trim_start_matches("http://")),
        ("/etc/prometheus/secrets/", ""),
        ("rule_files:\n", "rule_files:\n  - users.yml\n"),
    ] {
        assert!(config.contains(there), "prometheus.yml no longer says {there:?}");
        config = config.replace(there, here);
    }
    config.push_str(jobs);
    let own = ["prony-alerts.yml", "prony-itself.yml"].map(|name| (name, deployed(name)));
    let [alerts, itself] = own.each_ref().map(|(name, rules)| (*name, &**rules));
    // A server without keys asks for none.
    let files = [alerts, itself, ("users.yml", USERS_RULES), ("prony-key", "any")];
    Prometheus::start(&config, &files, features)
}

/// What an alert's expression watches: its comparisons answer with 0 or 1 in place of nothing.
fn watched(expr: &str) -> String {
    [" > ", " < ", " == "]
        .into_iter()
        .fold(expr.to_owned(), |expr, sign| expr.replace(sign, &format!("{sign}bool ")))
}

/// Every query of users, of every panel, and of every rule that Prometheus was given.
fn queries(prometheus: &Prometheus) -> Vec<String> {
    let mut rules = Vec::new();
    until_none("every rule is evaluated", || {
        rules = prometheus.rules();
        let mut left: Vec<Value> = rules.clone();
        left.retain(|rule| rule["health"] != "ok");
        if rules.is_empty() { vec![Value::Null] } else { left }
    });
    let panels = panel_queries("1m").into_iter().map(|query| query.expr);
    let rules = rules.iter().map(|rule| watched(text(&rule["query"])));
    USERS_QUERIES.into_iter().map(str::to_owned).chain(panels).chain(rules).collect()
}

/// Waits until each query finds a figure, those apart that have none to find.
fn assert_found(prometheus: &Prometheus, mut queries: Vec<String>) {
    for (part, why) in NOTHING_TO_FIND {
        let before = queries.len();
        queries.retain(|query| !query.contains(part));
        assert!(queries.len() < before, "no query has {part}, of which is said: {why}");
    }
    until_none("each query finds something", || {
        queries
            .retain(|query| !prometheus.query(query).iter().any(|found| found.value.is_finite()));
        queries.clone()
    });
}

#[test]
fn every_panel_and_rule_has_something_to_show_or_watch() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 20ms --itl 2ms --output-tokens 8 --fault-status 500:10%");
    let served = Served::start(desk, &sim.url);
    let plain = prometheus(&served, "", &[]);
    let address = served.url.trim_start_matches("http://");
    let job = format!(
        "  - job_name: native\n    params: {{ format: [protobuf] }}\n    \
         static_configs: [{{ targets: [\"{address}\"] }}]\n"
    );
    let native = prometheus(&served, &job, &["native-histograms"]);
    load(&served, "sim");

    assert_found(&plain, queries(&plain));
    let mut asked = queries(&native);
    asked.extend([
        r#"histogram_quantile(0.95, rate(llm_request_duration_seconds{job="native"}[1m]))"#.into(),
        r#"histogram_quantile(0.95, llm_request_duration_seconds_bucket{job="prony"})"#.into(),
    ]);
    assert_found(&native, asked);
    served.stop();
    sim.stop();
}

#[test]
fn promtool_takes_the_rules_that_users_have() {
    let desk = Desk::new();
    desk.write("users.yml", USERS_RULES);
    let checked = Command::new(debian("promtool"))
        .args(["check", "rules"])
        .arg(desk.path("users.yml"))
        .output()
        .expect("it can be started");
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}
