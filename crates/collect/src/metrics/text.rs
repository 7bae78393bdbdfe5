//! The two text forms, which differ in how counters are announced and in the last line.

use std::fmt::{self, Write as _};

use super::{BOUNDS, Family, Kind, Sample, Value, classic, seconds};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Prometheus,
    OpenMetrics,
}

pub(super) fn encode(families: &[Family], dialect: Dialect) -> String {
    let mut text = String::new();
    write(&mut text, families, dialect).expect("a string takes whatever is written");
    text
}

fn write(text: &mut String, families: &[Family], dialect: Dialect) -> fmt::Result {
    for family in families {
        let name = match (dialect, family.kind) {
            (Dialect::OpenMetrics, Kind::Counter) => {
                family.name.strip_suffix("_total").unwrap_or(family.name)
            }
            _ => family.name,
        };
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help)?;
        for sample in &family.samples {
            match &sample.value {
                Value::Number(value) => line(text, family.name, "", sample, None, *value)?,
                Value::Durations(durations) => {
                    let all = durations.len() as f64;
                    let counts = classic(durations).map(|count| count as f64);
                    for (bound, count) in BOUNDS
                        .into_iter()
                        .chain([f64::INFINITY])
                        .zip(counts.into_iter().chain([all]))
                    {
                        line(text, family.name, "_bucket", sample, Some(bound), count)?;
                    }
                    line(text, family.name, "_sum", sample, None, seconds(durations))?;
                    line(text, family.name, "_count", sample, None, all)?;
                }
            }
        }
    }
    match dialect {
        Dialect::Prometheus => Ok(()),
        Dialect::OpenMetrics => text.write_str("# EOF\n"),
    }
}

fn line(
    text: &mut String,
    name: &str,
    suffix: &str,
    sample: &Sample,
    bound: Option<f64>,
    value: f64,
) -> fmt::Result {
    write!(text, "{name}{suffix}")?;
    let mut separator = '{';
    for (label, value) in sample.labels() {
        write!(text, "{separator}{label}=\"")?;
        quote(text, value);
        text.push('"');
        separator = ',';
    }
    if let Some(bound) = bound {
        write!(text, "{separator}le=\"{}\"", Number(bound))?;
        separator = ',';
    }
    if separator == ',' {
        text.push('}');
    }
    writeln!(text, " {}", Number(value))
}

/// Appends a label's value, without what would end it early.
fn quote(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
}

/// A number as both forms write it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number}"),
        }
    }
}
