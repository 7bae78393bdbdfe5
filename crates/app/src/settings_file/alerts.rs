//! What is watched, and how often.
//!
//! Tables are read key by key, so that everything that is wrong with them is told; what their values
//! mean is for `alert` to say.

use std::fmt;
use std::time::Duration;

use alert::notify::Surroundings;
use alert::settings::{OneOrMore, SettingError, USUAL_RULES};
use alert::{Receiver, Rule, RuleSettings, span};

use super::reader::Table;
use super::receiver;
use crate::value::Span;

/// How often rules are evaluated where nothing is said: as the configuration that comes with
/// Prometheus has it.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(15);
/// Prometheus forgets within five minutes that an alert fired, and so the other threshold it has then.
const INTERVAL_MAX: Duration = Duration::from_secs(300);

/// `[alerts]`
#[derive(Debug)]
pub(crate) struct AlertSettings {
    /// How long between two evaluations.
    pub(crate) interval: Duration,
    /// What is watched; no two rules have the same name.
    pub(crate) rules: Vec<Rule>,
    /// Who is told; no two have the same name.
    pub(crate) receivers: Vec<Receiver>,
    /// How receivers are trusted, and where people find this Prony.
    pub(crate) surroundings: Surroundings,
}

impl AlertSettings {
    pub(super) fn read(root: &mut Table<'_>) -> Self {
        let trusting = |pem| Surroundings::new(pem, None);
        let public = || trusting(None).expect("the public authorities are sound");
        let Some(mut table) = root.table("alerts") else {
            let (interval, rules) = (INTERVAL_DEFAULT, usual_rules());
            return Self { interval, rules, receivers: Vec::new(), surroundings: public() };
        };
        let interval = interval(&mut table);
        let rules = rules_of(&mut table);
        let receivers = receiver::all(&mut table);
        let mut surroundings = trusting(table.file("ca_file")).unwrap_or_else(|reason| {
            table.refuse("ca_file", format!("cannot be used: {reason}"), "");
            public()
        });
        surroundings.external_url = table.text("external_url");
        table.refuse_others();
        Self { interval, rules, receivers, surroundings }
    }
}

/// The rules alone.
pub(super) fn rules(root: &mut Table<'_>) -> Vec<Rule> {
    match root.table("alerts") {
        Some(mut table) => rules_of(&mut table),
        None => usual_rules(),
    }
}

/// The rules that Prony begins with.
pub(crate) fn usual_rules() -> Vec<Rule> {
    let usual: toml::Table = USUAL_RULES.parse().expect("it is TOML");
    let rules = usual.into_iter().flat_map(|(_, rules)| {
        rules.try_into::<Vec<RuleSettings>>().expect("it lists rules and nothing else")
    });
    rules.map(|rule| rule.check().expect("the usual rules are sound")).collect()
}

fn interval(table: &mut Table<'_>) -> Duration {
    let Some(Span(interval)) = table.parsed("interval") else { return INTERVAL_DEFAULT };
    if !(Duration::from_secs(1)..=INTERVAL_MAX).contains(&interval) {
        table.refuse("interval", "is not from 1s to 5m", "15s is usual");
    }
    interval
}

/// The usual rules, where they are wanted, and the file's own. One of the same name stands in the
/// place of a usual one.
fn rules_of(table: &mut Table<'_>) -> Vec<Rule> {
    let are_wanted = table.switch("usual_rules").unwrap_or(true);
    let mut rules = if are_wanted { usual_rules() } else { Vec::new() };
    let mut names = Vec::new();
    for mut table in table.list("rules") {
        if let Some(rule) = rule(&mut table) {
            refuse_twice(&table, &mut names, &rule.name);
            match rules.iter_mut().find(|usual| usual.name == rule.name) {
                Some(usual) => *usual = rule,
                None => rules.push(rule),
            }
        }
        table.refuse_others();
    }
    rules
}

