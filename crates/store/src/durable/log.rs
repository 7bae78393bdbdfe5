//! The log: where records go first, and from which moment they survive a crash.
//!
//! Records are gathered in memory, and one thread writes what has come together and waits for the
//! device: a group commit. Only then do the tickets of those records count as kept. The log is a row
//! of segments; a segment that is full is never written again, and is removed once its records lie
//! in partitions.
//!
//! Each record has a *sequence*: how many were appended before it. A commit that fails takes its
//! records back: their sequences are void, and the next segment says so in its header.

mod commit;
mod frame;
pub(crate) mod replay;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::DurableError;
use super::codec::Encoder;
use super::provenance::Entry;
use commit::Committer;

/// How large a frame's payload grows before the next one begins.
const FRAME_BYTES: usize = 256 << 10;
/// The largest payload, which a single record would have to fill.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// How many failures are remembered for those who ask late.
const FAILURES_MAX: usize = 1_000;

/// How the log works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogSettings {
    /// How long a record waits for others to be committed with it.
    pub(crate) commit_interval: Duration,
    /// How large a segment grows.
    pub(crate) segment_bytes: u64,
    /// How much may wait in memory; whoever appends more waits.
    pub(crate) pending_bytes: usize,
}

/// Stands for the records of one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// How many records were appended up to and with these.
    end: u64,
}

impl Ticket {
    /// Stands for all records before a sequence.
    pub(crate) const fn at(sequence: u64) -> Self {
        Self { end: sequence }
    }

    /// How many records were appended to the store up to and with these.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.end
    }
}

/// The log's writing end.
#[derive(Debug)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What those who append and the thread that writes both see.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// There is something to do for the thread.
    work: Condvar,
    /// A commit is over, or a segment closed.
    done: Condvar,
    settings: LogSettings,
}

#[derive(Debug)]
struct State {
    /// Frames not yet taken by the thread.
    pending: Vec<u8>,
    /// The sequence of the next record.
    next: u64,
    /// Of all records before this sequence it is known what became of them.
    settled: u64,
    /// Which of them were not kept, in order.
    failures: Vec<Failure>,
    /// Of records before this sequence that is no longer known.
    forgotten: u64,
    /// The segments up to this one are never written again.
    closed: u64,
    /// How often an append had to wait for room.
    held_back: u64,
    /// Someone waits for a commit now.
    is_urgent: bool,
    /// The segment is to be closed.
    close_segment: bool,
    /// Why it could not be.
    close_failure: Option<String>,
    is_over: bool,
}

/// Records that were not kept.
#[derive(Debug)]
struct Failure {
    from: u64,
    end: u64,
    reason: Arc<str>,
}

