//! Rule by rule and sample by sample: the alerts that fire inside are those that fire in Prometheus.

use std::collections::BTreeMap;
use std::time::Duration;

use alert::{AlertBook, Moment, Rule};
use domain::Seed;
use serde_json::{Value, json};

use crate::traffic::{STEP_S, STEPS, Traffic};
use crate::{promtool, rules, write};

/// Besides those that Prony begins with: each comparison, quantity and way to group, with and without
/// hysteresis, and texts that need their escapes.
const MORE: &str = r#"
    [[rule]]
    name = "Idle"
    metric = "request_rate"
    below = "1.5/s"
    clear = "1.9/s"
    window = "2m"
    for = "1m"
    where = { source = ["gateway"], model = "m-4.1 (\"x\")" }
    severity = "warning"

    [[rule]]
    name = "Busy"
    metric = "request_rate"
    above = "5/s"
    window = "1m"
    group_by = ["source", "region"]
    severity = "warning"
    summary = "{{it's}} \"{source}\" in '{region}': {value}, {{{threshold}}}"

    [[rule]]
    name = "Nobody"
    metric = "no_traffic"
    window = "5m"
    where = { model = ["m-4.1 (\"x\")", "m-4+1"] }
    severity = "critical"

    [[rule]]
    name = "Nothing"
    metric = "no_traffic"
    window = "5m"
    where = { model = "gone" }
    for = "5m"
    severity = "critical"

    [[rule]]
    name = "Dear"
    metric = "cost_per_hour"
    above = "200 USD/h"
    clear = "100 USD/h"
    window = "10m"
    group_by = ["model"]
    severity = "critical"

    [[rule]]
    name = "Failing"
    metric = "error_rate"
    above = "6%"
    clear = "4.9%"
    window = "3m"
    for = "2m"
    severity = "critical"

    [[rule]]
    name = "Burning"
    metric = "burn_rate"
    objective = "99.5%"
    above = "10x"
    clear = "5x"
    window = "20m"
    short_window = "2m"
    group_by = ["provider"]
    severity = "critical"

    [[rule]]
    name = "Slow"
    metric = "e2e_p95"
    above = "2s"
    clear = "1.8s"
    window = "5m"
    for = "5m"
    group_by = ["model", "provider"]
    severity = "warning"

    [[rule]]
    name = "Dragging"
    metric = "tpot_p50"
    above = "25ms"
    window = "1m"
    group_by = ["model", "provider", "region", "scenario", "source"]
    severity = "warning"

    [[rule]]
    name = "Cached"
    metric = "ttft_p99.9"
    below = "600ms"
    clear = "900ms"
    window = "1m"
    where = { source = "gateway" }
    group_by = ["model"]
    severity = "warning"
"#;

/// What fires at each sample, by rule, in the form of promtool's expectations.
fn expected(rules: &[Rule], traffic: &Traffic) -> Vec<Value> {
    let mut book = AlertBook::new(rules.to_vec(), Vec::new(), Seed(0));
    let mut tests = Vec::new();
    for at in 0..=STEPS {
        let second = at as u64 * STEP_S;
        let now = Moment::from_unix_ms(0) + Duration::from_secs(second);
        let answers = book.questions().into_iter().map(|questions| {
            questions.iter().map(|question| traffic.answer(question, at)).collect()
        });
        book.evaluate(answers.collect(), now);
        let mut firing: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for listed in book.list(now).iter().filter(|listed| listed.alert.is_firing()) {
            let labels: BTreeMap<String, &str> = listed
                .labels
                .iter()
                .map(|(label, value)| (label.to_string(), value.as_str()))
                .filter(|(label, _)| label != "alertname")
                .collect();
            let alert = json!({
                "exp_labels": labels,
                "exp_annotations": { "summary": listed.summary },
            });
            firing.entry(&listed.rule.name).or_default().push(alert);
        }
        for rule in rules {
            tests.push(json!({
                "eval_time": format!("{second}s"),
                "alertname": rule.name,
                "exp_alerts": firing.remove(&*rule.name).unwrap_or_default(),
            }));
        }
    }
    tests
}

#[test]
fn prometheus_raises_the_same_alerts_in_the_same_words() {
    let rules: Vec<Rule> =
        [rules(alert::settings::USUAL_RULES), rules(MORE)].into_iter().flatten().collect();
    let traffic = Traffic::new();
    let tests = expected(&rules, &traffic);
    for rule in &rules {
        let of_rule = tests.iter().filter(|test| test["alertname"] == *rule.name);
        let firing = of_rule.filter(|test| test["exp_alerts"] != json!([])).count();
        assert!(firing > 0, "{} never fires, so nothing is shown", rule.name);
        assert!(firing < STEPS, "{} never rests, so nothing is shown", rule.name);
    }
    let test = json!({
        "rule_files": ["rules.yml"],
        "evaluation_interval": format!("{STEP_S}s"),
        "tests": [{
            "interval": format!("{STEP_S}s"),
            "input_series": traffic.input_series(),
            "alert_rule_test": tests,
        }],
    });
    let folder = tempfile::tempdir().expect("there is room");
    write(folder.path(), "rules.yml", &alert::export::prometheus(&rules));
    write(folder.path(), "test.yml", &test.to_string());
    promtool(&["check", "rules", "rules.yml"], folder.path()).expect("they load");
    promtool(&["test", "rules", "test.yml"], folder.path()).expect("they agree");
}

#[test]
fn expressions_are_legible() {
    let mut text = String::new();
    for rule in rules(MORE) {
        text.push_str(&format!("{}\n{}\n\n", rule.name, alert::promql::condition(&rule)));
    }
    insta::assert_snapshot!(text);
}
