//! The sentence an alert is told in, with places for its figures and labels.

use std::collections::BTreeSet;
use std::fmt;

use crate::label::{Dimension, Labels};
use crate::unit::Unit;

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value,
    Label(Dimension),
}

/// A checked sentence, as in `p95 of {model} is {value}, above {threshold}`. Braces stand for
/// themselves where they are doubled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

impl Template {
    /// Reads `text`, for alerts that are told apart by `group_by`. The threshold is the same for all
    /// and put in at once.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(
        text: &str,
        threshold: &str,
        group_by: &BTreeSet<Dimension>,
    ) -> Result<Self, String> {
        if text.trim().is_empty() || text.contains(char::is_control) {
            return Err("it must be one line of text".into());
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(after) = tail.strip_prefix("{{").or_else(|| tail.strip_prefix("}}")) {
                literal.push_str(&tail[..1]);
                rest = after;
                continue;
            }
            let place = tail.strip_prefix('{').and_then(|tail| tail.split_once('}'));
            let (name, after) = place
                .ok_or("a brace has no partner; write {{ or }} for one that stands for itself")?;
            match name {
                "threshold" => literal.push_str(threshold),
                "value" => push(&mut parts, &mut literal, Part::Value),
                name => push(&mut parts, &mut literal, Part::Label(place_of(name, group_by)?)),
            }
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }

    /// The sentence for one alert.
    #[must_use]
    pub fn render(&self, unit: Unit, value: f64, labels: &Labels) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Value => unit.show(value),
            Part::Label(dimension) => labels.get(dimension).cloned().unwrap_or_default(),
        });
        parts.collect()
    }

    /// The Prometheus template that makes the same sentence.
    #[must_use]
    pub fn prometheus(&self, unit: Unit) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.replace('{', "{{ \"{\" }}"),
            Part::Value => unit.prometheus().to_owned(),
            Part::Label(dimension) => format!("{{{{ $labels.{dimension} }}}}"),
        });
        parts.collect()
    }
}

/// As it was written, but for the threshold, which stands in its place.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Value => f.write_str("{value}"),
            Part::Label(dimension) => write!(f, "{{{dimension}}}"),
        })
    }
}

fn push(parts: &mut Vec<Part>, literal: &mut String, part: Part) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal)));
    }
    parts.push(part);
}

fn place_of(name: &str, group_by: &BTreeSet<Dimension>) -> Result<Dimension, String> {
    let dimension = Dimension::parse(name).map_err(|_| {
        format!(
            "it holds {{{name}}}; places are {{value}}, {{threshold}} and the labels of group_by"
        )
    })?;
    if !group_by.contains(&dimension) {
        return Err(format!("it holds {{{name}}}, which is not in group_by"));
    }
    Ok(dimension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_model() -> BTreeSet<Dimension> {
        BTreeSet::from([Dimension::Model])
    }

    #[test]
    fn places_are_filled_here_and_by_prometheus() {
        let text = "{model}: p95 is {value}, above {threshold} {{sic}}";
        let template = Template::parse(text, "2s", &by_model()).expect("it is sound");
        let labels = Labels::from([(Dimension::Model, "small".to_owned())]);
        assert_eq!(
            template.render(Unit::Seconds, 2.5, &labels),
            "small: p95 is 2.5s, above 2s {sic}"
        );
        assert_eq!(template.to_string(), text.replace("{threshold}", "2s"));
        assert_eq!(
            template.prometheus(Unit::Seconds),
            "{{ $labels.model }}: p95 is {{ $value | humanizeDuration }}, above 2s {{ \"{\" }}sic}"
        );
    }

    #[test]
    fn unknown_places_and_lone_braces_are_refused() {
        for (text, part) in [
            ("", "one line of text"),
            ("a\nb", "one line of text"),
            ("{region} is slow", "not in group_by"),
            ("{instance} is slow", "places are {value}"),
            ("{value is slow", "no partner"),
            ("} is slow", "no partner"),
        ] {
            let said = Template::parse(text, "2s", &by_model()).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
