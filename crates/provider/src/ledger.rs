//! When the frames of an HTTP/2 connection came, stream by stream.
//!
//! One task reads a connection, another task each answer on it. The reader parses frames ahead of
//! the tasks that take them, so that "the last read" would be too late a time for a frame that
//! waited. Instead the bytes are followed frame by frame as they are read, and each frame's arrival
//! is set down for whoever takes it.
//!
//! A frame's arrival is the stamp of the read that brought its last byte. Where one read brings
//! several segments they share the stamp of the last, which makes it an upper bound: on a connection
//! that many answers share, it is late by up to the read lag.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use domain::{Arrival, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frame::{Frame, FrameScanner};
use crate::transport::Transport;

/// The arrivals of one connection's frames that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    streams: HashMap<u32, Times>,
    speaks_http1: bool,
}

/// The arrivals of one stream's frames.
#[derive(Debug)]
struct Times {
    head: Arrival,
    data: VecDeque<Arrival>,
    last: Arrival,
    has_data: bool,
}

impl Default for Times {
    fn default() -> Self {
        let never = Arrival::at(Timestamp::default());
        Self { head: never, data: VecDeque::new(), last: never, has_data: false }
    }
}

impl Ledger {
    /// Opens a stream by `open`, which returns its number, and an account of it; no frame of the
    /// stream can come in between.
    pub(crate) fn enter<T, E>(
        self: &Arc<Self>,
        open: impl FnOnce() -> Result<(u32, T), E>,
    ) -> Result<(Account, T), E> {
        let mut entries = self.lock();
        let (stream, value) = open()?;
        entries.streams.insert(stream, Times::default());
        drop(entries);
        Ok((Account { ledger: Arc::clone(self), stream }, value))
    }

    /// Whether the other side answered in HTTP/1.
    pub(crate) fn speaks_http1(&self) -> bool {
        self.lock().speaks_http1
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Sets a frame down. Streams that were given up have no account.
    fn note(&mut self, stream: u32, frame: Frame, at: Arrival) {
        let Some(times) = self.streams.get_mut(&stream) else { return };
        match frame {
            // Before the body the last head counts: interim ones (1xx) come ahead of it.
            Frame::Headers if !times.has_data => times.head = at,
            Frame::Data => {
                times.has_data = true;
                times.data.push_back(at);
            }
            Frame::Headers | Frame::Other => {}
        }
        times.last = at;
    }
}

/// One stream's account; closed when dropped.
#[derive(Debug)]
pub(crate) struct Account {
    ledger: Arc<Ledger>,
    stream: u32,
}

impl Account {
    /// When the answer's head came.
    pub(crate) fn head(&self) -> Arrival {
        self.times(|times| times.head)
    }

    /// When the next part of the body came: to be asked once for each that is taken.
    pub(crate) fn next_data(&self) -> Arrival {
        self.times(|times| times.data.pop_front().unwrap_or(times.last))
    }

    /// When the last frame came.
    pub(crate) fn last(&self) -> Arrival {
        self.times(|times| times.last)
    }

    fn times<T>(&self, read: impl FnOnce(&mut Times) -> T) -> T {
        let mut entries = self.ledger.lock();
        read(entries.streams.get_mut(&self.stream).expect("an account is open until dropped"))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.ledger.lock().streams.remove(&self.stream);
    }
}

/// A transport whose frames are set down in a ledger as they are read.
#[derive(Debug)]
pub(crate) struct Ledgered {
    transport: Transport,
    scanner: FrameScanner,
    ledger: Arc<Ledger>,
}

impl Ledgered {
    pub(crate) fn new(transport: Transport, ledger: Arc<Ledger>) -> Self {
        Self { transport, scanner: FrameScanner::default(), ledger }
    }
}

impl AsyncRead for Ledgered {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { transport, scanner, ledger } = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *transport).poll_read(context, buffer))?;
        let at = transport.arrival();
        let mut entries = ledger.lock();
        scanner.feed(&buffer.filled()[before..], &mut |stream, frame| {
            entries.note(stream, frame, at);
        });
        entries.speaks_http1 = scanner.speaks_http1();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Ledgered {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Arrival {
        Arrival::at(Timestamp::from_nanos(millis * 1_000_000))
    }

    #[test]
    fn each_frame_keeps_its_arrival_until_it_is_taken() {
        let ledger = Arc::new(Ledger::default());
        let open = |stream| ledger.enter(|| Ok::<_, ()>((stream, ()))).expect("it opens").0;
        let (one, three) = (open(1), open(3));
        for (stream, frame, millis) in [
            (1, Frame::Headers, 1),
            (1, Frame::Headers, 2),
            (3, Frame::Headers, 3),
            (1, Frame::Data, 4),
            (3, Frame::Data, 5),
            (1, Frame::Other, 6),
            (1, Frame::Data, 7),
            (5, Frame::Data, 8),
            (3, Frame::Headers, 9),
        ] {
            ledger.lock().note(stream, frame, at(millis));
        }
        assert_eq!([one.head(), one.next_data(), one.next_data()], [at(2), at(4), at(7)]);
        assert_eq!([three.head(), three.next_data(), three.last()], [at(3), at(5), at(9)]);
        drop((one, three));
        assert!(ledger.lock().streams.is_empty(), "nothing is kept of streams that are over");
    }
}
