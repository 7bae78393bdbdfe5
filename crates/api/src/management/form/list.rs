//! One value, or several for a sweep.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};
use utoipa::ToSchema;

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq)]
pub struct OneOrMany<T>(Vec<T>);

impl<T> OneOrMany<T> {
    /// A list of these.
    #[must_use]
    pub const fn new(values: Vec<T>) -> Self {
        Self(values)
    }
}

impl<T> Deref for OneOrMany<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }
}

/// Numbers of JSON, which come as one of three types.
pub trait Number: Sized {
    /// What it is called in errors.
    const NAME: &str;

    /// From a number without a sign or fraction.
    fn of_u64(number: u64) -> Option<Self>;

    /// From any other.
    fn of_f64(number: f64) -> Option<Self>;
}

impl Number for u64 {
    const NAME: &str = "a whole number above zero";

    fn of_u64(number: u64) -> Option<Self> {
        Some(number)
    }

    fn of_f64(_: f64) -> Option<Self> {
        None
    }
}

impl Number for f64 {
    const NAME: &str = "a number";

    fn of_u64(number: u64) -> Option<Self> {
        Some(number as Self)
    }

    fn of_f64(number: f64) -> Option<Self> {
        Some(number)
    }
}

impl<'de, T: Number> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { many: true, of: PhantomData }).map(Self)
    }
}

/// One item of a list.
struct One<T>(Vec<T>);

impl<'de, T: Number> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader { many: false, of: PhantomData }).map(Self)
    }
}

/// Reads a number, or `many` in a list.
struct Reader<T> {
    many: bool,
    of: PhantomData<T>,
}

impl<'de, T: Number> Visitor<'de> for Reader<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::NAME)?;
        if self.many { f.write_str(" or a list of them") } else { Ok(()) }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Vec<T>, E> {
        let one = T::of_u64(number);
        one.map(|one| vec![one])
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Vec<T>, E> {
        let one = T::of_f64(number as f64);
        one.map(|one| vec![one]).ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Vec<T>, E> {
        let one = T::of_f64(number);
        one.map(|one| vec![one]).ok_or_else(|| E::invalid_value(Unexpected::Float(number), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        if !self.many {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut numbers = Vec::new();
        while let Some(One(one)) = items.next_element()? {
            numbers.extend(one);
        }
        Ok(numbers)
    }
}

/// The shape of [`OneOrMany`], for the OpenAPI document.
#[derive(ToSchema)]
#[schema(as = OneOrMany)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the values to readers; they come as `OneOrMany`")]
pub(super) enum Shape<T> {
    /// One.
    One(T),
    /// Several, for a sweep.
    Many(Vec<T>),
}
