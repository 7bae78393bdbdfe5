//! `prony alerts export`: rules that Prometheus loads.

use std::process::Command;

use crate::desk::Desk;

/// A rule beside the usual ones, in a file that asks for a secret which is not set.
const FILE: &str = r#"
[targets.gpt]
url = "https://api.openai.com"
model = "gpt-4o"
key_env = "A_KEY_THAT_IS_NOT_SET"

[[alerts.rules]]
name = "SlowAnswers"
metric = "tpot_p99"
above = "50ms"
window = "5m"
for = "2m"
group_by = "model"
severity = "warning"
summary = "{model} isn't fast: {value}"
"#;

/// Prometheus' own word on the rules in `text`.
fn assert_prometheus_loads(desk: &Desk, text: &str) {
    desk.write("rules.yml", text);
    let rules = desk.path("rules.yml");
    let checked = Command::new(testkit::asset::debian("promtool"))
        .args(["check", "rules"])
        .arg(rules)
        .output();
    let checked = checked.expect("promtool can be started");
    let [out, err] =
        [checked.stdout, checked.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    assert!(checked.status.success(), "{out}{err}\n{text}");
}

#[test]
fn the_usual_rules_are_exported_where_there_is_no_file() {
    let desk = Desk::new();
    let exported = desk.prony("alerts export");
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert_eq!(exported.stderr, "there is no prony.toml here: the usual rules\n");
    for name in ["HighLatency", "CostThresholdExceeded", "NoTraffic"] {
        assert!(exported.stdout.contains(&format!("- alert: {name}\n")), "{}", exported.stdout);
    }
    assert_prometheus_loads(&desk, &exported.stdout);
}

#[test]
fn a_files_rules_are_exported_without_its_secrets() {
    let desk = Desk::new();
    desk.write("prony.toml", FILE);
    let exported = desk.prony("alerts export");
    assert_eq!((exported.code, &*exported.stderr), (Some(0), ""));
    assert!(exported.stdout.contains("- alert: HighLatency\n"), "{}", exported.stdout);
    assert!(exported.stdout.contains("- alert: SlowAnswers\n"), "{}", exported.stdout);
    assert_prometheus_loads(&desk, &exported.stdout);

    let alone = FILE.replace("[[alerts", "[alerts]\nusual_rules = false\n[[alerts");
    desk.write("alone.toml", alone);
    insta::assert_snapshot!(desk.prony("alerts export --config alone.toml").redacted(), @r#"
    $ prony alerts export --config alone.toml
    # The alerts that Prony raises by itself, as it writes them for Prometheus.

    groups:
      - name: prony
        rules:
          - alert: SlowAnswers
            expr: |-
              histogram_quantile(0.99, sum by (model, le) (rate(llm_time_per_output_token_seconds_bucket[5m]))) > 0.05
            for: 2m
            labels:
              severity: warning
            annotations:
              summary: '{{ $labels.model }} isn''t fast: {{ $value | humanizeDuration }}'
    exit code 0
    "#);
}

#[test]
fn rules_that_cannot_be_used_are_told_with_their_line() {
    let desk = Desk::new();
    desk.write("wrong.toml", FILE.replace("50ms", "50"));
    let refused = desk.prony("alerts export --config wrong.toml");
    assert_eq!((refused.code, &*refused.stdout), (Some(2), ""));
    assert_eq!(
        refused.stderr,
        "error: wrong.toml cannot be used:\n  line 10: `alerts.rules[0].above` cannot be used: `50` \
         is no length of time; write it as in 500ms, 30s, 5m or 1h30m\n"
    );
    assert_eq!(desk.prony("alerts export --config gone.toml").code, Some(3));
}
