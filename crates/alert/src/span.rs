//! Lengths of time as Prometheus writes them: `500ms`, `30s`, `5m`, `1h30m`.

use std::time::Duration;

/// Units that Prometheus knows and that are lengths, the longest first, with their milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a length of whole milliseconds, such as `500ms`, `1.5s` or `1h30m`.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no length of time; write it as in 500ms, 30s, 5m or 1h30m");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut millis = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        millis += number * *unit_ms as f64;
        rest = tail;
    }
    if millis > Duration::from_secs(366 * 86_400).as_millis() as f64 {
        return Err(format!("`{text}` is longer than a year"));
    }
    if (millis - millis.round()).abs() > 1e-6 {
        return Err(format!("`{text}` is no whole number of milliseconds"));
    }
    Ok(Duration::from_millis(millis.round() as u64))
}

/// Writes `span` so that Prometheus reads it back, in its largest units: `1h30m`.
#[must_use]
pub fn show(span: Duration) -> String {
    let mut left = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, unit_ms) in UNITS {
        if left >= unit_ms {
            text.push_str(&format!("{}{unit}", left / unit_ms));
            left %= unit_ms;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_in_their_largest_units() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("1.5s", 1_500, "1s500ms"),
            ("30s", 30_000, "30s"),
            ("300s", 300_000, "5m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("7d", 604_800_000, "7d"),
            ("0s", 0, "0s"),
        ] {
            let span = parse(text).expect(text);
            assert_eq!(span, Duration::from_millis(millis), "{text}");
            assert_eq!(show(span), shown);
            assert_eq!(parse(shown), Ok(span));
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for (text, part) in [
            ("", "is no length of time"),
            ("5", "is no length of time"),
            ("-5s", "is no length of time"),
            ("5 minutes", "is no length of time"),
            ("m", "is no length of time"),
            ("1..5s", "is no length of time"),
            ("0.5ms", "whole number of milliseconds"),
            ("1000d", "longer than a year"),
        ] {
            let said = parse(text).expect_err(text);
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