/// `[[alerts.rules]]`
fn rule(table: &mut Table<'_>) -> Option<Rule> {
    let faults = table.faults();
    let filters = table.words_by_name("where").into_iter();
    let optional = |table: &mut Table<'_>, key| table.text(key);
    let name = required(table, "name", "name = \"SlowAnswers\"");
    let metric = required(table, "metric", "metric = \"e2e_p95\"");
    let (above, below) = (optional(table, "above"), optional(table, "below"));
    let clear = optional(table, "clear");
    let window = required(table, "window", "window = \"5m\"");
    let (short_window, objective) = (optional(table, "short_window"), optional(table, "objective"));
    let hold = optional(table, "for");
    let group_by = table.words("group_by").unwrap_or_default();
    let severity = required(table, "severity", "severity = \"warning\"");
    let settings = RuleSettings {
        name: name?,
        metric: metric?,
        above,
        below,
        clear,
        window: window?,
        short_window,
        objective,
        hold,
        filters: filters.map(|(name, values)| (name, OneOrMore::More(values))).collect(),
        group_by,
        severity: severity?,
        summary: table.text("summary"),
    };
    checked(table, faults, || settings.check())
}

pub(super) fn required(table: &mut Table<'_>, key: &'static str, example: &str) -> Option<String> {
    if !table.has(key) {
        table.refuse(key, "is missing", format!("write {example}"));
    }
    table.text(key)
}

/// What `check` makes of a table, unless more than `faults` is known to be wrong already: what is
/// left of such a table would be blamed for what it lacks.
pub(super) fn checked<T>(
    table: &Table<'_>,
    faults: usize,
    check: impl FnOnce() -> Result<T, SettingError>,
) -> Option<T> {
    if table.faults() > faults {
        return None;
    }
    check()
        .map_err(|SettingError { key, reason, .. }| {
            table.refuse(key, format!("cannot be used: {reason}"), "");
        })
        .ok()
}

pub(super) fn refuse_twice(table: &Table<'_>, names: &mut Vec<String>, name: &str) {
    if names.iter().any(|known| known == name) {
        table.refuse("name", "is another one's name already", "");
    }
    names.push(name.to_owned());
}

