//! A TCP stream that knows when the bytes it returns reached this machine.
//!
//! On Linux the kernel stamps each segment as it comes in (`SO_TIMESTAMPING`) and hands the stamp
//! out beside the data (`recvmsg`). However late the program gets round to reading, the arrival is
//! right. Where several segments are read at once the stamp is that of the last one. Elsewhere the
//! arrival is the moment the read returned.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use domain::{Arrival, Clock, Timestamp, WallAnchor};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// Room for one `SCM_TIMESTAMPING` message: a header and three timespecs.
const CONTROL_BYTES: usize = 128;

/// A stamp older than this is not believed: the wall clock was set between stamp and read.
const LAG_MAX: Duration = Duration::from_secs(60);

/// A TCP stream whose every read knows its arrival.
#[derive(Debug)]
pub struct StampedStream {
    tcp: TcpStream,
    clock: Arc<dyn Clock>,
    stamped: bool,
    arrival: Arrival,
}

impl StampedStream {
    /// Wraps `tcp` and asks the kernel for receive stamps.
    #[must_use]
    pub fn new(tcp: TcpStream, clock: Arc<dyn Clock>) -> Self {
        let stamped = request_stamps(&tcp);
        Self { tcp, clock, stamped, arrival: Arrival::at(Timestamp::default()) }
    }

    /// When the bytes of the last read came.
    #[must_use]
    pub const fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Whether arrivals are the kernel's stamps.
    #[must_use]
    pub const fn is_stamped(&self) -> bool {
        self.stamped
    }

    /// Whether an idle connection is still good: nothing unread, not closed by the other side.
    /// Costs no system call unless the socket has become readable.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(self.tcp.try_read(&mut [0; 1]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what there is into `buffer` and notes when it came. Returns 0 at the end of the
    /// stream.
    pub fn poll_recv(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_read_ready(context))?;
            let mut received = None;
            let tried = self.tcp.try_io(Interest::READABLE, || {
                let (length, stamp) = receive(&self.tcp, buffer, self.stamped)?;
                received = Some((length, stamp));
                // A short read has drained the socket. Saying so here spares the next poll a read
                // that would only find it empty; later bytes raise a new edge.
                let drained = length > 0 && length < buffer.len();
                if drained { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            if let Some((length, stamp)) = received {
                self.arrival = self.place(stamp);
                return Poll::Ready(Ok(length));
            }
            match tried {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                _ => {}
            }
        }
    }

    /// Puts a wall-clock stamp onto the monotonic clock, through its age: both clocks are read now,
    /// so that neither drift nor a step of the wall clock since the run began matters.
    fn place(&self, stamp: Option<u64>) -> Arrival {
        let Some(stamp) = stamp else { return Arrival::at(self.clock.now()) };
        let both = WallAnchor::take(&*self.clock);
        let read = both.moment();
        let age = Duration::from_nanos(both.unix_nanos(read).saturating_sub(stamp));
        if age > LAG_MAX { Arrival::at(read) } else { Arrival { arrived: read.before(age), read } }
    }
}

#[cfg(target_os = "linux")]
fn request_stamps(tcp: &TcpStream) -> bool {
    use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt::Timestamping};
    let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    setsockopt(tcp, Timestamping, &flags).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn request_stamps(_: &TcpStream) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn receive(tcp: &TcpStream, buffer: &mut [u8], stamped: bool) -> io::Result<(usize, Option<u64>)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
    if !stamped {
        return Ok((nix::sys::socket::recv(tcp.as_raw_fd(), buffer, MsgFlags::empty())?, None));
    }
    let mut control = [0_u8; CONTROL_BYTES];
    let mut slices = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<()>(tcp.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs().ok().and_then(|mut messages| {
        messages.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampsns(stamps) => {
                let (seconds, nanos) = (stamps.system.tv_sec(), stamps.system.tv_nsec());
                let seconds = u64::try_from(seconds).ok().filter(|&seconds| seconds > 0)?;
                Some(seconds * 1_000_000_000 + u64::try_from(nanos).ok()?)
            }
            _ => None,
        })
    });
    Ok((message.bytes, stamp))
}

#[cfg(not(target_os = "linux"))]
fn receive(tcp: &TcpStream, buffer: &mut [u8], _: bool) -> io::Result<(usize, Option<u64>)> {
    use nix::sys::socket::{MsgFlags, recv};
    Ok((recv(tcp.as_raw_fd(), buffer, MsgFlags::empty())?, None))
}

impl AsyncRead for StampedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = ready!(self.poll_recv(context, buffer.initialize_unfilled()))?;
        buffer.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for StampedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(context)
    }
}
