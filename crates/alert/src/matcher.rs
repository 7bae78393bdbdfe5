//! Which alerts something is about: labels held against values, as Alertmanager writes it.

use std::collections::BTreeMap;
use std::fmt;

use regex_lite::Regex;

use crate::label::Label;

/// An alert's labels, its rule's name and severity among them.
pub type AlertLabels = BTreeMap<Label, String>;

/// How a label is held against a value.
#[derive(Clone, Debug)]
enum Operator {
    Equal,
    NotEqual,
    /// The expression matches the whole label.
    Like(Regex),
    NotLike(Regex),
}

/// One label held against a value: `model="small"`, `severity!="warning"`, `region=~"eu-.*"`,
/// `source!~"bench|canary"`. A label the alert has not is the empty text.
#[derive(Clone, Debug)]
pub struct Matcher {
    label: Label,
    operator: Operator,
    value: String,
}

impl Matcher {
    /// Reads a matcher; the quotes may be left out.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no matcher; write it as in model=\"small\"");
        let at = text.find(['=', '!']).ok_or_else(wrong)?;
        let (label, rest) = text.split_at(at);
        let label = Label::parse(label.trim())?;
        let sign_bytes = if rest.starts_with("=~") || rest.starts_with('!') { 2 } else { 1 };
        let (sign, value) = rest.split_at_checked(sign_bytes).ok_or_else(wrong)?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(value) => value.strip_suffix('"').ok_or_else(wrong)?,
            None => value,
        };
        let expression = || {
            Regex::new(&format!("^(?:{value})$"))
                .map_err(|error| format!("`{value}` is no regular expression: {error}"))
        };
        let operator = match sign {
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "=~" => Operator::Like(expression()?),
            "!~" => Operator::NotLike(expression()?),
            _ => return Err(wrong()),
        };
        Ok(Self { label, operator, value: value.to_owned() })
    }

    /// Whether `labels` are what it asks for.
    #[must_use]
    pub fn matches(&self, labels: &AlertLabels) -> bool {
        let value = labels.get(&self.label).map_or("", |value| value);
        match &self.operator {
            Operator::Equal => value == self.value,
            Operator::NotEqual => value != self.value,
            Operator::Like(expression) => expression.is_match(value),
            Operator::NotLike(expression) => !expression.is_match(value),
        }
    }
}

/// As [`Matcher::parse`] reads it.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.operator {
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Like(_) => "=~",
            Operator::NotLike(_) => "!~",
        };
        write!(f, "{}{sign}\"{}\"", self.label, self.value)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::Dimension;

    #[test]
    fn matchers_hold_whole_labels_against_values() {
        let labels = AlertLabels::from([
            (Label::Alertname, "HighLatency".to_owned()),
            (Label::Of(Dimension::Model), "small-1".to_owned()),
        ]);
        for (text, matches) in [
            ("model=\"small-1\"", true),
            ("model=small-1", true),
            ("model=\"small\"", false),
            ("model!=\"small\"", true),
            ("model=~\"small\"", false),
            ("model=~\"small-.*|large\"", true),
            ("model!~\"small-.*\"", false),
            ("region=\"\"", true),
            ("region=~\".+\"", false),
            ("alertname = \"HighLatency\"", true),
        ] {
            let matcher = Matcher::parse(text).expect(text);
            assert_eq!(matcher.matches(&labels), matches, "{text}");
            let again = Matcher::parse(&matcher.to_string()).expect("what it shows");
            assert_eq!(again, matcher);
        }
    }

    #[test]
    fn what_is_no_matcher_is_refused() {
        for (text, part) in [
            ("model", "is no matcher"),
            ("model!", "is no matcher"),
            ("model!small", "is no matcher"),
            ("model=\"small", "is no matcher"),
            ("modle=small", "did you mean `model`?"),
            ("model=~\"(\"", "is no regular expression"),
        ] {
            let said = Matcher::parse(text).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
