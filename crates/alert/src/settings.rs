//! A rule as people write it, and the check that makes a [`Rule`] of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;

use crate::label::{Dimension, Severity, named};
use crate::question::{Filters, Latency};
use crate::rule::{Comparison, Metric, Rule};
use crate::span;
use crate::summary::Template;
use crate::unit::{Unit, percent_of_one};

/// The rules that Prony begins with: a list `rule` of [`RuleSettings`], as TOML.
pub const USUAL_RULES: &str = include_str!("usual_rules.toml");

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{of}: `{key}`: {reason}")]
pub struct SettingError {
    /// Whose setting it is, as in "alert rule `HighLatency`".
    pub of: String,
    /// The setting's name.
    pub key: &'static str,
    /// What is wrong with it and what to do.
    pub reason: String,
}

/// One value, or several.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

/// An alert rule as written: every quantity as text with its unit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSettings {
    /// Letters, digits and underscores.
    pub name: String,
    /// `e2e_p95`, `ttft_p50`, `tpot_p99` and the like, `error_rate`, `request_rate`,
    /// `cost_per_hour`, `burn_rate` or `no_traffic`.
    pub metric: String,
    /// The threshold where larger is worse.
    pub above: Option<String>,
    /// The threshold where smaller is worse.
    pub below: Option<String>,
    /// Hysteresis: an alert that fires ends only beyond this, on the good side of the threshold.
    pub clear: Option<String>,
    /// How long back requests count, as in `5m`.
    pub window: String,
    /// The shorter window of a burn rate.
    pub short_window: Option<String>,
    /// The objective of a burn rate, as in `99.9%`.
    pub objective: Option<String>,
    /// How long it must be bad before the alert fires; `0s` where nothing is said.
    #[serde(rename = "for")]
    pub hold: Option<String>,
    /// Only requests with these labels count.
    #[serde(rename = "where", default)]
    pub filters: BTreeMap<String, OneOrMore>,
    /// An alert for each combination of these labels; one for all requests where nothing is said.
    #[serde(default)]
    pub group_by: Vec<String>,
    /// `warning` or `critical`.
    pub severity: String,
    /// The sentence that tells of it, with places such as `{value}`; one is made where nothing is
    /// said.
    pub summary: Option<String>,
}

