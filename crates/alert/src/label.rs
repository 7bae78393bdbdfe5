//! The names by which requests, and the alerts about them, are told apart.

use std::collections::BTreeMap;
use std::fmt;

/// What requests are counted apart by, on Prony's metrics too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The model asked for.
    Model,
    /// Who serves it.
    Provider,
    /// Where it is served.
    Region,
    /// Where the observer stood on the request's way: `client`, `gateway` or `engine`.
    Vantage,
    /// Where the observer stood on the map.
    VantageRegion,
    /// The scenario the prompts came from.
    Scenario,
    /// Who sent them: `bench`, `gateway` or `canary`.
    Source,
}

impl Dimension {
    /// Every one, in the order they are listed.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::Provider,
        Self::Region,
        Self::Vantage,
        Self::VantageRegion,
        Self::Scenario,
        Self::Source,
    ];

    /// The word used in settings, labels and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Region => "region",
            Self::Vantage => "vantage",
            Self::VantageRegion => "vantage_region",
            Self::Scenario => "scenario",
            Self::Source => "source",
        }
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// A sentence that names the nearest.
    pub fn parse(name: &str) -> Result<Self, String> {
        named(name, "label of requests", &Self::ALL, |dimension| dimension.as_str())
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad it is that a rule fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Somebody should look at it in working hours.
    Warning,
    /// Somebody should look at it now.
    Critical,
}

impl Severity {
    /// Every one, the least first.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Critical];

    /// The word used in settings, labels and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// A sentence that names the nearest.
    pub fn parse(name: &str) -> Result<Self, String> {
        named(name, "severity", &Self::ALL, |severity| severity.as_str())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What alerts are told apart, grouped and silenced by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The rule's name. Prometheus calls it so.
    Alertname,
    /// The rule's severity.
    Severity,
    /// A label of the requests that the alert is about.
    Of(Dimension),
}

impl Label {
    /// Every one, in the order they are listed.
    pub const ALL: [Self; 9] = [
        Self::Alertname,
        Self::Severity,
        Self::Of(Dimension::Model),
        Self::Of(Dimension::Provider),
        Self::Of(Dimension::Region),
        Self::Of(Dimension::Vantage),
        Self::Of(Dimension::VantageRegion),
        Self::Of(Dimension::Scenario),
        Self::Of(Dimension::Source),
    ];

    /// The word used in settings, labels and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alertname => "alertname",
            Self::Severity => "severity",
            Self::Of(dimension) => dimension.as_str(),
        }
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// A sentence that names the nearest.
    pub fn parse(name: &str) -> Result<Self, String> {
        named(name, "label of alerts", &Self::ALL, |label| label.as_str())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a group of requests has in common. Requests that have no value for a dimension have the
/// empty one.
pub type Labels = BTreeMap<Dimension, String>;

/// The one of `all` whose word is `name`, or a sentence that says which comes nearest.
pub(crate) fn named<T: Copy>(
    name: &str,
    what: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    if let Some(&found) = all.iter().find(|&&one| word(one) == name) {
        return Ok(found);
    }
    let words: Vec<&str> = all.iter().map(|&one| word(one)).collect();
    let nearest = words.iter().min_by_key(|word| strsim::damerau_levenshtein(name, word));
    let hint = match nearest {
        Some(nearest) if strsim::damerau_levenshtein(name, nearest) <= 2 => {
            format!("did you mean `{nearest}`?")
        }
        Some(_) | None => format!("use one of {}", words.join(", ")),
    };
    Err(format!("`{name}` is no {what}; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back_and_unknown_ones_refused_with_the_nearest() {
        for dimension in Dimension::ALL {
            assert_eq!(Dimension::parse(dimension.as_str()), Ok(dimension));
        }
        for label in Label::ALL {
            assert_eq!(Label::parse(label.as_str()), Ok(label));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Ok(severity));
        }
        let said = |result: Result<Label, String>| result.expect_err("it is unknown");
        assert_eq!(
            said(Label::parse("modle")),
            "`modle` is no label of alerts; did you mean `model`?"
        );
        assert_eq!(
            said(Label::parse("instance")),
            "`instance` is no label of alerts; use one of alertname, severity, model, provider, \
             region, vantage, vantage_region, scenario, source"
        );
    }
}
