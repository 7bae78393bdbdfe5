//! Quantities that are fixed or drawn anew each time.

use std::str::FromStr;
use std::time::Duration;

use domain::{Random, Tokens};

/// A quantity: always the same, or drawn from a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw<T> {
    /// Always this.
    Fixed(T),
    /// Evenly from `low` to `high`, both included.
    Uniform {
        /// The least.
        low: T,
        /// The most.
        high: T,
    },
    /// Exponential, as the gaps of a Poisson process are.
    Exponential {
        /// The mean.
        mean: T,
    },
    /// Lognormal: the logarithm is normal with deviation `sigma` around that of `median`.
    Lognormal {
        /// Half of the draws are below.
        median: T,
        /// The deviation of the logarithm; the mean is `median · exp(sigma² / 2)`.
        sigma: f64,
    },
}

impl<T: Copy> Draw<T> {
    /// One draw, with the quantity taken as a number by `number` and made from one by `quantity`.
    fn draw_with(
        &self,
        random: &mut Random,
        number: impl Fn(T) -> f64,
        quantity: impl Fn(f64) -> T,
    ) -> T {
        match *self {
            Self::Fixed(fixed) => fixed,
            Self::Uniform { low, high } => {
                let (low, high) = (number(low), number(high));
                quantity(low + (high - low) * random.unit())
            }
            Self::Exponential { mean } => quantity(random.exponential(number(mean))),
            Self::Lognormal { median, sigma } => {
                quantity(number(median) * libm::exp(sigma * random.normal()))
            }
        }
    }
}

impl Draw<Duration> {
    /// One draw, to the nanosecond. A fixed quantity takes nothing from `random`.
    #[must_use]
    pub fn draw(&self, random: &mut Random) -> Duration {
        self.draw_with(
            random,
            |duration| duration.as_nanos() as f64,
            |nanos| Duration::from_nanos(nanos.round() as u64),
        )
    }

    /// Whether every draw is zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::Fixed(Duration::ZERO)
    }
}

impl Draw<Tokens> {
    /// One draw, at least one token. A fixed quantity takes nothing from `random`.
    #[must_use]
    pub fn draw(&self, random: &mut Random) -> Tokens {
        // Uniform over whole numbers: each of `low..=high` has the same share.
        if let Self::Uniform { low, high } = *self {
            let count = low.count() + random.below(high.saturating_sub(low).count() + 1);
            return Tokens(count.max(1));
        }
        let drawn = self.draw_with(
            random,
            |tokens| tokens.count() as f64,
            |count| Tokens(count.round() as u64),
        );
        Tokens(drawn.count().max(1))
    }
}

/// Why a text describes no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// The word before the parenthesis is no distribution.
    #[error(
        "unknown distribution `{0}`: give one value, or uniform(LOW,HIGH), exponential(MEAN) or \
         lognormal(MEDIAN,SIGMA)"
    )]
    Distribution(String),
    /// The parentheses hold too few or too many values, or do not close.
    #[error("`{text}` should read {form}")]
    Form {
        /// What was given.
        text: String,
        /// What it should look like.
        form: &'static str,
    },
    /// A value is no quantity of its kind.
    #[error("`{text}`: {reason}")]
    Value {
        /// What was given.
        text: String,
        /// Why it is none.
        reason: String,
    },
}