/// A setting's name and what is wrong with it.
type Wrong = (&'static str, String);

impl RuleSettings {
    /// Checks every part, and that they fit.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn check(&self) -> Result<Rule, SettingError> {
        self.rule().map_err(|(key, reason)| SettingError {
            of: format!("alert rule `{}`", self.name),
            key,
            reason,
        })
    }

    fn rule(&self) -> Result<Rule, Wrong> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.name.starts_with(|c: char| c.is_ascii_digit())
            || self.name.is_empty()
            || !self.name.chars().all(is_word)
        {
            let reason = "a name is letters, digits and underscores, and begins with no digit";
            return Err(("name", reason.into()));
        }
        let window = window_of("window", &self.window)?;
        let metric = self.metric(window)?;
        let (comparison, threshold) = self.threshold(metric)?;
        let clear = self.clear(metric, comparison, threshold)?;
        let hold = self.hold.as_deref().unwrap_or("0s");
        let hold = span::parse(hold).map_err(|reason| ("for", reason))?;
        let filters = self.filters()?;
        let group_by = self.group_by()?;
        let severity = Severity::parse(&self.severity).map_err(|reason| ("severity", reason))?;
        let text =
            self.summary.clone().unwrap_or_else(|| self.usual_summary(metric, hold, &group_by));
        let shown = metric.unit().show(threshold);
        let summary =
            Template::parse(&text, &shown, &group_by).map_err(|reason| ("summary", reason))?;
        Ok(Rule {
            name: self.name.clone(),
            metric,
            comparison,
            threshold,
            clear,
            window,
            hold,
            filters,
            group_by,
            severity,
            summary,
        })
    }

    fn metric(&self, window: Duration) -> Result<Metric, Wrong> {
        let metric = match latency_metric(&self.metric) {
            Some(metric) => metric.map_err(|reason| ("metric", reason))?,
            None => self.other_metric(window)?,
        };
        if !matches!(metric, Metric::BurnRate { .. }) {
            let only = |key| (key, "only a burn_rate has one".to_owned());
            if self.short_window.is_some() {
                return Err(only("short_window"));
            }
            if self.objective.is_some() {
                return Err(only("objective"));
            }
        }
        Ok(metric)
    }

    fn other_metric(&self, window: Duration) -> Result<Metric, Wrong> {
        let word = named(&self.metric, "metric", &Word::ALL, Word::as_str)
            .map_err(|reason| ("metric", format!("{reason}, or a latency such as e2e_p95")))?;
        Ok(match word {
            Word::ErrorRate => Metric::ErrorRate,
            Word::RequestRate => Metric::RequestRate,
            Word::CostPerHour => Metric::CostPerHour,
            Word::NoTraffic => Metric::NoTraffic,
            Word::BurnRate => self.burn_rate(window)?,
        })
    }

    fn burn_rate(&self, window: Duration) -> Result<Metric, Wrong> {
        let missing = |key, example: &str| (key, format!("a burn_rate needs one, as in {example}"));
        let short = self.short_window.as_ref().ok_or_else(|| missing("short_window", "5m"))?;
        let short_window = window_of("short_window", short)?;
        if short_window >= window {
            return Err(("short_window", "it must be shorter than `window`".into()));
        }
        let objective = self.objective.as_ref().ok_or_else(|| missing("objective", "99.9%"))?;
        let objective = Unit::Share.parse(objective).map_err(|reason| ("objective", reason))?;
        if !(objective > 0.0 && objective < 1.0) {
            return Err(("objective", "it must be above 0% and below 100%".into()));
        }
        Ok(Metric::BurnRate { objective, short_window })
    }

    fn threshold(&self, metric: Metric) -> Result<(Comparison, f64), Wrong> {
        let read = |key, text: &str| metric.unit().parse(text).map_err(|reason| (key, reason));
        match (metric, &self.above, &self.below) {
            (Metric::NoTraffic, None, None) => Ok((Comparison::Equal, 0.0)),
            (Metric::NoTraffic, Some(_), _) => Err(("above", "no_traffic has no threshold".into())),
            (Metric::NoTraffic, None, Some(_)) => {
                Err(("below", "no_traffic has no threshold; watch request_rate for one".into()))
            }
            (_, Some(_), Some(_)) => {
                Err(("below", "`above` is set too; a rule has one threshold".into()))
            }
            (_, None, None) => Err(("above", "set the threshold, with `above` or `below`".into())),
            (_, Some(above), None) => Ok((Comparison::Above, read("above", above)?)),
            // Of a share of failures no figure is too small, and where nothing failed Prometheus may
            // know no series to hold against it.
            (Metric::ErrorRate | Metric::BurnRate { .. }, None, Some(_)) => {
                Err(("below", "too few errors are no reason to call; use `above`".into()))
            }
            (_, None, Some(below)) => Ok((Comparison::Below, read("below", below)?)),
        }
    }

    fn clear(&self, metric: Metric, comparison: Comparison, threshold: f64) -> Result<f64, Wrong> {
        let Some(clear) = &self.clear else { return Ok(threshold) };
        let clear = metric.unit().parse(clear).map_err(|reason| ("clear", reason))?;
        match comparison {
            Comparison::Above if clear > threshold => {
                Err(("clear", "it must not be above the threshold, which is `above`".into()))
            }
            Comparison::Below if clear < threshold => {
                Err(("clear", "it must not be below the threshold, which is `below`".into()))
            }
            Comparison::Equal => Err(("clear", "no_traffic has no threshold".into())),
            Comparison::Above | Comparison::Below => Ok(clear),
        }
    }

    fn filters(&self) -> Result<Filters, Wrong> {
        let mut filters = Filters::new();
        for (name, values) in &self.filters {
            let dimension = Dimension::parse(name).map_err(|reason| ("where", reason))?;
            let values: BTreeSet<String> = match values {
                OneOrMore::One(value) => [value.clone()].into(),
                OneOrMore::More(values) => values.iter().cloned().collect(),
            };
            if values.is_empty() {
                let reason = format!("`{name}` lists no value, so no request would count");
                return Err(("where", reason));
            }
            if let Some(value) = values.iter().find(|value| value.contains(char::is_control)) {
                return Err(("where", format!("{value:?} holds a control character")));
            }
            filters.insert(dimension, values);
        }
        Ok(filters)
    }

    fn group_by(&self) -> Result<BTreeSet<Dimension>, Wrong> {
        let read = |name: &String| Dimension::parse(name).map_err(|reason| ("group_by", reason));
        self.group_by.iter().map(read).collect()
    }

    /// As in `p95 end-to-end latency of {model} at {provider} is {value}, above {threshold} for 5m`.
    fn usual_summary(
        &self,
        metric: Metric,
        hold: Duration,
        group_by: &BTreeSet<Dimension>,
    ) -> String {
        let places = group_by.iter().map(|dimension| {
            let before = match dimension {
                Dimension::Model => "of",
                Dimension::Provider => "at",
                Dimension::Region => "in",
                Dimension::Vantage => "seen by the",
                Dimension::VantageRegion => "seen from",
                Dimension::Scenario => "on",
                Dimension::Source => "asked by",
            };
            format!(" {before} {{{dimension}}}")
        });
        let about: String = places.collect();
        if metric == Metric::NoTraffic {
            return format!("no request{about} ended within {}", self.window);
        }
        let side = if self.above.is_some() { "above" } else { "below" };
        let long =
            if hold.is_zero() { String::new() } else { format!(" for {}", span::show(hold)) };
        format!("{}{about} is {{value}}, {side} {{threshold}}{long}", metric.words())
    }
}

