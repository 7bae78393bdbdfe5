//! A bounded buffer of records, filled by many and emptied by one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::{Closed, Record, Ticket};

/// The buffer. A record costs its producer one short lock; the worker is woken only once the buffer
/// is half full, and looks by itself otherwise.
#[derive(Debug)]
pub(crate) struct Intake {
    bound: usize,
    buffer: Mutex<Buffer>,
    room: Notify,
    work: Condvar,
    held_back: AtomicU64,
}

#[derive(Debug, Default)]
struct Buffer {
    records: Vec<Record>,
    /// How many were ever taken in.
    taken: u64,
    is_closed: bool,
}

impl Intake {
    pub(crate) fn new(bound: usize) -> Self {
        Self {
            bound: bound.max(1),
            buffer: Mutex::default(),
            room: Notify::new(),
            work: Condvar::new(),
            held_back: AtomicU64::new(0),
        }
    }

    /// Takes as many of `records` as there is room for, from the front, without waiting. The ticket
    /// stands for the last one ever taken.
    pub(crate) fn try_submit(&self, records: &mut Vec<Record>) -> Result<Ticket, Closed> {
        let mut buffer = self.lock();
        if buffer.is_closed {
            return Err(Closed);
        }
        let before = buffer.records.len();
        let taken = records.len().min(self.bound.saturating_sub(before));
        buffer.records.extend(records.drain(..taken));
        buffer.taken += taken as u64;
        let ticket = Ticket(buffer.taken);
        if before < self.wake_at() && before + taken >= self.wake_at() {
            self.work.notify_one();
        }
        Ok(ticket)
    }

    /// Takes all of `records`, waiting for room where there is none. Those taken are gone from the
    /// vector, should the wait be given up.
    pub(crate) async fn submit(&self, records: &mut Vec<Record>) -> Result<Ticket, Closed> {
        let mut is_first = true;
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            // Before the look, so that room made after it is not missed.
            room.as_mut().enable();
            let ticket = self.try_submit(records)?;
            if records.is_empty() {
                return Ok(ticket);
            }
            if std::mem::take(&mut is_first) {
                self.held_back.fetch_add(1, Ordering::Relaxed);
            }
            room.await;
        }
    }

    /// Takes everything out, in the order it came, leaving `spare`'s memory in its place.
    pub(crate) fn take(&self, mut spare: Vec<Record>) -> Vec<Record> {
        spare.clear();
        let records = std::mem::replace(&mut self.lock().records, spare);
        if records.len() >= self.bound {
            self.room.notify_waiters();
        }
        records
    }

    /// Waits until the buffer is half full or closed, but no longer than `patience`.
    pub(crate) fn wait(&self, patience: Duration) {
        let is_idle =
            |buffer: &mut Buffer| buffer.records.len() < self.wake_at() && !buffer.is_closed;
        drop(self.work.wait_timeout_while(self.lock(), patience, is_idle));
    }

    /// Refuses whatever comes from now on. What is in the buffer stays there to be taken.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.room.notify_waiters();
        self.work.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// How many records wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().records.len()
    }

    /// How often a producer had to wait for room.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    const fn wake_at(&self) -> usize {
        self.bound.div_ceil(2)
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