impl<T: PartialOrd> Draw<T> {
    /// Reads `VALUE`, `uniform(LOW,HIGH)`, `exponential(MEAN)` or `lognormal(MEDIAN,SIGMA)`, each
    /// value by `value`, which knows its units.
    ///
    /// # Errors
    /// Where the form or a value cannot be read, the range is reversed, or sigma is negative.
    pub fn parse<E: std::fmt::Display>(
        text: &str,
        value: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Self, DrawError> {
        let read = |part: &str| {
            value(part.trim()).map_err(|error| DrawError::Value {
                text: part.trim().to_owned(),
                reason: error.to_string(),
            })
        };
        let Some((name, rest)) = text.split_once('(') else {
            return Ok(Self::Fixed(read(text)?));
        };
        let wrong = |form| DrawError::Form { text: text.to_owned(), form };
        let inside = rest.strip_suffix(')').ok_or_else(|| wrong("NAME(VALUE,…)"))?;
        match (name.trim(), inside.split(',').collect::<Vec<_>>().as_slice()) {
            ("uniform", [low, high]) => {
                let (low, high) = (read(low)?, read(high)?);
                if low > high {
                    return Err(wrong("uniform(LOW,HIGH) with LOW no more than HIGH"));
                }
                Ok(Self::Uniform { low, high })
            }
            ("uniform", _) => Err(wrong("uniform(LOW,HIGH)")),
            ("exponential", [mean]) => Ok(Self::Exponential { mean: read(mean)? }),
            ("exponential", _) => Err(wrong("exponential(MEAN)")),
            ("lognormal", [median, sigma]) => match f64::from_str(sigma.trim()) {
                Ok(sigma) if sigma.is_finite() && sigma >= 0.0 => {
                    Ok(Self::Lognormal { median: read(median)?, sigma })
                }
                _ => Err(wrong("lognormal(MEDIAN,SIGMA) with SIGMA a number of at least 0")),
            },
            ("lognormal", _) => Err(wrong("lognormal(MEDIAN,SIGMA)")),
            (name, _) => Err(DrawError::Distribution(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Seed;

    #[test]
    fn draws_follow_their_distribution() {
        // (draw, mean in seconds, share of draws at or below 100 ms)
        fn check(draw: Draw<Duration>, mean: f64, below: f64) {
            let mut random = Seed(3).random();
            let draws: Vec<f64> =
                (0..50_000).map(|_| draw.draw(&mut random).as_secs_f64()).collect();
            let got_mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let got_below =
                draws.iter().filter(|&&draw| draw <= 0.1).count() as f64 / draws.len() as f64;
            assert!((got_mean - mean).abs() < 0.02 * mean, "{draw:?}: mean {got_mean}");
            assert!((got_below - below).abs() < 0.01, "{draw:?}: {got_below} at or below 100 ms");
        }
        let ms = Duration::from_millis;
        check(Draw::Fixed(ms(100)), 0.1, 1.0);
        check(Draw::Uniform { low: ms(50), high: ms(250) }, 0.15, 0.25);
        check(Draw::Exponential { mean: ms(100) }, 0.1, 0.632);
        check(Draw::Lognormal { median: ms(100), sigma: 0.5 }, 0.1 * 0.125_f64.exp(), 0.5);
    }

    #[test]
    fn token_counts_reach_both_ends_and_are_never_zero() {
        let mut random = Seed(4).random();
        let draw = Draw::Uniform { low: Tokens(0), high: Tokens(3) };
        let mut seen = [0; 4];
        for _ in 0..1_000 {
            seen[usize::try_from(draw.draw(&mut random).count()).unwrap()] += 1;
        }
        assert_eq!(seen[0], 0);
        assert!(seen[1] > seen[2] && seen[2] > 200 && seen[3] > 200, "{seen:?}");
    }

    #[test]
    fn reads_every_form_and_refuses_the_rest() {
        fn check(text: &str, want: Result<Draw<u64>, &str>) {
            let got = Draw::parse(text, u64::from_str);
            match want {
                Ok(want) => assert_eq!(got, Ok(want), "{text}"),
                Err(want) => {
                    let error = got.expect_err(text).to_string();
                    assert!(error.contains(want), "{text}: {error}");
                }
            }
        }
        check("5", Ok(Draw::Fixed(5)));
        check("uniform(1, 9)", Ok(Draw::Uniform { low: 1, high: 9 }));
        check("exponential(7)", Ok(Draw::Exponential { mean: 7 }));
        check("lognormal(7,0.5)", Ok(Draw::Lognormal { median: 7, sigma: 0.5 }));
        check("uniform(9,1)", Err("LOW no more than HIGH"));
        check("uniform(9)", Err("uniform(LOW,HIGH)"));
        check("exponential(1,2)", Err("exponential(MEAN)"));
        check("lognormal(7,-1)", Err("SIGMA"));
        check("lognormal(7,0.5", Err("NAME(VALUE"));
        check("normal(7,1)", Err("unknown distribution `normal`"));
        check("five", Err("`five`: invalid digit"));
    }
}