/// The metrics that are one word.
#[derive(Clone, Copy)]
enum Word {
    ErrorRate,
    RequestRate,
    CostPerHour,
    BurnRate,
    NoTraffic,
}

impl Word {
    const ALL: [Self; 5] =
        [Self::ErrorRate, Self::RequestRate, Self::CostPerHour, Self::BurnRate, Self::NoTraffic];

    const fn as_str(self) -> &'static str {
        match self {
            Self::ErrorRate => "error_rate",
            Self::RequestRate => "request_rate",
            Self::CostPerHour => "cost_per_hour",
            Self::BurnRate => "burn_rate",
            Self::NoTraffic => "no_traffic",
        }
    }
}

/// A time to look back over.
fn window_of(key: &'static str, text: &str) -> Result<Duration, Wrong> {
    // What has happened is known a second or two later: a shorter window might never see a thing.
    const MIN: Duration = Duration::from_secs(5);
    let window = positive(key, text)?;
    if window < MIN {
        return Err((key, "it must be 5s or longer".into()));
    }
    Ok(window)
}

fn positive(key: &'static str, text: &str) -> Result<Duration, Wrong> {
    let span = span::parse(text).map_err(|reason| (key, reason))?;
    if span.is_zero() {
        return Err((key, "it must be longer than nothing".into()));
    }
    Ok(span)
}