impl Log {
    /// Opens the log for records from sequence `next`, in segments after number `after`.
    pub(crate) fn open(
        folder: &Path,
        after: u64,
        next: u64,
        settings: LogSettings,
    ) -> Result<Self, DurableError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                pending: Vec::new(),
                next,
                settled: next,
                failures: Vec::new(),
                forgotten: 0,
                closed: after,
                held_back: 0,
                is_urgent: false,
                close_segment: false,
                close_failure: None,
                is_over: false,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
            settings,
        });
        let committer = Committer::new(folder.to_owned(), after, settings.segment_bytes);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || commit::run(&theirs, committer))
            .map_err(DurableError::file("start a thread for", folder))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Takes records in. They count as kept once [`Log::wait`] says so; where it fails, none does.
    ///
    /// Waits while too much is pending.
    pub(crate) fn append<'a>(
        &self,
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Result<Ticket, DurableError> {
        let payloads = encode(entries)?;
        let bytes = payloads.iter().map(|payload| payload.bytes.len()).sum::<usize>();
        let bound = self.shared.settings.pending_bytes;
        let mut state = self.shared.lock();
        if !state.has_room(bytes, bound) {
            state.held_back += 1;
            state.is_urgent = true;
            self.shared.work.notify_one();
            let wait = self.shared.done.wait_while(state, |state| !state.has_room(bytes, bound));
            state = wait.unwrap_or_else(PoisonError::into_inner);
        }
        let was_empty = state.pending.is_empty();
        for Payload { records, crc, bytes } in &payloads {
            let sequence = state.next;
            frame::append(&mut state.pending, sequence, *records, *crc, bytes);
            state.next += u64::from(*records);
        }
        if was_empty && !payloads.is_empty() {
            self.shared.work.notify_one();
        }
        Ok(Ticket { end: state.next })
    }

    /// Waits until the records are on the device.
    pub(crate) fn wait(&self, ticket: Ticket) -> Result<(), DurableError> {
        let mut state = self.shared.lock();
        if state.settled < ticket.end {
            state.is_urgent = true;
            self.shared.work.notify_one();
        }
        let wait = self.shared.done.wait_while(state, |state| state.settled < ticket.end);
        let state = wait.unwrap_or_else(PoisonError::into_inner);
        state.outcome(ticket).unwrap_or(Ok(()))
    }

    /// Whether the records are on the device; `None` while that is not known.
    pub(crate) fn poll(&self, ticket: Ticket) -> Option<Result<(), DurableError>> {
        self.shared.lock().outcome(ticket)
    }

    /// How often an append had to wait for room.
    pub(crate) fn held_back(&self) -> u64 {
        self.shared.lock().held_back
    }

    /// The last segment that is never written again.
    pub(crate) fn closed(&self) -> u64 {
        self.shared.lock().closed
    }

    /// Closes the segment with all that was appended so far, and returns its number.
    pub(crate) fn close_segment(&self) -> Result<u64, DurableError> {
        let mut state = self.shared.lock();
        state.close_segment = true;
        self.shared.work.notify_one();
        let wait = self.shared.done.wait_while(state, |state| state.close_segment);
        let mut state = wait.unwrap_or_else(PoisonError::into_inner);
        match state.close_failure.take() {
            None => Ok(state.closed),
            Some(reason) => Err(DurableError::NotKept { reason }),
        }
    }
}

impl Drop for Log {
    /// Commits what is pending.
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.work.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and a second one here would end the process.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether so many bytes more may wait. However many may, where nothing else does.
    const fn has_room(&self, bytes: usize, bound: usize) -> bool {
        self.pending.is_empty() || self.pending.len() + bytes <= bound
    }

    fn outcome(&self, ticket: Ticket) -> Option<Result<(), DurableError>> {
        if self.settled < ticket.end {
            return None;
        }
        if ticket.end <= self.forgotten {
            let reason = "it failed too long ago to say why".to_owned();
            return Some(Err(DurableError::NotKept { reason }));
        }
        let failure = self
            .failures
            .iter()
            .find(|failure| failure.from < ticket.end && ticket.end <= failure.end);
        Some(failure.map_or(Ok(()), |failure| {
            Err(DurableError::NotKept { reason: failure.reason.to_string() })
        }))
    }

    fn note_failure(&mut self, from: u64, end: u64, reason: Arc<str>) {
        match self.failures.last_mut() {
            Some(last) if last.end == from && last.reason == reason => last.end = end,
            _ => self.failures.push(Failure { from, end, reason }),
        }
        if self.failures.len() > FAILURES_MAX {
            self.forgotten = self.failures.remove(0).end;
        }
    }
}

/// A batch of records, ready to be framed.
struct Payload {
    records: u32,
    crc: u32,
    bytes: Vec<u8>,
}

impl Payload {
    fn of(encoder: Encoder<'_>) -> Result<Self, DurableError> {
        let records = encoder.count();
        let bytes = encoder.finish();
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(DurableError::TooLarge { bytes: bytes.len() });
        }
        Ok(Self { records, crc: crc32fast::hash(&bytes), bytes })
    }
}

fn encode<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Result<Vec<Payload>, DurableError> {
    let mut payloads = Vec::new();
    let mut encoder = Encoder::default();
    for entry in entries {
        encoder.push(entry);
        if encoder.len() >= FRAME_BYTES {
            payloads.push(Payload::of(std::mem::take(&mut encoder))?);
        }
    }
    if encoder.count() > 0 {
        payloads.push(Payload::of(encoder)?);
    }
    Ok(payloads)
}
