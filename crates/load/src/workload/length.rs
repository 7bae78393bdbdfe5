//! How long prompts and answers are: a fixed length or a distribution of lengths.

use std::fmt;
use std::str::FromStr;

use domain::Random;

/// A distribution of lengths in tokens, each at least 1.
///
/// Written `512`, `N(512,128)`, `N(512,128)[64,2048]` or `U(64,256)`, as [`FromStr`] reads it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LengthDistribution {
    /// Always the same.
    Fixed(u64),
    /// Normal, rounded to a whole number and moved to the nearer bound where it falls outside.
    Normal {
        /// The mean before bounds.
        mean: f64,
        /// The standard deviation before bounds.
        deviation: f64,
        /// The smallest length.
        low: u64,
        /// The largest length.
        high: u64,
    },
    /// Every whole number from `low` to `high` as likely as any other.
    Uniform {
        /// The smallest length.
        low: u64,
        /// The largest length.
        high: u64,
    },
}

/// The longest length that can be asked for: larger than any model's context.
const LONGEST: u64 = 100_000_000;

impl LengthDistribution {
    /// Draws a length. A distribution always takes the same number of draws.
    pub fn draw(&self, random: &mut Random) -> u64 {
        match *self {
            Self::Fixed(length) => length,
            Self::Normal { mean, deviation, low, high } => {
                let length = libm::round(mean + deviation * random.normal());
                length.clamp(low as f64, high as f64) as u64
            }
            Self::Uniform { low, high } => low + random.below(high - low + 1),
        }
    }

    /// The smallest length it can give.
    #[must_use]
    pub const fn shortest(&self) -> u64 {
        match *self {
            Self::Fixed(length) => length,
            Self::Normal { low, .. } | Self::Uniform { low, .. } => low,
        }
    }
}

impl fmt::Display for LengthDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Normal { mean, deviation, low: 1, high: LONGEST } => {
                write!(f, "N({mean},{deviation})")
            }
            Self::Normal { mean, deviation, low, high } => {
                write!(f, "N({mean},{deviation})[{low},{high}]")
            }
            Self::Uniform { low, high } => write!(f, "U({low},{high})"),
        }
    }
}

/// Why a text is no length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no length in tokens: {problem}; write a number (512), a normal distribution \
     (N(512,128) for mean and deviation, N(512,128)[64,2048] with bounds) or a uniform one \
     (U(64,256))"
)]
pub struct LengthError {
    text: String,
    problem: &'static str,
}

impl FromStr for LengthDistribution {
    type Err = LengthError;

    /// Reads `512`, `N(512,128)`, `N(512,128)[64,2048]` or `U(64,256)`; spaces around numbers and
    /// the case of the letter do not matter.
    fn from_str(text: &str) -> Result<Self, LengthError> {
        parse(text.trim()).map_err(|problem| LengthError { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<LengthDistribution, &'static str> {
    if let Some(rest) = text.strip_prefix(['N', 'n']) {
        let (parameters, bounds) = pair(rest, '(', ')')?;
        let [mean, deviation] = [real(parameters[0])?, real(parameters[1])?];
        let (low, high) = match bounds {
            "" => (1, LONGEST),
            bounds => match pair(bounds, '[', ']')? {
                (bounds, "") => range(bounds)?,
                _ => return Err("something follows the bounds"),
            },
        };
        return Ok(LengthDistribution::Normal { mean, deviation, low, high });
    }
    if let Some(rest) = text.strip_prefix(['U', 'u']) {
        return match pair(rest, '(', ')')? {
            (bounds, "") => {
                range(bounds).map(|(low, high)| LengthDistribution::Uniform { low, high })
            }
            _ => Err("something follows the distribution"),
        };
    }
    whole(text).map(LengthDistribution::Fixed)
}

/// The two parameters between `open` and `close`, and what follows.
fn pair(text: &str, open: char, close: char) -> Result<([&str; 2], &str), &'static str> {
    let (inside, rest) = text
        .trim_start()
        .strip_prefix(open)
        .and_then(|text| text.split_once(close))
        .ok_or("two numbers in brackets are missing")?;
    match inside.split(',').collect::<Vec<_>>()[..] {
        [first, second] => Ok(([first.trim(), second.trim()], rest.trim_start())),
        _ => Err("it takes two numbers with a comma between"),
    }
}

fn range(bounds: [&str; 2]) -> Result<(u64, u64), &'static str> {
    let [low, high] = [whole(bounds[0])?, whole(bounds[1])?];
    if low > high { Err("the smaller bound comes first") } else { Ok((low, high)) }
}

fn whole(text: &str) -> Result<u64, &'static str> {
    match text.parse() {
        Ok(0) => Err("a length is at least 1"),
        Ok(length) if length > LONGEST => Err("a length is at most 100,000,000"),
        Ok(length) => Ok(length),
        Err(_) => Err("a whole number is expected"),
    }
}