/// A latency's quantile, as in `ttft_p99.9`; `None` where `text` does not begin like one.
fn latency_metric(text: &str) -> Option<Result<Metric, String>> {
    let (latency, percent) = text.split_once("_p")?;
    let latency = match latency {
        "e2e" => Latency::E2e,
        "ttft" => Latency::Ttft,
        "tpot" => Latency::Tpot,
        _ => return None,
    };
    let quantile = percent_of_one(percent).filter(|quantile| *quantile > 0.0 && *quantile < 1.0);
    Some(quantile.map_or_else(
        || Err(format!("`{text}` should end in a percentile between 0 and 100, as in p95")),
        |quantile| Ok(Metric::Latency { latency, quantile }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        name = "SlowFirstToken"
        metric = "ttft_p99.9"
        above = "1s"
        clear = "800ms"
        window = "5m"
        for = "2m"
        where = { model = ["small", "large"], source = "gateway" }
        group_by = ["region", "model"]
        severity = "warning"
    "#;

    fn check(text: &str) -> Result<Rule, SettingError> {
        toml::from_str::<RuleSettings>(text).expect("it is in the form of a rule").check()
    }

    #[test]
    fn a_rule_is_read_with_its_units() {
        let rule = check(SOUND).expect("it is sound");
        assert_eq!(rule.metric, Metric::Latency { latency: Latency::Ttft, quantile: 0.999 });
        assert_eq!(rule.metric.to_string(), "ttft_p99.9");
        assert_eq!(rule.comparison, Comparison::Above);
        assert_eq!((rule.threshold, rule.clear), (1.0, 0.8));
        assert_eq!((rule.window.as_secs(), rule.hold.as_secs()), (300, 120));
        assert_eq!(rule.group_by, BTreeSet::from([Dimension::Model, Dimension::Region]));
        assert_eq!(rule.filters[&Dimension::Source], BTreeSet::from(["gateway".to_owned()]));
        let labels = [(Dimension::Model, "small".into()), (Dimension::Region, "eu".into())];
        let reading = crate::Reading { labels: labels.into(), value: 1.5 };
        assert_eq!(
            rule.summary_of(&reading),
            "p99.9 time to first token of small in eu is 1.5s, above 1s for 2m"
        );
    }

    #[test]
    fn a_burn_rate_is_read_with_its_objective() {
        let rule = check(
            r#"
            name = "Burn"
            metric = "burn_rate"
            objective = "99.9%"
            window = "1h"
            short_window = "5m"
            above = "14.4x"
            severity = "critical"
            "#,
        )
        .expect("it is sound");
        let short_window = Duration::from_secs(300);
        assert_eq!(rule.metric, Metric::BurnRate { objective: 0.999, short_window });
        assert_eq!(rule.questions().len(), 2);
    }

    /// The sound rule with the line of `key` replaced by `line`.
    fn changed(key: &str, line: &str) -> String {
        let kept = SOUND.lines().filter(|line| !line.trim().starts_with(&format!("{key} =")));
        kept.chain([line]).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_key() {
        for (key, line, said) in [
            ("name", r#"name = "Slow-Token""#, "`name`: a name is letters"),
            ("metric", r#"metric = "ttft_p100""#, "`metric`: `ttft_p100` should end"),
            ("metric", r#"metric = "eror_rate""#, "did you mean `error_rate`?"),
            ("metric", r#"metric = "latency""#, "or a latency such as e2e_p95"),
            ("above", "", "`above`: set the threshold"),
            ("above", r#"above = "1""#, "`above`: `1` is no length of time"),
            ("below", r#"below = "2s""#, "`below`: `above` is set too"),
            ("clear", r#"clear = "2s""#, "`clear`: it must not be above"),
            ("window", r#"window = "0s""#, "`window`: it must be longer"),
            ("window", r#"window = "2s""#, "`window`: it must be 5s or longer"),
            ("for", r#"for = "-1s""#, "`for`: `-1s` is no length"),
            ("where", "where = { modle = 'a' }", "`where`: `modle` is no label"),
            ("where", "where = { model = [] }", "`where`: `model` lists no value"),
            ("group_by", r#"group_by = ["host"]"#, "`group_by`: `host` is no label"),
            ("severity", r#"severity = "bad""#, "`severity`: `bad` is no severity"),
            ("summary", r#"summary = "{scenario}""#, "`summary`: it holds {scenario}"),
            ("objective", r#"objective = "99%""#, "`objective`: only a burn_rate"),
            ("short_window", r#"short_window = "1m""#, "`short_window`: only a burn_rate"),
        ] {
            let error = check(&changed(key, line)).expect_err(line).to_string();
            assert!(error.starts_with("alert rule `"), "{error}");
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn thresholds_that_mean_nothing_are_refused() {
        let common = "name = 'A'\nwindow = '1h'\nseverity = 'warning'\n";
        for (lines, said) in [
            ("metric = 'no_traffic'\nabove = '1/s'", "`above`: no_traffic has no threshold"),
            ("metric = 'no_traffic'\nbelow = '1/s'", "watch request_rate for one"),
            ("metric = 'no_traffic'\nclear = '1/s'", "`clear`: no_traffic has no threshold"),
            ("metric = 'error_rate'\nbelow = '1%'", "`below`: too few errors"),
            ("metric = 'request_rate'\nbelow = '5/s'\nclear = '4/s'", "must not be below"),
            ("metric = 'burn_rate'\nabove = '2x'", "`short_window`: a burn_rate needs one"),
            (
                "metric = 'burn_rate'\nabove = '2x'\nshort_window = '1h'",
                "`short_window`: it must be shorter",
            ),
            (
                "metric = 'burn_rate'\nabove = '2x'\nshort_window = '5m'\nobjective = '100%'",
                "`objective`: it must be above 0% and below 100%",
            ),
        ] {
            let error = check(&format!("{common}{lines}")).expect_err(lines).to_string();
            assert!(error.contains(said), "{lines}: {error}");
        }
        let unknown = toml::from_str::<RuleSettings>(&format!("{common}metric = 'a'\ngroup = 1"));
        assert!(unknown.expect_err("`group` is unknown").to_string().contains("unknown field"));
    }
}
