//! Values as people write them, each with its unit: `30s`, `20/s`, `8,64`, `ttft:200`.
//!
//! The same reading serves the command line and the configuration file, whose keys are turned into
//! arguments.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, written with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let at = text
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .ok_or_else(|| format!("`{text}` has no unit; write {text}s or {text}ms"))?;
        let (number, unit) = text.split_at(at);
        let number: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is not a length of time such as 30s, 250ms or 5m"))?;
        let seconds = match unit.trim() {
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            other => return Err(format!("`{other}` is no unit of time; use us, ms, s, m or h")),
        };
        Duration::try_from_secs_f64(number * seconds)
            .map(Self)
            .map_err(|_| format!("`{text}` is too long"))
    }
}

/// A whole number of things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        text.parse().map(Self).map_err(|_| format!("`{text}` is not a whole number such as 8"))
    }
}

/// A rate, written `20/s`, `300/m` or `inf`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    pub(crate) per_s: f64,
}

impl fmt::Display for Rate {
    /// By the second, however it was written: equal rates have one text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.per_s.is_infinite() { f.write_str("inf") } else { write!(f, "{}/s", self.per_s) }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "inf" {
            return Ok(Self { per_s: f64::INFINITY });
        }
        let (number, unit) = match text.split_once('/') {
            Some((number, unit)) => (number.trim(), Some(unit.trim())),
            None => (text, None),
        };
        let number = number
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number > 0.0)
            .ok_or_else(|| format!("`{text}` is not a rate above zero such as 20/s"))?;
        let per = match unit {
            Some("s") => 1.0,
            Some("m" | "min") => 60.0,
            Some("h") => 3600.0,
            Some(other) => {
                return Err(format!("`/{other}` is no unit of a rate; use /s, /m or /h"));
            }
            None => return Err(format!("`{text}` has no unit; write {text}/s")),
        };
        Ok(Self { per_s: number / per })
    }
}

/// A list of values, written with commas between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T: FromStr> FromStr for List<T>
where
    T::Err: fmt::Display,
{
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        split_outside_brackets(text)
            .map(|item| item.trim().parse().map_err(|error: T::Err| named(item.trim(), &error)))
            .collect::<Result<Vec<T>, String>>()
            .and_then(
                |items| if items.is_empty() { Err("empty list".into()) } else { Ok(Self(items)) },
            )
    }
}

/// What is wrong with a part of a value, which the error may name already.
pub(crate) fn named(item: &str, error: &impl fmt::Display) -> String {
    let (error, item) = (error.to_string(), format!("`{item}`"));
    if error.contains(&item) { error } else { format!("{item}: {error}") }
}

/// Splits at commas, but not inside `N(512,128)`.
fn split_outside_brackets(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |letter| {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
}

/// A share, written `1%` or `0.01`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Share(pub(crate) f64);

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, scale) = match text.trim().strip_suffix('%') {
            Some(number) => (number, 0.01),
            None => (text.trim(), 1.0),
        };
        match number.parse::<f64>() {
            Ok(number) if (0.0..=1.0).contains(&(number * scale)) => Ok(Self(number * scale)),
            _ => Err(format!("`{text}` is not a share such as 1% or 0.01")),
        }
    }
}

/// What an answer must keep to count as good: `ttft:200 tpot:50 e2el:5s`, in milliseconds where no
/// unit is given, as other tools write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Goodput {
    pub(crate) ttft: Option<Duration>,
    pub(crate) tpot: Option<Duration>,
    pub(crate) e2el: Option<Duration>,
}

impl FromStr for Goodput {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut goodput = Self::default();
        let limits = text.split([' ', ',']).filter(|limit| !limit.is_empty());
        for limit in limits {
            let (name, value) = limit
                .split_once(':')
                .ok_or_else(|| format!("`{limit}` is not NAME:TIME, such as ttft:200"))?;
            let value = limit_time(value)?;
            let slot = match name {
                "ttft" => &mut goodput.ttft,
                "tpot" => &mut goodput.tpot,
                "e2el" | "e2e" => &mut goodput.e2el,
                other => return Err(format!("`{other}` is no figure; use ttft, tpot or e2el")),
            };
            if slot.replace(value).is_some() {
                return Err(format!("`{name}` is given twice"));
            }
        }
        if goodput == Self::default() { Err("no limit given".into()) } else { Ok(goodput) }
    }
}

