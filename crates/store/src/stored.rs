//! Reads JSON Lines back into exchanges, to compute their figures anew in another convention.

use std::sync::Arc;
use std::time::Duration;

use analysis::Origin;
use domain::{
    Arrival, Chunks, Connection, CountSource, Exchange, FailedAttempt, Failure, FailureKind,
    FinishReason, Outcome, RequestId, Timeline, Timestamp, Tokens, Usage, Vantage, WallAnchor,
};
use serde::Deserialize;

use crate::RunLabel;

/// The anchor of exchanges read back: their timestamps are wall-clock times, in nanoseconds since
/// 1970.
pub const STORED_ANCHOR: WallAnchor = WallAnchor::new(Timestamp::from_nanos(0), 0);

/// A request read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRequest {
    /// The run it belongs to.
    pub label: RunLabel,
    /// The request; see [`STORED_ANCHOR`] for its times.
    pub exchange: Exchange,
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ReadError {
    /// Which line, counted from one.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a whole file of records. Figures, which follow from the times, are not read but may be
/// there, as may keys of newer versions; blank lines are passed over.
///
/// # Errors
/// The first line that is no record.
pub fn read_jsonl(bytes: &[u8]) -> Result<Vec<StoredRequest>, ReadError> {
    let mut words = Words::default();
    let mut requests = Vec::new();
    for (text, line) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let request = serde_json::from_slice::<Line>(text)
            .map_err(|error| json_reason(&error))
            .and_then(|record| record.into_request(&mut words))
            .map_err(|reason| ReadError { line, reason })?;
        requests.push(request);
    }
    Ok(requests)
}

/// What `error` says, with its place in the line alone: its own count of lines is always one.
fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => format!("{reason} at column {}", error.column()),
        None => text,
    }
}

/// Words that nearly every line repeats, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Words(Vec<Arc<str>>);

impl Words {
    pub(crate) fn keep(&mut self, word: &str) -> Arc<str> {
        if let Some(known) = self.0.iter().find(|known| ***known == *word) {
            return Arc::clone(known);
        }
        let word = Arc::from(word);
        self.0.push(Arc::clone(&word));
        word
    }
}

/// The keys of a line from which everything else follows.
#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) request_id: String,
    pub(crate) server_request_id: Option<Box<str>>,
    pub(crate) run_index: u64,
    pub(crate) model: String,
    pub(crate) scenario: String,
    pub(crate) load: String,
    pub(crate) user_id: u64,
    pub(crate) turn: u32,
    pub(crate) vantage: String,
    pub(crate) warmup: bool,
    pub(crate) streamed: bool,
    pub(crate) attempts: u32,
    pub(crate) origin: String,
    pub(crate) planned_unix_ns: u64,
    pub(crate) started_unix_ns: u64,
    pub(crate) sent_unix_ns: Option<u64>,
    pub(crate) headers_unix_ns: Option<u64>,
    pub(crate) finished_unix_ns: u64,
    pub(crate) held_ms: Option<f64>,
    pub(crate) headers_lag_ms: Option<f64>,
    pub(crate) finished_lag_ms: f64,
    pub(crate) connection: Option<LineConnection>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) input_tokens: u64,
    pub(crate) cache_read_tokens: u64,
    pub(crate) cache_write_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) reasoning_tokens: Option<u64>,
    pub(crate) input_tokens_source: String,
    pub(crate) output_tokens_source: String,
    pub(crate) finish_reason: Option<String>,
    pub(crate) error: Option<LineError>,
    pub(crate) failed_attempts: Vec<LineAttempt>,
    pub(crate) chunk_ns: Vec<u64>,
    pub(crate) chunk_lag_ns: Vec<u32>,
}

#[derive(Deserialize)]
pub(crate) struct LineConnection {
    pub(crate) resolve_ms: f64,
    pub(crate) connect_ms: f64,
    pub(crate) secure_ms: Option<f64>,
}

#[derive(Deserialize)]
pub(crate) struct LineError {
    pub(crate) kind: String,
    pub(crate) status: Option<u16>,
    pub(crate) message: String,
    pub(crate) retry_after_ms: Option<f64>,
    pub(crate) retryable: bool,
}

#[derive(Deserialize)]
pub(crate) struct LineAttempt {
    kind: String,
    status: Option<u16>,
    failed_unix_ns: u64,
    pause_ms: f64,
}

impl Line {
    pub(crate) fn into_request(self, words: &mut Words) -> Result<StoredRequest, String> {
        let timeline = self.timeline()?;
        let failed_attempts = self.failed_attempts()?;
        let usage = Usage {
            input: Tokens(self.input_tokens),
            cache_read: Tokens(self.cache_read_tokens),
            cache_write: Tokens(self.cache_write_tokens),
            output: Tokens(self.output_tokens),
            reasoning: self.reasoning_tokens.map(Tokens),
        };
        let vantages = [Vantage::Client, Vantage::Gateway, Vantage::Engine];
        let origins = [Origin::Planned, Origin::Started];
        Ok(StoredRequest {
            label: RunLabel {
                run: self.run_index,
                load: words.keep(&self.load),
                origin: one_of("origin", &self.origin, origins, Origin::as_str)?,
            },
            exchange: Exchange {
                id: request_id(&self.request_id)?,
                server_request_id: self.server_request_id,
                user: self.user_id,
                turn: self.turn,
                model: words.keep(&self.model),
                scenario: words.keep(&self.scenario),
                vantage: one_of("vantage", &self.vantage, vantages, Vantage::as_str)?,
                warmup: self.warmup,
                streamed: self.streamed,
                failed_attempts,
                timeline,
                usage,
                input_source: source("input_tokens_source", &self.input_tokens_source)?,
                output_source: source("output_tokens_source", &self.output_tokens_source)?,
                max_tokens: self.max_tokens.map(Tokens),
                outcome: outcome(self.finish_reason.as_deref(), self.error)?,
            },
        })
    }

