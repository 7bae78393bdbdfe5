//! Rules as a file that Prometheus loads.

use crate::promql;
use crate::rule::Rule;
use crate::span;

/// The text of a Prometheus rule file with one group of alerts, the same ones in the same words.
///
/// Hysteresis needs no more than Prometheus' own `ALERTS`; rules with it must be evaluated at least
/// every five minutes, which is how long Prometheus remembers those.
#[must_use]
pub fn prometheus(rules: &[Rule]) -> String {
    let mut text = String::from(
        "# The alerts that Prony raises by itself, as it writes them for \
         Prometheus.\n\ngroups:\n  - name: prony\n    rules:\n",
    );
    for rule in rules {
        text.push_str(&format!("      - alert: {}\n        expr: |-\n", rule.name));
        for line in promql::condition(rule).lines() {
            text.push_str(&format!("          {line}\n"));
        }
        if !rule.hold.is_zero() {
            text.push_str(&format!("        for: {}\n", span::show(rule.hold)));
        }
        let summary = rule.summary.prometheus(rule.metric.unit());
        text.push_str(&format!(
            "        labels:\n          severity: {}\n        annotations:\n          summary: {}\n",
            rule.severity,
            quoted(&summary)
        ));
    }
    text
}

/// A single-quoted scalar of YAML, in which only the quote itself is escaped. Summaries hold no
/// control characters.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
