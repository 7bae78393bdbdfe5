//! Bytes into records.

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Arrival, Chunks, Connection, CountSource, Exchange, FailedAttempt, Failure, FailureKind,
    Outcome, RequestId, Timeline, Timestamp, Tokens, Usage,
};

use super::{FINISH_REASONS, ORIGINS, SOURCES, VANTAGES, VERSION, has};
use crate::column::RunLabel;
use crate::durable::bytes::{Bytes, Malformed};
use crate::durable::provenance::{Provenance, StoredRecord};

/// Takes a batch apart and hands over each of its records.
///
/// # Errors
/// Where the bytes are not those of a batch; the records before are handed over.
pub fn decode(payload: &[u8], mut take: impl FnMut(StoredRecord)) -> Result<(), Malformed> {
    let mut bytes = Bytes::new(payload);
    if bytes.byte()? != VERSION {
        return Err(Malformed("its version is not known"));
    }
    let provenances = table(&mut bytes, |bytes| provenance(bytes).map(Arc::new))?;
    let words = table(&mut bytes, |bytes| bytes.text().map(Arc::from))?;
    let mut batch = Batch { bytes, provenances, words, planned: 0 };
    for _ in 0..batch.bytes.length()? {
        take(batch.record()?);
    }
    if batch.bytes.is_empty() { Ok(()) } else { Err(Malformed("something follows its end")) }
}

fn table<'a, T>(
    bytes: &mut Bytes<'a>,
    mut item: impl FnMut(&mut Bytes<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let length = bytes.length()?;
    (0..length).map(|_| item(bytes)).collect()
}

fn provenance(bytes: &mut Bytes<'_>) -> Result<Provenance, Malformed> {
    let run = match bytes.byte()? {
        0 => None,
        1 => Some(Arc::from(bytes.text()?)),
        _ => return Err(Malformed("a flag is neither 0 nor 1")),
    };
    let label = RunLabel {
        run: bytes.count()?,
        load: Arc::from(bytes.text()?),
        origin: coded(bytes, &ORIGINS)?,
    };
    let mut word = || bytes.text().map(Arc::from);
    let (provider, target_region, vantage_region, source) = (word()?, word()?, word()?, word()?);
    Ok(Provenance { run, label, provider, target_region, vantage_region, source })
}

/// The value whose code comes next.
fn coded<T: Copy>(bytes: &mut Bytes<'_>, all: &[T]) -> Result<T, Malformed> {
    all.get(usize::from(bytes.byte()?)).copied().ok_or(Malformed("a code is not known"))
}

fn shared<T: Clone>(bytes: &mut Bytes<'_>, table: &[T]) -> Result<T, Malformed> {
    let place: usize = bytes.narrow()?;
    table.get(place).cloned().ok_or(Malformed("a table has no such place"))
}

struct Batch<'a> {
    bytes: Bytes<'a>,
    provenances: Vec<Arc<Provenance>>,
    words: Vec<Arc<str>>,
    /// The last record's planned moment.
    planned: u64,
}