impl fmt::Display for AlertSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return f.write_str("no rules");
        }
        let names: Vec<&str> = self.rules.iter().map(|rule| &*rule.name).collect();
        write!(f, "every {}: {}", span::show(self.interval), names.join(", "))?;
        if self.receivers.is_empty() {
            f.write_str("; nobody is told")?;
        }
        match &self.surroundings.external_url {
            Some(url) => write!(f, "; messages link to {url}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::super::tests::faults;

    #[test]
    fn everything_that_is_wrong_with_rules_and_receivers_is_told_with_its_line() {
        let text = r#"
[alerts]
interval = "10m"
usual_rules = "no"
receiver = "x"

[[alerts.rules]]
name = "Slow"
metric = "e2e_p95"
above = "2 parsecs"
window = "5m"
severity = "warning"

[[alerts.rules]]
name = "Slow Too"
metrik = "e2e_p95"
window = 5
where = { source = 3 }
severity = "warning"

[[alerts.rules]]
name = "Same"
metric = "no_traffic"
window = "5m"
severity = "fatal"

[[alerts.rules]]
name = "Twice"
metric = "no_traffic"
window = "5m"
severity = "warning"
where = { colour = "red" }

[[alerts.receivers]]
name = "desk"
kind = "webhok"

[[alerts.receivers]]
name = "pager"
kind = "webhook"
url = { env = "sk-secret" }

[[alerts.receivers]]
name = "slack"
kind = "slack"
url = { file = "sk-secret", path = "x" }
channel = "x"

[[alerts.receivers]]
kind = "email"
password = {}

[[alerts.receivers]]
name = "desk"
kind = "alertmanager"
url = "http://127.0.0.1:9093"
authorization = "sk-secret"
"#;
        let told = faults(text);
        assert!(!told.contains("sk-secret"), "{told}");
        assert_snapshot!(told, @r#"
        error: prony.toml cannot be used:
          line 3: `alerts.interval` is not from 1s to 5m
            help: 15s is usual
          line 4: `alerts.usual_rules` is neither true nor false
            help: write it without quotes
          line 5: `alerts.receiver` is no setting
            help: the nearest is `receivers`
          line 10: `alerts.rules[0].above` cannot be used: `2 parsecs` is no length of time; write it as in 500ms, 30s, 5m or 1h30m
          line 14: `alerts.rules[1].metric` is missing
            help: write metric = "e2e_p95"
          line 16: `alerts.rules[1].metrik` is no setting
            help: the nearest is `metric`
          line 17: `alerts.rules[1].window` is no text
            help: write window = "…"
          line 18: `alerts.rules[1].where.source` is neither a text nor a list of texts
            help: put it in quotes
          line 25: `alerts.rules[2].severity` cannot be used: `fatal` is no severity; use one of warning, critical
          line 32: `alerts.rules[3].where` cannot be used: `colour` is no label of requests; use one of model, provider, region, vantage, vantage_region, scenario, source
          line 36: `alerts.receivers[0].kind` cannot be used: `webhok` is no kind of receiver; did you mean `webhook`?
          line 41: `alerts.receivers[1].url` cannot be used: it names a variable of the environment that is not set
          line 46: `alerts.receivers[2].url.path` is no setting
            help: there are env, file
          line 47: `alerts.receivers[2].channel` is no setting
            help: there are name, kind, url, authorization, server, encryption, username, password, from, to, matchers, group_by, group_wait, group_interval, repeat_interval
          line 49: `alerts.receivers[3].name` is missing
            help: write name = "on-call"
          line 51: `alerts.receivers[3].password` does not say where the secret is
            help: write { env = "NAME" } or { file = "PATH" }
          line 57: `alerts.receivers[4].authorization` cannot be used: a secret has no place in a configuration file; write { env = "NAME" } or { file = "PATH" }
        "#);
        assert_snapshot!(faults("alerts.rules = 3\nalerts.receivers = [3]\n"), @r#"
        error: prony.toml cannot be used:
          line 1: `alerts.rules` is no list of tables
            help: write [[alerts.rules]]
          line 2: `alerts.receivers[0]` is no table
        "#);
    }

    #[test]
    fn a_rule_of_ones_own_stands_in_the_place_of_a_usual_one() {
        let text = r#"
[alerts]
interval = "30s"
external_url = "https://prony.example"

[[alerts.rules]]
name = "SlowAnswers"
metric = "tpot_p99"
above = "50ms"
window = "5m"
severity = "warning"

[[alerts.rules]]
name = "HighLatency"
metric = "e2e_p95"
above = "4s"
clear = "3s"
window = "5m"
for = "10m"
where = { model = ["gpt", "local"], source = "gateway" }
group_by = "model"
severity = "critical"

[[alerts.receivers]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:1/x"

[[alerts.receivers]]
name = "mail"
kind = "email"
server = "smtp.example.com"
from = "prony@example.com"
to = ["a@example.com", "b@example.com"]
"#;
        assert_snapshot!(faults(text), @r#"
        in order
        server    http://127.0.0.1:8080, no keys, up to 100 benchmarks wait
        store     /nowhere/prony-data, records are kept for ever
        alerts    every 30s: HighLatency, SlowFirstToken, HighErrorRate, CostThresholdExceeded, NoTraffic, ErrorBudgetBurnsFast, ErrorBudgetBurns, SlowAnswers; messages link to https://prony.example
        receiver  hook: a webhook
        receiver  mail: e-mail to a@example.com, b@example.com through smtp.example.com
        "#);
    }

    #[test]
    fn names_are_given_once() {
        let rule = "[[alerts.rules]]\nname = 'A'\nmetric = 'no_traffic'\nwindow = '5m'\n\
                    severity = 'warning'\n";
        let receiver =
            "[[alerts.receivers]]\nname = 'a'\nkind = 'slack'\nurl = 'http://a.example'\n";
        assert_snapshot!(faults(&[rule, rule, receiver, receiver].concat()), @r#"
        error: prony.toml cannot be used:
          line 7: `alerts.rules[1].name` is another one's name already
          line 16: `alerts.receivers[1].name` is another one's name already
        "#);
    }
}
