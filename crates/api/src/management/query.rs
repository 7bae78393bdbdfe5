//! What stands behind the question mark, read so that whoever got it wrong is told which parameter,
//! what was given, and what is expected.

use std::fmt;
use std::ops::RangeInclusive;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::problem::Problem;

/// How much of what was given is repeated, in characters.
const SHOWN_MAX: usize = 60;

/// The parameters of a request. A word that no path knows is refused: a filter that is spelt wrong
/// must not list everything.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let hint = "/docs lists what may stand behind the `?`";
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = pairs.map_err(|error| Problem::bad_request(error.body_text(), hint))?;
        let given = pairs.into_iter().map(|(name, text)| (name.clone(), Given { name, text }));
        let asked = T::deserialize(MapDeserializer::new(given));
        asked.map(Self).map_err(|error: Error| Problem::bad_request(error.to_string(), hint))
    }
}

/// What was given for a parameter, to be read as what its place takes.
struct Given {
    name: String,
    text: String,
}

impl<'de> IntoDeserializer<'de, Error> for Given {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Given {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let number = self.text.parse().map_err(|_| {
            let refused = refused(&self.name, &self.text);
            Error::custom(format_args!("{refused}: a whole number up to {} is expected", u64::MAX))
        });
        visitor.visit_u64(number?)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn refused(name: &str, given: &str) -> String {
    let visible = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let shown: String = given.chars().take(SHOWN_MAX).map(visible).collect();
    let rest = if given.chars().nth(SHOWN_MAX).is_some() { "…" } else { "" };
    format!("{name} cannot be `{shown}{rest}`")
}

/// A parameter of this name was given, and cannot be that.
pub(super) fn unusable(name: &str, given: &impl fmt::Display, hint: impl Into<String>) -> Problem {
    Problem::bad_request(refused(name, &given.to_string()), hint)
}

/// The number of a parameter within `bounds`.
pub(super) fn within<T: Copy + PartialOrd + fmt::Display>(
    name: &str,
    given: T,
    bounds: RangeInclusive<T>,
) -> Result<T, Problem> {
    if bounds.contains(&given) {
        return Ok(given);
    }
    let (least, most) = (bounds.start(), bounds.end());
    Err(unusable(name, &given, format!("give a whole number from {least} to {most}")))
}

/// The word of a parameter among `all`.
pub(super) fn word<T: Copy, const N: usize>(
    name: &str,
    given: &str,
    all: [T; N],
    word: fn(T) -> &'static str,
) -> Result<T, Problem> {
    all.into_iter()
        .find(|one| word(*one) == given)
        .ok_or_else(|| unusable(name, &given, format!("use one of {}", all.map(word).join(", "))))
}

/// Where a list goes on.
pub(super) fn cursor<T: std::str::FromStr>(given: Option<String>) -> Result<Option<T>, Problem> {
    let read = |text: String| {
        let hint = "leave it out, or send a `next_cursor` of this list as it came";
        text.parse().map_err(|_| unusable("cursor", &text, hint))
    };
    given.map(read).transpose()
}
