//! What a receiver answered, and what to make of it.

use std::time::Duration;

use domain::Secret;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};

use crate::http::{Answer, ExchangeError};
use crate::protobuf::{Held, read};

/// This much of what a receiver says is told.
const SAID_CHARS_MAX: usize = 200;

/// A word of a header this long or longer is taken for a secret.
const SECRET_BYTES_MIN: usize = 8;

/// Why metrics were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The receiver cannot be reached.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// It broke off, or does not speak HTTP.
    #[error("no whole answer: {0}")]
    Http(String),
    /// It refused.
    #[error("answered {status}{}{said}{}", if said.is_empty() { "" } else { ": " }, hint(*status))]
    Status {
        /// The status.
        status: StatusCode,
        /// What it said, in one line, without what it may have quoted of the headers.
        said: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
}

fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "; redirects are not followed, set the endpoint they lead to",
        401 | 403 => "; check the headers",
        404 | 405 => "; check the endpoint, which /v1/metrics follows",
        415 => "; the receiver has to take protobuf with gzip",
        _ => "",
    }
}

impl PushError {
    /// Whether the same push may be taken later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Timeout(_) | Self::Http(_) => true,
            Self::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }

    /// How long the receiver asks to be left alone.
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<ExchangeError> for PushError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Connect(error) => Self::Connect(error.to_string()),
            ExchangeError::Http(error) => Self::Http(error.to_string()),
        }
    }
}

/// What a receiver says that took the push, if not all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reservation {
    pub(super) refused_points: u64,
    pub(super) said: String,
}

/// Whether the receiver took the push, and with what reservation. `secrets` are taken out of what it
/// says.
pub(super) fn judge<'a>(
    answer: Answer,
    secrets: impl Iterator<Item = &'a Secret>,
) -> Result<Option<Reservation>, PushError> {
    let (head, body) = answer.into_parts();
    // What a receiver has taken it has taken, however its answer ends.
    let body = body.unwrap_or_default();
    if head.status.is_success() {
        return Ok(reservation(&body).map(|mut reservation| {
            reservation.said = redact(&reservation.said, secrets);
            reservation
        }));
    }
    let said = redact(&said(&head.headers, &body), secrets);
    let retry_after = retry_after(&head.headers);
    Err(PushError::Status { status: head.status, said, retry_after })
}

/// Only the form in seconds, which is what receivers of OTLP send.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Reads an `ExportMetricsServiceResponse`; `None` where there is no reservation.
fn reservation(body: &[u8]) -> Option<Reservation> {
    let (_, partial) = read(body).find(|(field, _)| *field == 1)?;
    let Held::Bytes(partial) = partial else { return None };
    let mut reservation = Reservation::default();
    for field in read(partial) {
        match field {
            (1, Held::Integer(points)) => reservation.refused_points = points,
            (2, Held::Bytes(said)) => reservation.said = String::from_utf8_lossy(said).into_owned(),
            _ => {}
        }
    }
    (reservation != Reservation::default()).then_some(reservation)
}

/// Reads what a receiver says that did not take it: text, or a `google.rpc.Status`.
fn said(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind != "application/x-protobuf" {
        return String::from_utf8_lossy(body).into_owned();
    }
    let message = read(body).find_map(|field| match field {
        (2, Held::Bytes(message)) => Some(String::from_utf8_lossy(message).into_owned()),
        _ => None,
    });
    message.unwrap_or_default()
}

/// In one line, without what was quoted of the secrets.
fn redact<'a>(said: &str, secrets: impl Iterator<Item = &'a Secret>) -> String {
    let mut said = said.to_owned();
    for secret in secrets {
        said = secret.redact(&said);
        let words = secret.reveal().split_ascii_whitespace();
        for word in words.filter(|word| word.len() >= SECRET_BYTES_MIN) {
            said = said.replace(word, "[redacted]");
        }
    }
    let words = Vec::from_iter(said.split_whitespace());
    words.join(" ").chars().take(SAID_CHARS_MAX).collect()
}