/// A time above zero, in milliseconds where it has no unit.
fn limit_time(text: &str) -> Result<Duration, String> {
    let time = match text.parse::<f64>() {
        Ok(ms) => Duration::try_from_secs_f64(ms / 1e3).ok(),
        Err(_) if text.starts_with(|letter: char| letter.is_ascii_digit()) => {
            Some(text.parse::<Span>()?.0)
        }
        Err(_) => None,
    };
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| format!("`{text}` is not a time above zero, such as 200 (ms) or 2s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit() {
        for (text, wanted) in [
            ("30s", Ok(Duration::from_secs(30))),
            ("1.5s", Ok(Duration::from_millis(1500))),
            ("250ms", Ok(Duration::from_millis(250))),
            ("100us", Ok(Duration::from_micros(100))),
            ("2m", Ok(Duration::from_secs(120))),
            ("30", Err("no unit")),
            ("5d", Err("no unit of time")),
            ("s", Err("not a length")),
        ] {
            match (text.parse::<Span>(), wanted) {
                (Ok(Span(got)), Ok(wanted)) => assert_eq!(got, wanted, "{text}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{text}: {got}"),
                (got, wanted) => panic!("{text}: {got:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn rates_need_a_unit() {
        assert_eq!("20/s".parse(), Ok(Rate { per_s: 20.0 }));
        assert_eq!("300/m".parse(), Ok(Rate { per_s: 5.0 }));
        assert_eq!("inf".parse(), Ok(Rate { per_s: f64::INFINITY }));
        assert!("20".parse::<Rate>().expect_err("no unit").contains("20/s"));
        for text in ["-1/s", "-1", "0/s", "fast", "NaN/s"] {
            let error = text.parse::<Rate>().expect_err(text);
            assert_eq!(error, format!("`{text}` is not a rate above zero such as 20/s"));
        }
    }

    #[test]
    fn lists_split_outside_brackets() {
        assert_eq!("1, 8,64".parse(), Ok(List(vec![Count(1), Count(8), Count(64)])));
        let lengths: List<String> = "N(512,128),64".parse().expect("two lengths");
        assert_eq!(lengths.0, ["N(512,128)", "64"]);
        let error = "1,x".parse::<List<Count>>().expect_err("not a number");
        assert_eq!(error, "`x` is not a whole number such as 8");
    }

    #[test]
    fn limits_of_goodput_are_named() {
        let goodput: Goodput = "ttft:200 tpot:50 e2el:5000".parse().expect("legal");
        assert_eq!(goodput.ttft, Some(Duration::from_millis(200)));
        assert_eq!(goodput.e2el, Some(Duration::from_secs(5)));
        let same: Goodput = "ttft:200ms,tpot:0.05s,e2el:5s".parse().expect("legal");
        assert_eq!(same, goodput);
        for (text, problem) in [
            ("ttft", "`ttft` is not NAME:TIME, such as ttft:200"),
            ("ttft:soon", "`soon` is not a time above zero"),
            ("ttft:2d", "`d` is no unit of time"),
            ("ttft:0s", "`0s` is not a time above zero, such as 200 (ms) or 2s"),
            ("ttft:200 ttft:100", "`ttft` is given twice"),
        ] {
            let error = text.parse::<Goodput>().expect_err(text);
            assert!(error.contains(problem), "{text}: {error}");
        }
        assert!("ttfb:3".parse::<Goodput>().expect_err("unknown").contains("ttfb"));
        for text in ["ttft:-1", "ttft:0", "ttft:1e300", "ttft:1e-300", "ttft:inf", "ttft:NaN"] {
            assert!(text.parse::<Goodput>().is_err(), "{text}");
        }
    }
}
