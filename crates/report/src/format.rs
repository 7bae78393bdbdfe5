//! Numbers as people read them.

use std::fmt::Write as _;
use std::time::Duration;

use analysis::Percentile;

/// At least three significant digits and no more decimals than they take, three at most.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let size = value.abs();
    let decimals = match size {
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A time in seconds, to the millisecond.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

/// One percentile, marked with `~` where there are too few values to rely on it.
pub(crate) fn percentile(percentile: &Percentile) -> String {
    let mark = if percentile.supported { "" } else { MARK };
    format!("{mark}{}", number(percentile.value))
}

/// What marks a figure of too few values.
pub(crate) const MARK: &str = "~";
/// What the mark means.
pub(crate) const MARK_MEANING: &str = "~ too few values to rely on";

/// A share in percent, and never 0 % or 100 % for what is not quite.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = match percent {
        0.0 => "0".to_owned(),
        100.0 => "100".to_owned(),
        small if small < 0.05 => "<0.1".to_owned(),
        large if large >= 99.95 => ">99.9".to_owned(),
        _ => format!("{percent:.1}"),
    };
    text + " %"
}

/// An integer, its digits in groups of three.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `text` in a column of `width`, flush right.
pub(crate) fn right(text: &str, width: usize) -> String {
    let mut out = String::new();
    write!(out, "{text:>width$}").expect("a string takes everything");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_three_digits() {
        let numbers = [
            (0.0, "0"),
            (0.000_1, "0.000"),
            (0.012_34, "0.012"),
            (0.9994, "0.999"),
            (0.9996, "1.00"),
            (9.994, "9.99"),
            (9.996, "10.0"),
            (99.94, "99.9"),
            (99.96, "100"),
            (12_345.6, "12346"),
            (-2.5, "-2.50"),
        ];
        for (value, expected) in numbers {
            assert_eq!(number(value), expected);
        }
        let shares = [
            (0.0, "0 %"),
            (0.0001, "<0.1 %"),
            (0.123, "12.3 %"),
            (0.999_5, ">99.9 %"),
            (0.999_9, ">99.9 %"),
            (1.0, "100 %"),
        ];
        for (share, expected) in shares {
            assert_eq!(percent(share), expected);
        }
        for (value, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(value), expected);
        }
    }
}