impl Batch<'_> {
    fn record(&mut self) -> Result<StoredRecord, Malformed> {
        let flags = self.bytes.count()?;
        let provenance = shared(&mut self.bytes, &self.provenances)?;
        let model = shared(&mut self.bytes, &self.words)?;
        let scenario = shared(&mut self.bytes, &self.words)?;
        let id = self.request_id()?;
        let server_request_id = match flags & has::SERVER_ID {
            0 => None,
            _ => Some(Box::from(self.bytes.text()?)),
        };
        let user = self.bytes.count()?;
        let turn = self.bytes.narrow()?;
        let vantage = coded(&mut self.bytes, &VANTAGES)?;
        let timeline = self.timeline(flags)?;
        let (usage, max_tokens) = self.usage(flags)?;
        let (input_source, output_source) = (self.source()?, self.source()?);
        let outcome = self.outcome(flags)?;
        let failed_attempts = self.failed_attempts(flags)?;
        let exchange = Exchange {
            id,
            server_request_id,
            user,
            turn,
            model,
            scenario,
            vantage,
            warmup: flags & has::WARMUP != 0,
            streamed: flags & has::STREAMED != 0,
            failed_attempts,
            timeline,
            usage,
            input_source,
            output_source,
            max_tokens,
            outcome,
        };
        Ok(StoredRecord { provenance, exchange })
    }

    fn request_id(&mut self) -> Result<RequestId, Malformed> {
        let mut run = [0; 8];
        for byte in &mut run {
            *byte = self.bytes.byte()?;
        }
        Ok(RequestId { run: u64::from_le_bytes(run), index: self.bytes.count()? })
    }

    fn timeline(&mut self, flags: u64) -> Result<Timeline, Malformed> {
        let planned = self.bytes.step(self.planned)?;
        self.planned = planned;
        let held = self.optional_duration(flags & has::HELD)?;
        let started = self.bytes.step(planned)?;
        let connection = match flags & has::CONNECTION {
            0 => None,
            _ => Some(Connection {
                resolve: self.duration()?,
                connect: self.duration()?,
                secure: self.optional_duration(flags & has::SECURE)?,
            }),
        };
        let sent = match flags & has::SENT {
            0 => None,
            _ => Some(Timestamp::from_nanos(self.bytes.step(started)?)),
        };
        let headers = match flags & has::HEADERS {
            0 => None,
            _ => Some(self.arrival(started)?),
        };
        let finished = self.arrival(started)?;
        let started = Timestamp::from_nanos(started);
        let chunks = self.chunks(started)?;
        let planned = Timestamp::from_nanos(planned);
        Ok(Timeline { planned, held, started, connection, sent, headers, chunks, finished })
    }

    fn arrival(&mut self, started: u64) -> Result<Arrival, Malformed> {
        let arrived = self.bytes.step(started)?;
        let read = self.bytes.step(arrived)?;
        Ok(Arrival { arrived: Timestamp::from_nanos(arrived), read: Timestamp::from_nanos(read) })
    }

    fn chunks(&mut self, started: Timestamp) -> Result<Chunks, Malformed> {
        let length = self.bytes.length()?;
        let mut arrived = Vec::with_capacity(length);
        let mut last = 0;
        for _ in 0..length {
            last = self.bytes.step(last)?;
            arrived.push(last);
        }
        let mut chunks = Chunks::with_capacity(length);
        for nanos in arrived {
            let lag: u32 = self.bytes.narrow()?;
            let arrived = started + Duration::from_nanos(nanos);
            chunks.push(
                started,
                Arrival { arrived, read: arrived + Duration::from_nanos(lag.into()) },
            );
        }
        Ok(chunks)
    }

    fn usage(&mut self, flags: u64) -> Result<(Usage, Option<Tokens>), Malformed> {
        let mut tokens = || self.bytes.count().map(Tokens);
        let mut usage = Usage {
            input: tokens()?,
            cache_read: tokens()?,
            cache_write: tokens()?,
            output: tokens()?,
            reasoning: None,
        };
        if flags & has::REASONING != 0 {
            usage.reasoning = Some(tokens()?);
        }
        let max_tokens = if flags & has::MAX_TOKENS == 0 { None } else { Some(tokens()?) };
        Ok((usage, max_tokens))
    }

    fn source(&mut self) -> Result<CountSource, Malformed> {
        coded(&mut self.bytes, &SOURCES)
    }

    fn outcome(&mut self, flags: u64) -> Result<Outcome, Malformed> {
        if flags & has::SUCCESS != 0 {
            return Ok(Outcome::Success(coded(&mut self.bytes, &FINISH_REASONS)?));
        }
        let kind = self.failure_kind()?;
        let message = self.bytes.text()?.to_owned();
        let status = match flags & has::STATUS {
            0 => None,
            _ => Some(self.bytes.narrow()?),
        };
        let retry_after = self.optional_duration(flags & has::RETRY_AFTER)?;
        let retryable = flags & has::RETRYABLE != 0;
        Ok(Outcome::Failure(Failure { kind, status, message, retry_after, retryable }))
    }

    fn failed_attempts(&mut self, flags: u64) -> Result<Vec<FailedAttempt>, Malformed> {
        if flags & has::RETRIED == 0 {
            return Ok(Vec::new());
        }
        let length = self.bytes.length()?;
        (0..length).map(|_| self.failed_attempt()).collect()
    }

    fn failed_attempt(&mut self) -> Result<FailedAttempt, Malformed> {
        let kind = self.failure_kind()?;
        let status = match self.bytes.narrow()? {
            0 => None,
            status => Some(status),
        };
        let failed = Timestamp::from_nanos(self.bytes.step(self.planned)?);
        Ok(FailedAttempt { kind, status, failed, pause: self.duration()? })
    }

    fn failure_kind(&mut self) -> Result<FailureKind, Malformed> {
        let word = self.bytes.text()?;
        FailureKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(Malformed("a kind of failure is not known"))
    }

    fn duration(&mut self) -> Result<Duration, Malformed> {
        self.bytes.count().map(Duration::from_nanos)
    }

    fn optional_duration(&mut self, is_present: u64) -> Result<Option<Duration>, Malformed> {
        if is_present == 0 { Ok(None) } else { self.duration().map(Some) }
    }
}
