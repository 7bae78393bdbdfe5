//! Hands finished records from the load's threads to whoever keeps them: a bounded buffer that is
//! emptied in one go, so that a record costs its sender one short lock and no wake-up.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Exchange;
use tokio::sync::Notify;

use crate::transcript::{Room, Transcript};

/// A bounded buffer of finished records.
///
/// When it is full no new request is started until it is emptied: records are never dropped. How
/// often that happened is counted, since a load held back is no longer the load that was planned.
#[derive(Debug)]
pub struct Intake {
    buffer: Mutex<Buffer>,
    room: Notify,
    bound: usize,
    /// Where prompts and answers are caught, the room for them.
    transcripts: Option<Arc<Room>>,
}

#[derive(Debug, Default)]
struct Buffer {
    records: Vec<Exchange>,
    transcripts: Vec<Transcript>,
    held_back: u64,
}

impl Intake {
    /// A buffer that holds back new requests once `bound` records wait in it.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        let (buffer, room) = (Mutex::default(), Notify::new());
        Self { buffer, room, bound: bound.max(1), transcripts: None }
    }

    /// The same, with what requests ask and are answered beside their records. Those are bounded by
    /// their bytes, and what finds no room is missed: no request waits for it.
    #[must_use]
    pub fn with_transcripts(self) -> Self {
        Self { transcripts: Some(Arc::default()), ..self }
    }

    /// Appends a record.
    pub fn push(&self, record: Exchange) {
        self.lock().records.push(record);
    }

    /// The room for transcripts, where they are wanted.
    pub(crate) const fn transcript_room(&self) -> Option<&Arc<Room>> {
        self.transcripts.as_ref()
    }

    /// Appends what the request of the record that follows asked and was answered.
    pub(crate) fn push_transcript(&self, transcript: Transcript) {
        self.lock().transcripts.push(transcript);
    }

    /// Takes the transcripts out, in the order they came.
    #[must_use]
    pub fn take_transcripts(&self) -> Vec<Transcript> {
        std::mem::take(&mut self.lock().transcripts)
    }

    /// How many requests found no room for a transcript.
    #[must_use]
    pub fn transcripts_missed(&self) -> u64 {
        self.transcripts.as_ref().map_or(0, |room| room.missed())
    }

    /// Waits until the buffer has room for what one more request will bring.
    pub async fn admit(&self) {
        if !self.is_full() {
            return;
        }
        self.lock().held_back += 1;
        while self.is_full() {
            // The timeout covers a wake-up lost between the look and the wait.
            let _ = tokio::time::timeout(Duration::from_millis(10), self.room.notified()).await;
        }
    }

    /// Takes everything out, in the order it came, leaving `spare`'s memory in its place.
    #[must_use]
    pub fn take(&self, mut spare: Vec<Exchange>) -> Vec<Exchange> {
        spare.clear();
        let full = std::mem::replace(&mut self.lock().records, spare);
        if full.len() >= self.bound {
            self.room.notify_waiters();
        }
        full
    }

    /// How many requests had to wait because the buffer was full.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.lock().held_back
    }

    fn is_full(&self) -> bool {
        self.lock().records.len() >= self.bound
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
