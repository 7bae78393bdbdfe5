//! Hands finished records from the load's threads to whoever keeps them: a bounded buffer that is
//! emptied in one go, so that a record costs its sender one short lock and no wake-up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Exchange;
use tokio::sync::Notify;

/// A bounded buffer of finished records.
///
/// When it is full no new request is started until it is emptied: records are never dropped. How
/// often that happened is counted, since a load held back is no longer the load that was planned.
#[derive(Debug)]
pub struct Intake {
    buffer: Mutex<Buffer>,
    room: Notify,
    bound: usize,
}

#[derive(Debug, Default)]
struct Buffer {
    records: Vec<Exchange>,
    held_back: u64,
}

impl Intake {
    /// A buffer that holds back new requests once `bound` records wait in it.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self { buffer: Mutex::default(), room: Notify::new(), bound: bound.max(1) }
    }

    /// Appends a record.
    pub fn push(&self, record: Exchange) {
        self.lock().records.push(record);
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
