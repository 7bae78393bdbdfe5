//! What a record holds: each column's name and where in an exchange it is read, once for every
//! format.
//!
//! A column that does not apply, or whose value nobody knows, is missing, never zero. A failed
//! request has times but no figures.

use std::sync::Arc;
use std::time::Duration;

use analysis::{Convention, Figures, Origin};
use domain::{
    Arrival, Connection, Exchange, FailedAttempt, Failure, Outcome, RequestId, Timeline, Timestamp,
    Tokens, WallAnchor,
};

/// What the records of one run of a benchmark share: one model under one scenario and one load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLabel {
    /// The run's place among the benchmark's, from zero.
    pub run: u64,
    /// The load in words, such as `concurrency=8`.
    pub load: Arc<str>,
    /// Where the run's latencies count from.
    pub origin: Origin,
}

/// One request as the formats see it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    exchange: &'a Exchange,
    label: &'a RunLabel,
    anchor: WallAnchor,
    figures: Option<Figures>,
}

impl<'a> Record<'a> {
    /// The record of `exchange`, its times put on the wall clock by `anchor`.
    #[must_use]
    pub fn new(exchange: &'a Exchange, label: &'a RunLabel, anchor: WallAnchor) -> Self {
        let is_success = exchange.outcome.is_success();
        let figures = is_success.then(|| Figures::of(exchange, label.origin, Convention::Prony));
        Self { exchange, label, anchor, figures }
    }

    pub(crate) fn chunk_nanos(&self) -> &'a [u64] {
        self.timeline().chunks.arrived_nanos()
    }

    pub(crate) fn chunk_lag_nanos(&self) -> &'a [u32] {
        self.timeline().chunks.lag_nanos()
    }

    pub(crate) fn failed_attempts(&self) -> &'a [FailedAttempt] {
        &self.exchange.failed_attempts
    }

    pub(crate) fn unix_nanos(&self, moment: Timestamp) -> u64 {
        self.anchor.unix_nanos(moment)
    }

    fn timeline(&self) -> &'a Timeline {
        &self.exchange.timeline
    }

    fn connection(&self) -> Option<Connection> {
        self.timeline().connection
    }

    fn failure(&self) -> Option<&'a Failure> {
        match &self.exchange.outcome {
            Outcome::Success(_) => None,
            Outcome::Failure(failure) => Some(failure),
        }
    }

    fn finish_reason(&self) -> Option<&'static str> {
        match &self.exchange.outcome {
            Outcome::Success(reason) => Some(reason.as_str()),
            Outcome::Failure(_) => None,
        }
    }

    /// The longest read lag of the answer's head, chunks and end.
    fn read_lag_max_nanos(&self) -> i64 {
        let timeline = self.timeline();
        let chunks = timeline.chunks.lag_nanos().iter().max().map_or(0, |&lag| i64::from(lag));
        let head = timeline.headers.map_or(0, |headers| nanos(headers.lag()));
        chunks.max(head).max(nanos(timeline.finished.lag()))
    }
}

/// One column: its name, and how its value is read. The kind of value is the reader's variant.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// The name in quotes, and a colon.
    pub(crate) key: &'static str,
    pub(crate) read: Read,
}

