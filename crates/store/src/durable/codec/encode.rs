//! Records into bytes.

use std::sync::Arc;

use domain::{Connection, Exchange, FailedAttempt, Failure, Outcome, Timeline, WallAnchor};

use super::{FINISH_REASONS, ORIGINS, SOURCES, VANTAGES, VERSION, code_of, has};
use crate::durable::bytes::{put_count, put_step, put_text};
use crate::durable::provenance::{Entry, Provenance};

/// Gathers a batch.
#[derive(Debug, Default)]
pub(crate) struct Encoder<'a> {
    provenances: Vec<&'a Provenance>,
    words: Vec<&'a Arc<str>>,
    records: Vec<u8>,
    count: u32,
    /// The last record's planned moment, in nanoseconds since 1970.
    planned: u64,
}

impl<'a> Encoder<'a> {
    /// Appends a record.
    pub(crate) fn push(&mut self, entry: Entry<'a>) {
        let Entry { provenance, exchange, anchor } = entry;
        let provenance =
            place(&mut self.provenances, provenance, |a, b| std::ptr::eq(*a, *b) || a == b);
        let model = self.word(&exchange.model);
        let scenario = self.word(&exchange.scenario);
        let out = &mut self.records;
        put_count(out, flags(exchange));
        put_count(out, provenance);
        put_count(out, model);
        put_count(out, scenario);
        out.extend_from_slice(&exchange.id.run.to_le_bytes());
        put_count(out, exchange.id.index);
        if let Some(id) = &exchange.server_request_id {
            put_text(out, id);
        }
        put_count(out, exchange.user);
        put_count(out, exchange.turn.into());
        out.push(code_of(&VANTAGES, &exchange.vantage));
        self.planned = put_timeline(out, &exchange.timeline, anchor, self.planned);
        put_usage(out, exchange);
        put_outcome(out, &exchange.outcome);
        put_failed_attempts(out, exchange, anchor, self.planned);
        self.count += 1;
    }

    /// How many bytes the batch takes so far, but for what its records share.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// How many records it holds.
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// The batch in bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.records.len() + 1024);
        out.push(VERSION);
        put_count(&mut out, self.provenances.len() as u64);
        for provenance in self.provenances {
            put_provenance(&mut out, provenance);
        }
        put_count(&mut out, self.words.len() as u64);
        self.words.iter().for_each(|word| put_text(&mut out, word));
        put_count(&mut out, self.count.into());
        out.extend_from_slice(&self.records);
        out
    }

    fn word(&mut self, word: &'a Arc<str>) -> u64 {
        place(&mut self.words, word, |a, b| Arc::ptr_eq(a, b) || a == b)
    }
}

/// Where `value` stands in `table`, at whose end it is put if it is new.
fn place<T: Copy>(table: &mut Vec<T>, value: T, equal: impl Fn(&T, &T) -> bool) -> u64 {
    let place = table.iter().position(|known| equal(known, &value)).unwrap_or_else(|| {
        table.push(value);
        table.len() - 1
    });
    place as u64
}

fn put_provenance(out: &mut Vec<u8>, provenance: &Provenance) {
    let Provenance { run, label, provider, target_region, vantage_region, source } = provenance;
    out.push(run.is_some().into());
    run.iter().for_each(|run| put_text(out, run));
    put_count(out, label.run);
    put_text(out, &label.load);
    out.push(code_of(&ORIGINS, &label.origin));
    [provider, target_region, vantage_region, source].iter().for_each(|text| put_text(out, text));
}