    fn failed_attempts(&self) -> Result<Vec<FailedAttempt>, String> {
        if self.failed_attempts.len() as u64 + 1 != u64::from(self.attempts) {
            return Err("attempts is not one more than failed_attempts has".to_owned());
        }
        let attempt = |line: &LineAttempt| {
            Ok(FailedAttempt {
                kind: failure_kind(&line.kind)?,
                status: line.status,
                failed: Timestamp::from_nanos(line.failed_unix_ns),
                pause: duration(line.pause_ms)?,
            })
        };
        self.failed_attempts.iter().map(attempt).collect()
    }

    fn timeline(&self) -> Result<Timeline, String> {
        if self.chunk_ns.len() != self.chunk_lag_ns.len() {
            return Err("chunk_ns and chunk_lag_ns differ in length".to_owned());
        }
        let started = Timestamp::from_nanos(self.started_unix_ns);
        let mut chunks = Chunks::default();
        for (&nanos, &lag) in self.chunk_ns.iter().zip(&self.chunk_lag_ns) {
            let arrived = started + Duration::from_nanos(nanos);
            chunks.push(
                started,
                Arrival { arrived, read: arrived + Duration::from_nanos(lag.into()) },
            );
        }
        let headers = match (self.headers_unix_ns, self.headers_lag_ms) {
            (None, None) => None,
            (Some(nanos), Some(lag_ms)) => Some(arrival(nanos, lag_ms)?),
            _ => return Err("headers_unix_ns and headers_lag_ms go together".to_owned()),
        };
        Ok(Timeline {
            planned: Timestamp::from_nanos(self.planned_unix_ns),
            held: self.held_ms.map(duration).transpose()?,
            started,
            connection: self.connection.as_ref().map(connection).transpose()?,
            sent: self.sent_unix_ns.map(Timestamp::from_nanos),
            headers,
            chunks,
            finished: arrival(self.finished_unix_ns, self.finished_lag_ms)?,
        })
    }
}

fn arrival(nanos: u64, lag_ms: f64) -> Result<Arrival, String> {
    let arrived = Timestamp::from_nanos(nanos);
    Ok(Arrival { arrived, read: arrived + duration(lag_ms)? })
}

fn connection(line: &LineConnection) -> Result<Connection, String> {
    Ok(Connection {
        resolve: duration(line.resolve_ms)?,
        connect: duration(line.connect_ms)?,
        secure: line.secure_ms.map(duration).transpose()?,
    })
}

fn outcome(finish: Option<&str>, error: Option<LineError>) -> Result<Outcome, String> {
    let reasons = [
        FinishReason::Stop,
        FinishReason::Length,
        FinishReason::ToolCalls,
        FinishReason::ContentFilter,
        FinishReason::Other,
    ];
    match (finish, error) {
        (Some(finish), None) => {
            let reason = one_of("finish_reason", finish, reasons, FinishReason::as_str)?;
            Ok(Outcome::Success(reason))
        }
        (None, Some(error)) => Ok(Outcome::Failure(Failure {
            kind: failure_kind(&error.kind)?,
            status: error.status,
            message: error.message,
            retry_after: error.retry_after_ms.map(duration).transpose()?,
            retryable: error.retryable,
        })),
        (None, None) | (Some(_), Some(_)) => {
            Err("a request has either a finish_reason or an error".to_owned())
        }
    }
}

fn failure_kind(word: &str) -> Result<FailureKind, String> {
    one_of("error kind", word, FailureKind::ALL, FailureKind::as_str)
}

fn source(key: &str, word: &str) -> Result<CountSource, String> {
    let sources = [CountSource::Server, CountSource::Tokenizer, CountSource::Estimate];
    one_of(key, word, sources, CountSource::as_str)
}

fn one_of<T: Copy, const N: usize>(
    key: &str,
    word: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    all.into_iter().find(|one| name(*one) == word).ok_or_else(|| format!("unknown {key} `{word}`"))
}

fn request_id(text: &str) -> Result<RequestId, String> {
    text.parse().map_err(|_| format!("`{text}` is no request id"))
}

/// Exact to the nanosecond up to a hundred days, where double precision ends.
fn duration(ms: f64) -> Result<Duration, String> {
    let nanos = (ms * 1e6).round();
    if nanos.is_finite() && nanos >= 0.0 {
        Ok(Duration::from_nanos(nanos as u64))
    } else {
        Err(format!("{ms} ms is no duration"))
    }
}
