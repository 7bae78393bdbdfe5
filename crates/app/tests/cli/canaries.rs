//! Canaries: what a server asks its targets by schedules, and what it makes of the answers.

use serde_json::{Value, json};
use testkit::program::until;

use crate::desk::{Desk, integer, items, text};
use crate::serving::Served;

/// Asked every second, and an alert as soon as most of that fails.
const FILE: &str = r#"
[schedules.canary]
every = "1s"
max_tokens = 4

[alerts]
interval = "1s"
usual_rules = false

[[alerts.rules]]
name = "CanaryFails"
metric = "error_rate"
above = "50%"
window = "5s"
where = { source = "canary" }
group_by = "provider"
severity = "critical"
"#;

fn hour(served: &Served) -> Value {
    let found = served.get("/api/v1/availability?target=sim");
    items(&found["items"]).first().map(|found| found["windows"][0].clone()).unwrap_or_default()
}

/// What `key` of the last hour counts; 0 before the first round.
fn count(served: &Served, key: &str) -> u64 {
    hour(served)[key].as_u64().unwrap_or_default()
}

fn alerts(served: &Served) -> Vec<String> {
    let alerts = served.get("/api/v1/alerts");
    let firing = items(&alerts["items"]).iter().filter(|alert| alert["state"] == "firing");
    firing.map(|alert| text(&alert["rule"]).to_owned()).collect()
}

#[test]
fn a_target_that_goes_down_and_comes_back_is_seen_by_its_canary() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let address = sim.url.clone();
    let served = Served::start_with(desk, &address, FILE);
    until("it was asked", || count(&served, "checks") >= 2);
    let up = hour(&served);
    assert_eq!((&up["share"], &up["condition"]), (&json!(1.0), &json!("up")));
    assert!(alerts(&served).is_empty());

    sim.stop();
    until("it is seen to be down", || count(&served, "failed") >= 1);
    until("the alert fires", || alerts(&served) == ["CanaryFails"]);
    let found = served.get("/api/v1/availability");
    let downtime = &found["items"][0]["downtimes"][0];
    assert_eq!((&downtime["to"], text(&downtime["schedule"])), (&Value::Null, "canary"));

    let port = address.rsplit(':').next().expect("a port");
    let sim = served.desk.sim_at(port, "--ttft 5ms --itl 1ms");
    until("the alert is resolved", || alerts(&served).is_empty());
    until("the downtime has ended", || {
        served.get("/api/v1/availability")["items"][0]["downtimes"][0]["to"].is_string()
    });
    let back = hour(&served);
    let share = back["share"].as_f64().expect("it was asked");
    assert!(share > 0.0 && share < 1.0 && back["condition"] == "degraded", "{back}");
    let target = &served.get("/api/v1/targets")["items"][0]["availability"];
    assert!(integer(&target["checks"]) >= integer(&back["checks"]), "{target}");
    let (_, metrics) = served.call("GET", "/metrics", &json!({}));
    for part in [
        "source=\"canary\",outcome=\"success\"}",
        "prony_canary_rounds_total{schedule=\"canary\",target=\"sim\",outcome=\"down\"}",
    ] {
        assert!(metrics.contains(part), "{part}: {metrics}");
    }
    assert_eq!(served.get("/api/v1/benchmarks")["items"], json!([]));

    let desk = served.stop();
    assert_eq!(desk.prony("runs list").stderr, "there are no runs yet\n");
    let sql = "SELECT source, count(run_id) AS of_runs, \
               count(*) FILTER (WHERE error_kind IS NULL) > 1 AS answered, \
               count(error_kind) > 0 AS failed FROM requests GROUP BY 1";
    let counts = desk.prony_in(&[], &["query", "--format", "csv", sql]);
    assert_eq!(
        counts.stdout, "source,of_runs,answered,failed\ncanary,0,true,true\n",
        "{}",
        counts.stderr
    );
    sim.stop();
}

#[test]
fn a_canary_stays_away_from_a_benchmark() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    let served = Served::start_with(desk, &sim.url, "[schedules.canary]\nevery = \"1s\"\n");
    let id = served.create(&json!({
        "models": ["sim"], "test_scenarios": ["short_queries"],
        "concurrent_users": 1, "duration_seconds": 3.0,
    }));
    until("it is completed", || served.benchmark(&id)["status"] == "completed");
    let beside = hour(&served);
    assert!(integer(&beside["rounds_left_out"]) >= 2, "{beside}");
    assert_eq!(integer(&beside["failed"]), 0);
    until("it is asked again", || count(&served, "checks") > integer(&beside["checks"]));
    served.stop();
    sim.stop();
}