fn flags(exchange: &Exchange) -> u64 {
    let Timeline { held, connection, sent, headers, .. } = &exchange.timeline;
    let failure = match &exchange.outcome {
        Outcome::Success(_) => None,
        Outcome::Failure(failure) => Some(failure),
    };
    [
        (exchange.warmup, has::WARMUP),
        (exchange.streamed, has::STREAMED),
        (failure.is_none(), has::SUCCESS),
        (exchange.server_request_id.is_some(), has::SERVER_ID),
        (connection.is_some(), has::CONNECTION),
        (connection.is_some_and(|connection| connection.secure.is_some()), has::SECURE),
        (sent.is_some(), has::SENT),
        (headers.is_some(), has::HEADERS),
        (exchange.max_tokens.is_some(), has::MAX_TOKENS),
        (exchange.usage.reasoning.is_some(), has::REASONING),
        (failure.is_some_and(|failure| failure.status.is_some()), has::STATUS),
        (failure.is_some_and(|failure| failure.retry_after.is_some()), has::RETRY_AFTER),
        (failure.is_some_and(|failure| failure.retryable), has::RETRYABLE),
        (held.is_some(), has::HELD),
        (!exchange.failed_attempts.is_empty(), has::RETRIED),
    ]
    .into_iter()
    .filter_map(|(is_so, flag)| is_so.then_some(flag))
    .sum()
}

/// Returns the planned moment.
fn put_timeline(out: &mut Vec<u8>, timeline: &Timeline, anchor: WallAnchor, before: u64) -> u64 {
    let planned = anchor.unix_nanos(timeline.planned);
    let started = anchor.unix_nanos(timeline.started);
    put_step(out, planned, before);
    if let Some(held) = timeline.held {
        put_count(out, nanos(held));
    }
    put_step(out, started, planned);
    if let Some(Connection { resolve, connect, secure }) = timeline.connection {
        for duration in [Some(resolve), Some(connect), secure].into_iter().flatten() {
            put_count(out, nanos(duration));
        }
    }
    if let Some(sent) = timeline.sent {
        put_step(out, anchor.unix_nanos(sent), started);
    }
    for arrival in timeline.headers.iter().chain([&timeline.finished]) {
        let arrived = anchor.unix_nanos(arrival.arrived);
        put_step(out, arrived, started);
        put_step(out, anchor.unix_nanos(arrival.read), arrived);
    }
    put_count(out, timeline.chunks.len() as u64);
    let mut last = 0;
    for &arrived in timeline.chunks.arrived_nanos() {
        put_step(out, arrived, last);
        last = arrived;
    }
    for &lag in timeline.chunks.lag_nanos() {
        put_count(out, lag.into());
    }
    planned
}

fn put_usage(out: &mut Vec<u8>, exchange: &Exchange) {
    let usage = &exchange.usage;
    for tokens in [usage.input, usage.cache_read, usage.cache_write, usage.output]
        .into_iter()
        .chain(usage.reasoning)
        .chain(exchange.max_tokens)
    {
        put_count(out, tokens.count());
    }
    out.push(code_of(&SOURCES, &exchange.input_source));
    out.push(code_of(&SOURCES, &exchange.output_source));
}

fn put_outcome(out: &mut Vec<u8>, outcome: &Outcome) {
    match outcome {
        Outcome::Success(reason) => out.push(code_of(&FINISH_REASONS, reason)),
        Outcome::Failure(Failure { kind, status, message, retry_after, retryable: _ }) => {
            put_text(out, kind.as_str());
            put_text(out, message);
            if let Some(status) = status {
                put_count(out, (*status).into());
            }
            if let Some(wait) = retry_after {
                put_count(out, nanos(*wait));
            }
        }
    }
}

fn put_failed_attempts(out: &mut Vec<u8>, exchange: &Exchange, anchor: WallAnchor, planned: u64) {
    let attempts = &exchange.failed_attempts;
    if attempts.is_empty() {
        return;
    }
    put_count(out, attempts.len() as u64);
    for FailedAttempt { kind, status, failed, pause } in attempts {
        put_text(out, kind.as_str());
        // No status is zero.
        put_count(out, status.unwrap_or(0).into());
        put_step(out, anchor.unix_nanos(*failed), planned);
        put_count(out, nanos(*pause));
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