fn real(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=LONGEST as f64).contains(&number) => Ok(number),
        Ok(_) => Err("mean and deviation are between 0 and 100,000,000"),
        Err(_) => Err("a number is expected"),
    }
}

#[cfg(test)]
mod tests {
    use domain::Seed;

    use super::*;

    #[test]
    fn accepted_forms_read_back_as_written() {
        let forms = [
            ("512", "512"),
            (" 7 ", "7"),
            ("N(512,128)", "N(512,128)"),
            ("n( 512.5 , 0 )", "N(512.5,0)"),
            ("N(512,128)[64,2048]", "N(512,128)[64,2048]"),
            ("N(512,128) [ 64, 2048 ]", "N(512,128)[64,2048]"),
            ("U(64,256)", "U(64,256)"),
            ("u(5, 5)", "U(5,5)"),
        ];
        for (text, shown) in forms {
            let length: LengthDistribution = text.parse().expect(text);
            assert_eq!(length.to_string(), shown);
            assert_eq!(shown.parse(), Ok(length));
        }
    }

    #[test]
    fn refused_forms_say_what_is_wrong_and_what_is_accepted() {
        let cases = [
            ("", "a whole number is expected"),
            ("0", "a length is at least 1"),
            ("-5", "a whole number is expected"),
            ("12.5", "a whole number is expected"),
            ("512 tokens", "a whole number is expected"),
            ("999999999999", "a length is at most 100,000,000"),
            ("N", "two numbers in brackets are missing"),
            ("N(512", "two numbers in brackets are missing"),
            ("N(512)", "it takes two numbers with a comma between"),
            ("N(512,-1)", "mean and deviation are between 0 and 100,000,000"),
            ("N(NaN,1)", "mean and deviation are between 0 and 100,000,000"),
            ("N(512,128)[64,2048]x", "something follows the bounds"),
            ("N(512,128)x", "two numbers in brackets are missing"),
            ("U(256,64)", "the smaller bound comes first"),
            ("U(0,64)", "a length is at least 1"),
            ("U(1,2)[3,4]", "something follows the distribution"),
        ];
        for (text, problem) in cases {
            let error = text.parse::<LengthDistribution>().expect_err(text).to_string();
            assert!(error.contains(&format!("`{text}` is no length in tokens: {problem};")));
            assert!(error.ends_with("or a uniform one (U(64,256))"), "{error}");
        }
    }

    #[test]
    fn draws_follow_the_distribution() {
        let draws = |text: &str| {
            let length: LengthDistribution = text.parse().expect(text);
            let mut random = Seed(5).child(text).random();
            let draws: Vec<u64> = (0..20_000).map(|_| length.draw(&mut random)).collect();
            let mean = draws.iter().sum::<u64>() as f64 / draws.len() as f64;
            (*draws.iter().min().unwrap(), *draws.iter().max().unwrap(), mean)
        };
        assert_eq!(draws("512"), (512, 512, 512.0));
        let (low, high, mean) = draws("U(64,256)");
        assert_eq!((low, high), (64, 256));
        assert!((mean - 160.0).abs() < 2.0, "uniform mean {mean}");
        let (low, high, mean) = draws("N(512,128)[400,800]");
        assert_eq!((low, high), (400, 800));
        assert!((mean - 525.0).abs() < 10.0, "bounded normal mean {mean}");
        let (low, _, mean) = draws("N(2,50)");
        assert_eq!(low, 1, "never below one");
        assert!((mean - 21.0).abs() < 2.0, "half the mass lies at one: mean {mean}");
    }
}
