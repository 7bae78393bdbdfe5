//! One client's connection: bytes in, stamped bytes out, and waits that end when the client goes.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use domain::{Clock, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::http::{self, BODY_BYTES_MAX, HEAD_BYTES_MAX, Head, HttpError};
use crate::log::Write;
use pace::Alarm;

/// A byte stream that can be cut off.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes dropping the socket reset the connection rather than close it in order.
    fn reset_on_drop(&self);
}

impl Socket for TcpStream {
    fn reset_on_drop(&self) {
        // Where the option cannot be set the connection is already gone.
        let _ = self.set_zero_linger();
    }
}

/// The client closed the connection, or it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// A request as it was read.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// When the read that completed it returned.
    pub(crate) received: Timestamp,
}

/// Why no further request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRequest {
    Gone,
    Unreadable(HttpError),
}

impl From<Gone> for NoRequest {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// How many bytes are read at once. They are read onto the stack, so that an idle connection keeps
/// no buffer.
const READ_BYTES: usize = 16 * 1024;

pub(crate) struct Connection<S> {
    socket: S,
    clock: Arc<dyn Clock>,
    alarm: Alarm,
    /// Bytes of requests not yet taken.
    inbox: Vec<u8>,
    last_read: Timestamp,
}

impl<S: Socket> Connection<S> {
    pub(crate) fn new(socket: S, clock: Arc<dyn Clock>, alarm: Alarm) -> Self {
        Self { socket, clock, alarm, inbox: Vec::new(), last_read: Timestamp::default() }
    }

    /// Reads the next request whole.
    pub(crate) async fn request(&mut self) -> Result<Incoming, NoRequest> {
        let (head, length) = loop {
            match http::parse_head(&self.inbox).map_err(NoRequest::Unreadable)? {
                Some(parsed) => break parsed,
                None => self.read().await?,
            }
        };
        let end = length + head.body_bytes;
        if head.expects_continue && self.inbox.len() < end {
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        while self.inbox.len() < end {
            self.read().await?;
        }
        let mut body = std::mem::take(&mut self.inbox);
        if body.len() > end {
            self.inbox = body.split_off(end);
        }
        body.drain(..length);
        Ok(Incoming { head, body, received: self.last_read })
    }

    async fn read(&mut self) -> Result<(), Gone> {
        poll_fn(|context| self.poll_read(context)).await
    }

    /// Reads once, into the inbox.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut bytes = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut bytes);
        match ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer)) {
            Ok(()) if !buffer.filled().is_empty() => {
                self.last_read = self.clock.now();
                self.inbox.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(()))
            }
            Ok(()) | Err(_) => Poll::Ready(Err(Gone)),
        }
    }

    /// Notices that the client closed the connection. What it sends meanwhile, the beginning of its
    /// next request, is kept, up to a limit beyond which it is left to the kernel.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<Gone> {
        while self.inbox.len() < HEAD_BYTES_MAX {
            if ready!(self.poll_read(context)).is_err() {
                return Poll::Ready(Gone);
            }
        }
        Poll::Pending
    }

    /// Waits until `due`.
    pub(crate) async fn wait_until(&mut self, due: Timestamp) -> Result<(), Gone> {
        poll_fn(|context| match self.alarm.poll(context, due) {
            Poll::Ready(()) => Poll::Ready(Ok(())),
            Poll::Pending => self.poll_gone(context).map(Err),
        })
        .await
    }

    /// Waits for `event`.
    pub(crate) async fn wait_for<T>(&mut self, event: impl Future<Output = T>) -> Result<T, Gone> {
        let mut event = pin!(event);
        poll_fn(|context| match event.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll_gone(context).map(Err),
        })
        .await
    }

    /// Writes all of `bytes`, and says when.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<Write, Gone> {
        let mut left = bytes;
        let mut write = Write::default();
        poll_fn(|context| {
            while !left.is_empty() {
                // Read next to the system call, not before the wait for room in the socket.
                let before = self.clock.now();
                let taken = match ready!(Pin::new(&mut self.socket).poll_write(context, left)) {
                    Ok(taken) if taken > 0 => taken,
                    Ok(_) | Err(_) => return Poll::Ready(Err(Gone)),
                };
                write.after = self.clock.now();
                if left.len() == bytes.len() {
                    write.before = before;
                }
                left = &left[taken..];
            }
            Poll::Ready(Ok(()))
        })
        .await?;
        Ok(write)
    }

    /// Ends the connection in order: the client reads all that was written, then its end.
    pub(crate) async fn close(mut self) {
        // Where it fails the client has gone before, which is just as well.
        let _ = poll_fn(|context| Pin::new(&mut self.socket).poll_shutdown(context)).await;
        // Bytes left unread would make the kernel reset the connection and the client lose what it
        // has not read yet, so they are read, up to a limit.
        let mut read = 0;
        while read < BODY_BYTES_MAX && self.read().await.is_ok() {
            read += self.inbox.len();
            self.inbox.clear();
        }
    }

    /// Breaks the connection: the client may lose what it has not read yet.
    pub(crate) fn reset(self) {
        self.socket.reset_on_drop();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