pub(crate) type ReadId = fn(&Record<'_>) -> RequestId;
pub(crate) type ReadText = for<'a> fn(&Record<'a>) -> Option<&'a str>;
pub(crate) type ReadCount = fn(&Record<'_>) -> Option<u64>;
pub(crate) type ReadFlag = fn(&Record<'_>) -> Option<bool>;
/// Gives nanoseconds, written as milliseconds with six decimals.
pub(crate) type ReadMillis = fn(&Record<'_>) -> Option<i64>;

/// How a column's value is read.
pub(crate) enum Read {
    Id(ReadId),
    Text(ReadText),
    Count(ReadCount),
    Flag(ReadFlag),
    Millis(ReadMillis),
}

/// A column, or several that are present or missing together: an object in JSON, columns named
/// `group_column` elsewhere.
pub(crate) enum Entry {
    Single(Column),
    Group {
        name: &'static str,
        key: &'static str,
        is_present: fn(&Record<'_>) -> bool,
        columns: &'static [Column],
    },
}

/// The name of the list of tries before the last one, which JSON Lines and the durable store have.
pub(crate) const FAILED_ATTEMPTS: &str = "failed_attempts";
/// The name of the list of chunk arrivals, in nanoseconds after the request started.
pub(crate) const CHUNK_NS: &str = "chunk_ns";
/// The name of the list of chunks' read lags, in nanoseconds.
pub(crate) const CHUNK_LAG_NS: &str = "chunk_lag_ns";

/// Every column but the lists, with its group's name, in order.
pub(crate) fn flat() -> impl Iterator<Item = (Option<&'static str>, &'static Column)> {
    LAYOUT.iter().flat_map(|entry| {
        let (group, columns) = match entry {
            Entry::Single(column) => (None, std::slice::from_ref(column)),
            Entry::Group { name, columns, .. } => (Some(*name), *columns),
        };
        columns.iter().map(move |column| (group, column))
    })
}

/// A column, its key in JSON spelt out once for all lines.
macro_rules! column {
    ($kind:ident, $name:literal, $read:expr) => {
        Column { name: $name, key: concat!("\"", $name, "\":"), read: Read::$kind($read) }
    };
}

/// A column that stands alone.
macro_rules! entry {
    ($kind:ident, $name:literal, $read:expr) => {
        Entry::Single(column!($kind, $name, $read))
    };
}

/// The columns of every format, in the order they are written.
pub(crate) static LAYOUT: &[Entry] = &[
    entry!(Id, "request_id", |r| r.exchange.id),
    entry!(Text, "server_request_id", |r| r.exchange.server_request_id.as_deref()),
    entry!(Count, "run_index", |r| Some(r.label.run)),
    entry!(Text, "model", |r| Some(&r.exchange.model)),
    entry!(Text, "scenario", |r| Some(&r.exchange.scenario)),
    entry!(Text, "load", |r| Some(&r.label.load)),
    entry!(Count, "user_id", |r| Some(r.exchange.user)),
    entry!(Count, "turn", |r| Some(r.exchange.turn.into())),
    entry!(Text, "vantage", |r| Some(r.exchange.vantage.as_str())),
    entry!(Flag, "warmup", |r| Some(r.exchange.warmup)),
    entry!(Flag, "streamed", |r| Some(r.exchange.streamed)),
    entry!(Count, "attempts", |r| Some(r.exchange.attempts().into())),
    entry!(Text, "origin", |r| Some(r.label.origin.as_str())),
    entry!(Count, "planned_unix_ns", |r| Some(r.unix_nanos(r.timeline().planned))),
    entry!(Count, "started_unix_ns", |r| Some(r.unix_nanos(r.timeline().started))),
    entry!(Count, "sent_unix_ns", |r| Some(r.unix_nanos(r.timeline().sent?))),
    entry!(Count, "headers_unix_ns", |r| Some(r.unix_nanos(r.timeline().headers?.arrived))),
    entry!(Count, "first_token_unix_ns", |r| Some(r.unix_nanos(r.timeline().first_token()?))),
    entry!(Count, "last_token_unix_ns", |r| Some(r.unix_nanos(r.timeline().last_token()?))),
    entry!(Count, "finished_unix_ns", |r| Some(r.unix_nanos(r.timeline().finished.arrived))),
    entry!(Millis, "ttft_ms", |r| r.figures?.ttft_ms.map(nanos_of_ms)),
    entry!(Millis, "e2el_ms", |r| Some(nanos_of_ms(r.figures?.e2e_ms))),
    entry!(Millis, "tpot_ms", |r| r.figures?.tpot_ms.map(nanos_of_ms)),
    entry!(Millis, "schedule_lag_ms", |r| Some(nanos(r.timeline().schedule_lag()))),
    entry!(Millis, "held_ms", |r| r.timeline().held.map(nanos)),
    entry!(Millis, "retrying_ms", |r| (!r.failed_attempts().is_empty())
        .then(|| nanos(r.exchange.retrying()))),
    entry!(Millis, "headers_lag_ms", |r| r
        .timeline()
        .headers
        .as_ref()
        .map(Arrival::lag)
        .map(nanos)),
    entry!(Millis, "finished_lag_ms", |r| Some(nanos(r.timeline().finished.lag()))),
    entry!(Millis, "read_lag_ms_max", |r| Some(r.read_lag_max_nanos())),
    Entry::Group {
        name: "connection",
        key: "\"connection\":",
        is_present: |r| r.connection().is_some(),
        columns: &[
            column!(Millis, "resolve_ms", |r| Some(nanos(r.connection()?.resolve))),
            column!(Millis, "connect_ms", |r| Some(nanos(r.connection()?.connect))),
            column!(Millis, "secure_ms", |r| r.connection()?.secure.map(nanos)),
        ],
    },
    entry!(Count, "max_tokens", |r| r.exchange.max_tokens.map(Tokens::count)),
    entry!(Count, "input_tokens", |r| Some(r.exchange.usage.input.count())),
    entry!(Count, "cache_read_tokens", |r| Some(r.exchange.usage.cache_read.count())),
    entry!(Count, "cache_write_tokens", |r| Some(r.exchange.usage.cache_write.count())),
    entry!(Count, "output_tokens", |r| Some(r.exchange.usage.output.count())),
    entry!(Count, "reasoning_tokens", |r| r.exchange.usage.reasoning.map(Tokens::count)),
    entry!(Text, "input_tokens_source", |r| Some(r.exchange.input_source.as_str())),
    entry!(Text, "output_tokens_source", |r| Some(r.exchange.output_source.as_str())),
    entry!(Text, "finish_reason", |r| r.finish_reason()),
    Entry::Group {
        name: "error",
        key: "\"error\":",
        is_present: |r| r.failure().is_some(),
        columns: &[
            column!(Text, "kind", |r| Some(r.failure()?.kind.as_str())),
            column!(Count, "status", |r| r.failure()?.status.map(u64::from)),
            column!(Text, "message", |r| Some(&r.failure()?.message)),
            column!(Millis, "retry_after_ms", |r| r.failure()?.retry_after.map(nanos)),
            column!(Flag, "retryable", |r| Some(r.failure()?.retryable)),
        ],
    },
];

pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn nanos_of_ms(ms: f64) -> i64 {
    (ms * 1e6).round() as i64
}
