//! Where metrics are pushed to.

use std::fmt;
use std::time::Duration;

use collect::otlp::{Conventions, Settings, SettingsError};

use super::reader::Table;
use super::receiver;
use crate::value::Span;

/// `[otlp]`
#[derive(Clone, Debug)]
pub(crate) struct OtlpSettings {
    /// How metrics are pushed; the instance is empty where nobody named it.
    pub(crate) push: Settings,
}

impl OtlpSettings {
    pub(super) fn read(root: &mut Table<'_>) -> Option<Self> {
        let mut table = root.table("otlp")?;
        let endpoint = table.text("endpoint");
        if !table.has("endpoint") {
            let hint = "name a receiver, such as http://127.0.0.1:4318";
            table.refuse("endpoint", "is missing", hint);
        }
        let instance = table.text("instance").unwrap_or_default();
        let conventions = table
            .choice("conventions", &[("v1.41", Conventions::V1_41), ("next", Conventions::Next)]);
        let interval = span(&mut table, "interval");
        let timeout = span(&mut table, "timeout");
        let mut headers = Vec::new();
        for header in table.tables("headers") {
            let name = header.name.clone();
            headers.extend(receiver::elsewhere(header).map(|value| (name, value)));
        }
        let mut push = Settings::new(endpoint.unwrap_or_default(), instance);
        push.headers = headers;
        push.conventions = conventions.unwrap_or_default();
        push.interval = interval.unwrap_or(push.interval);
        push.timeout = timeout.unwrap_or(push.timeout);
        if let (true, Err(error)) = (table.has("endpoint"), push.check()) {
            let key =
                if matches!(error, SettingsError::Header(_)) { "headers" } else { "endpoint" };
            table.refuse(key, format!("cannot be used: {error}"), "");
        }
        table.refuse_others();
        Some(Self { push })
    }
}

/// A time of some length.
fn span(table: &mut Table<'_>, key: &'static str) -> Option<Duration> {
    let Span(time) = table.parsed(key)?;
    if time.is_zero() {
        table.refuse(key, "has to be more than zero", "");
    }
    Some(time).filter(|time| !time.is_zero())
}

impl fmt::Display for OtlpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { endpoint, interval, conventions, .. } = &self.push;
        let names = match conventions {
            Conventions::V1_41 => "v1.41",
            Conventions::Next => "next",
        };
        write!(f, "to {endpoint} every {} s, by the names of {names}", interval.as_secs_f64())
    }
}
