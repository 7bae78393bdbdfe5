//! What a rule's figure is measured in: how people write its threshold, and how a message shows it.
//!
//! Figures are shown as Prometheus' templates show them (`humanizeDuration` and the like), so that a
//! rule says the same wherever it is evaluated.

use crate::span;

/// What a rule's figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// A share of one.
    Share,
    /// Requests a second.
    PerSecond,
    /// US dollars an hour.
    UsdPerHour,
    /// So many times what is allowed.
    Times,
}

impl Unit {
    /// The word used in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Share => "share",
            Self::PerSecond => "requests_per_second",
            Self::UsdPerHour => "usd_per_hour",
            Self::Times => "times",
        }
    }

    /// Reads a threshold, written with its unit.
    ///
    /// # Errors
    /// A sentence that says how to write it.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        let text = text.trim();
        if self == Self::Seconds {
            return span::parse(text).map(|span| span.as_secs_f64());
        }
        let written = match self {
            Self::Seconds | Self::Share => text.strip_suffix('%'),
            Self::PerSecond => text.strip_suffix("/s"),
            Self::UsdPerHour => text
                .strip_suffix("USD/h")
                .or_else(|| text.strip_prefix('$').and_then(|text| text.strip_suffix("/h"))),
            Self::Times => text.strip_suffix('x'),
        };
        let number = written.map(str::trim).and_then(|number| match self {
            Self::Share => percent_of_one(number),
            Self::Seconds | Self::PerSecond | Self::UsdPerHour | Self::Times => number.parse().ok(),
        });
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        number.ok_or_else(|| format!("`{text}` should be written as in {}", self.example()))
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Seconds => "2s or 500ms",
            Self::Share => "5%",
            Self::PerSecond => "20/s",
            Self::UsdPerHour => "100 USD/h",
            Self::Times => "14.4x",
        }
    }

    /// Shows `value` to people: `1.25s`, `5%`, `20/s`, `$100.00/h`, `14.40x`.
    #[must_use]
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => seconds(value),
            Self::Share => format!("{}%", significant(value * 100.0)),
            Self::PerSecond => format!("{}/s", prefixed(value)),
            Self::UsdPerHour => format!("${value:.2}/h"),
            Self::Times => format!("{value:.2}x"),
        }
    }

    /// The Prometheus template that shows `$value` as [`show`](Self::show) does.
    #[must_use]
    pub const fn prometheus(self) -> &'static str {
        match self {
            Self::Seconds => "{{ $value | humanizeDuration }}",
            Self::Share => "{{ $value | humanizePercentage }}",
            Self::PerSecond => "{{ $value | humanize }}/s",
            Self::UsdPerHour => "${{ $value | printf \"%.2f\" }}/h",
            Self::Times => "{{ $value | printf \"%.2f\" }}x",
        }
    }
}

/// The share that so many percent are. The point is moved in the text, so that 99.9 becomes the
/// number nearest to 0.999, which a division by 100 misses.
pub(crate) fn percent_of_one(percent: &str) -> Option<f64> {
    format!("{percent}e-2").parse().ok()
}

/// `humanizeDuration`.
fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return significant(value);
    }
    if value.abs() < 1.0 {
        return format!("{}s", prefixed(value));
    }
    if value.abs() < 60.0 {
        return format!("{}s", significant(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs() as u64;
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    match (days, hours) {
        (0, 0) => format!("{sign}{minutes}m {seconds}s"),
        (0, _) => format!("{sign}{hours}h {minutes}m {seconds}s"),
        _ => format!("{sign}{days}d {hours}h {minutes}m {seconds}s"),
    }
}

/// `humanize`: four digits and a prefix of the SI.
fn prefixed(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return significant(value);
    }
    let mut scaled = value;
    let mut prefix = "";
    if scaled.abs() >= 1.0 {
        for next in ["k", "M", "G", "T", "P", "E", "Z", "Y"] {
            if scaled.abs() < 1_000.0 {
                break;
            }
            prefix = next;
            scaled /= 1_000.0;
        }
    } else {
        for next in ["m", "u", "n", "p", "f", "a", "z", "y"] {
            if scaled.abs() >= 1.0 {
                break;
            }
            prefix = next;
            scaled *= 1_000.0;
        }
    }
    format!("{}{prefix}", significant(scaled))
}

/// `%.4g`: four significant digits, without zeros at the end.
fn significant(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .into();
    }
    let rounded = format!("{value:.3e}");
    let (mantissa, exponent) = rounded.split_once('e').expect("the format writes an exponent");
    let exponent: i32 = exponent.parse().expect("the format writes a whole exponent");
    if (-4..4).contains(&exponent) {
        let rounded: f64 = rounded.parse().expect("what was written is a number");
        return rounded.to_string();
    }
    let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_in_their_unit_and_no_other() {
        for (unit, text, value) in [
            (Unit::Seconds, "2s", 2.0),
            (Unit::Seconds, "500ms", 0.5),
            (Unit::Share, "5%", 0.05),
            (Unit::Share, "0.1 %", 0.001),
            (Unit::Share, "99.9%", 0.999),
            (Unit::PerSecond, "20/s", 20.0),
            (Unit::UsdPerHour, "100 USD/h", 100.0),
            (Unit::UsdPerHour, "$0.50/h", 0.5),
            (Unit::Times, "14.4x", 14.4),
        ] {
            assert_eq!(unit.parse(text), Ok(value), "{text}");
        }
        for (unit, text, part) in [
            (Unit::Seconds, "2", "length of time"),
            (Unit::Share, "0.05", "as in 5%"),
            (Unit::Share, "-5%", "as in 5%"),
            (Unit::PerSecond, "20", "as in 20/s"),
            (Unit::UsdPerHour, "100", "as in 100 USD/h"),
            (Unit::UsdPerHour, "infUSD/h", "as in 100 USD/h"),
            (Unit::Times, "14.4", "as in 14.4x"),
        ] {
            let said = unit.parse(text).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }

    /// What Prometheus' own templates make of the same figures is held by the test of the exported
    /// rules.
    #[test]
    fn figures_are_shown_in_four_digits() {
        for (unit, value, shown) in [
            (Unit::Seconds, 0.0, "0s"),
            (Unit::Seconds, 0.05, "50ms"),
            (Unit::Seconds, 2.5, "2.5s"),
            (Unit::Seconds, 12.345_678, "12.35s"),
            (Unit::Seconds, 90.5, "1m 30s"),
            (Unit::Seconds, 7_322.0, "2h 2m 2s"),
            (Unit::Seconds, 90_061.0, "1d 1h 1m 1s"),
            (Unit::Share, 0.051_234, "5.123%"),
            (Unit::Share, 1.0, "100%"),
            (Unit::Share, 0.000_000_012_34, "1.234e-06%"),
            (Unit::PerSecond, 0.0, "0/s"),
            (Unit::PerSecond, 999.96, "1000/s"),
            (Unit::PerSecond, 12_345.0, "12.35k/s"),
            (Unit::PerSecond, 0.25, "250m/s"),
            (Unit::UsdPerHour, 1_234.567, "$1234.57/h"),
            (Unit::Times, 14.4, "14.40x"),
        ] {
            assert_eq!(unit.show(value), shown);
        }
    }
}
