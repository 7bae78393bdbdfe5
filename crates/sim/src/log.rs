//! What the server truly did, and when: one record a request, kept in memory until somebody takes
//! it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{Timestamp, Tokens, WallAnchor, WireFormat};

use crate::Fault;

/// The moments around one write to a socket.
///
/// A receiver on the same machine has its kernel stamp the bytes inside the sender's system call,
/// so its stamp lies between the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Write {
    /// Just before the system call that took the first byte.
    pub before: Timestamp,
    /// Just after the system call that took the last one.
    pub after: Timestamp,
}

/// One event of an answer that carried tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenWrite {
    /// When it should have left.
    pub due: Timestamp,
    /// How many tokens it carried; zero for the broken event of [`Fault::Malformed`].
    pub tokens: u32,
    /// When it was written.
    pub write: Write,
}

/// How the server's work on a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All that was meant to be written was, a fault or a refusal included.
    Complete,
    /// The client closed the connection before.
    ClientGone,
    /// The server was shut down before.
    ShutDown,
}

impl End {
    /// The word used in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::ShutDown => "shut_down",
        }
    }
}

/// What was done about one request for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Which request it was, counted from zero as they arrived.
    pub index: u64,
    /// The client's own `x-request-id`.
    pub request_id: Option<Box<str>>,
    /// Which connection it came over, counted from zero as they were accepted.
    pub connection: u64,
    /// The format of its endpoint.
    pub format: WireFormat,
    /// Whether the answer was asked for token by token.
    pub streamed: bool,
    /// The HTTP status; zero where no answer was begun.
    pub status: u16,
    /// The server's count of the prompt.
    pub prompt_tokens: Tokens,
    /// When the read that completed the request returned.
    pub received: Timestamp,
    /// The write of the answer's head: of the whole answer, where it is not streamed.
    pub head: Option<Write>,
    /// How many of the answer's tokens were written.
    pub output_tokens: Tokens,
    /// How many times the socket was written to for it.
    pub writes: usize,
    /// The events that carried tokens. Empty for an answer that is not streamed.
    pub tokens: Vec<TokenWrite>,
    /// What was made to go wrong.
    pub fault: Option<Fault>,
    /// When the server was done with it.
    pub finished: Timestamp,
    /// How it ended.
    pub end: End,
}

impl Served {
    /// The write of the first event that carried tokens.
    #[must_use]
    pub fn first_token(&self) -> Option<Write> {
        self.tokens.iter().find(|token| token.tokens > 0).map(|token| token.write)
    }

    /// The write of the last event that carried tokens.
    #[must_use]
    pub fn last_token(&self) -> Option<Write> {
        self.tokens.iter().rfind(|token| token.tokens > 0).map(|token| token.write)
    }
}

/// The records of a server, in the order in which its work on the requests ended.
///
/// It holds a bounded number. Records that come while it is full are lost, and counted.
#[derive(Debug)]
pub struct SimLog {
    records: Mutex<Vec<Served>>,
    limit: usize,
    lost: AtomicU64,
    unaccepted: AtomicU64,
    anchor: WallAnchor,
}

impl SimLog {
    /// An empty log that holds up to `limit` records.
    #[must_use]
    pub const fn new(limit: usize, anchor: WallAnchor) -> Self {
        Self {
            records: Mutex::new(Vec::new()),
            limit,
            lost: AtomicU64::new(0),
            unaccepted: AtomicU64::new(0),
            anchor,
        }
    }

    pub(crate) fn push(&self, record: Served) {
        let mut records = self.lock();
        if records.len() < self.limit {
            records.push(record);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_unaccepted(&self) {
        self.unaccepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes all records out.
    #[must_use]
    pub fn take(&self) -> Vec<Served> {
        std::mem::take(&mut *self.lock())
    }

    /// How many records came while the log was full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// How often a connection could not be accepted, for want of file descriptors as a rule.
    #[must_use]
    pub fn unaccepted(&self) -> u64 {
        self.unaccepted.load(Ordering::Relaxed)
    }

    /// Turns the records' timestamps into wall-clock time.
    #[must_use]
    pub const fn anchor(&self) -> WallAnchor {
        self.anchor
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Served>> {
        // Pushing and taking leave the list whole whatever panics elsewhere.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
