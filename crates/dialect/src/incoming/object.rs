//! JSON objects of a request, read member by member: what nobody asks for is not read, and what is
//! only passed on stays as it was written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::BadRequest;
use crate::failure;

/// An object and where in the body it stands. A null member is as good as absent.
pub(super) struct Object<'a> {
    /// Empty for the body itself.
    place: String,
    members: BTreeMap<String, &'a RawValue>,
}

/// A value, as far as its type decides what becomes of it.
pub(super) enum Value<'a> {
    /// It is missing, or null.
    Absent,
    Text(String),
    Array(Vec<&'a RawValue>),
    Object,
    /// A number or a truth value.
    Other,
}

impl<'a> Value<'a> {
    pub(super) fn of(raw: &'a RawValue) -> Self {
        match raw.get().as_bytes().first() {
            Some(b'"') => read(raw).map_or(Self::Other, Self::Text),
            Some(b'[') => read(raw).map_or(Self::Other, Self::Array),
            Some(b'{') => Self::Object,
            Some(b'n') => Self::Absent,
            Some(_) | None => Self::Other,
        }
    }

    pub(super) fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Array(_) | Self::Object | Self::Other => None,
        }
    }
}

impl<'a> Object<'a> {
    /// A request's body.
    pub(super) fn of_body(body: &'a [u8]) -> Result<Self, BadRequest> {
        let bad = |message| BadRequest { message, param: None };
        let members = serde_json::from_slice(body).map_err(|error| {
            bad(if error.is_data() {
                "the body must be a JSON object".to_owned()
            } else {
                format!("the body cannot be read: {}", failure::json_error(&error))
            })
        })?;
        Ok(Self { place: String::new(), members })
    }

    /// What stands at `place`.
    pub(super) fn of(raw: &'a RawValue, place: String) -> Result<Self, BadRequest> {
        match read(raw) {
            Some(members) => Ok(Self { place, members }),
            None => Err(BadRequest::at(place, "must be an object")),
        }
    }

    /// The place of its member called `name`.
    pub(super) fn place(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }

    /// An error of its member called `name`.
    pub(super) fn wrong(&self, name: &str, problem: &str) -> BadRequest {
        BadRequest::at(self.place(name), problem)
    }

    /// The member called `name`, as it was written.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.members.get(name).copied().filter(|raw| raw.get() != "null")
    }

    pub(super) fn value(&self, name: &str) -> Value<'a> {
        self.raw(name).map_or(Value::Absent, Value::of)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, BadRequest> {
        match self.value(name) {
            Value::Absent => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            Value::Array(_) | Value::Object | Value::Other => {
                Err(self.wrong(name, "must be a string"))
            }
        }
    }

    pub(super) fn required_text(&self, name: &str) -> Result<String, BadRequest> {
        self.text(name)?.ok_or_else(|| BadRequest::missing(self.place(name)))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, BadRequest> {
        self.typed(name, |_: &bool| true, || "must be true or false".to_owned())
    }

    pub(super) fn integer(&self, name: &str, least: u64) -> Result<Option<u64>, BadRequest> {
        let problem = || format!("must be an integer of {least} or more");
        self.typed(name, |number: &u64| *number >= least, problem)
    }

    pub(super) fn number(&self, name: &str, most: f64) -> Result<Option<f64>, BadRequest> {
        let problem = || match most {
            f64::MAX => "must be a number of 0 or more".to_owned(),
            _ => format!("must be a number from 0 to {most}"),
        };
        self.typed(name, |number: &f64| (0.0..=most).contains(number), problem)
    }

    fn typed<T: Deserialize<'a>>(
        &self,
        name: &str,
        fits: impl FnOnce(&T) -> bool,
        problem: impl FnOnce() -> String,
    ) -> Result<Option<T>, BadRequest> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        match read(raw).filter(fits) {
            Some(value) => Ok(Some(value)),
            None => Err(self.wrong(name, &problem())),
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, BadRequest> {
        self.raw(name).map(|raw| Self::of(raw, self.place(name))).transpose()
    }

    /// The objects of the array called `name`, each with its place.
    pub(super) fn objects(&self, name: &str) -> Result<Option<Vec<Self>>, BadRequest> {
        match self.value(name) {
            Value::Absent => Ok(None),
            Value::Array(items) => {
                let place = self.place(name);
                let objects = (0..)
                    .zip(items)
                    .map(|(index, item): (usize, _)| Self::of(item, format!("{place}[{index}]")));
                objects.collect::<Result<_, _>>().map(Some)
            }
            Value::Text(_) | Value::Object | Value::Other => {
                Err(self.wrong(name, "must be an array"))
            }
        }
    }
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}
