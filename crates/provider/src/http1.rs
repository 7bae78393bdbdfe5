//! Drives one exchange over an HTTP/1.1 connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use domain::{Arrival, Connection, Failure, FailureKind, Progress, Secret, Sink};
use tokio::io::AsyncWrite as _;

use crate::answer::{Exchanged, truncated};
use crate::patience::Patience;
use crate::pool::Pool;
use crate::request::{ID_HEADER, RequestHead};
use crate::response::ResponseReader;
use crate::transport::{Connector, Transport};
use crate::wire::Call;

/// One read's worth of bytes. All connections of a thread share it: nothing is borrowed from it
/// across an await, so a connection that waits holds no buffer.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Box<[u8]>> =
        RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// A target reached over HTTP/1.1: one request at a time on each connection.
#[derive(Debug)]
pub(crate) struct Http1 {
    connector: Connector,
    pool: Pool,
    /// What every request begins with.
    head: Secret,
}

impl Http1 {
    pub(crate) fn new(connector: Connector, head: &RequestHead) -> Self {
        Self { connector, pool: Pool::default(), head: head.http1() }
    }

    pub(crate) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Opens a connection for a request to come.
    pub(crate) async fn prepare(&self) -> Result<(), Failure> {
        let (transport, _) = self.connector.open().await?;
        self.pool.put(transport);
        Ok(())
    }

    /// Sends `call` on an idle connection or a new one, and reads its answer into `sink`. The
    /// connection goes back to the idle ones only if request and answer came to their ends.
    pub(crate) async fn exchange(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Exchanged {
        let mut transport = match self.transport().await {
            Ok((transport, None)) => transport,
            Ok((transport, Some(cost))) => {
                sink.progress(Progress::Connected(cost));
                transport
            }
            Err(failure) => return Exchanged::failed(failure),
        };
        let mut reader = ResponseReader::new(call.expect);
        let bytes = request_bytes(self.head.reveal(), call);
        let end = send_and_read(&mut transport, &bytes, &mut reader, call, sink).await;
        if end.is_ok() && reader.keep_alive() {
            self.pool.put(transport);
        }
        Exchanged::new(end, reader.into_answer())
    }

    async fn transport(&self) -> Result<(Transport, Option<Connection>), Failure> {
        if let Some(transport) = self.pool.take() {
            return Ok((transport, None));
        }
        // On the heap, so that a request on an open connection need not hold room for it.
        let (transport, cost) = Box::pin(self.connector.open()).await?;
        Ok((transport, Some(cost)))
    }
}

fn request_bytes(head: &str, call: &Call<'_>) -> Vec<u8> {
    use std::io::Write as _;
    let mut bytes = Vec::with_capacity(head.len() + call.body.len() + 96);
    bytes.extend_from_slice(head.as_bytes());
    let mut written = Ok(());
    if let Some(id) = call.id {
        written = written.and_then(|()| write!(bytes, "{ID_HEADER}: {id}\r\n"));
    }
    if !call.body.is_empty() {
        written = written.and_then(|()| write!(bytes, "content-length: {}\r\n", call.body.len()));
    }
    written.expect("writing to memory cannot fail");
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&call.body);
    bytes
}

async fn send_and_read(
    transport: &mut Transport,
    bytes: &[u8],
    reader: &mut ResponseReader,
    call: &Call<'_>,
    sink: &mut dyn Sink,
) -> Result<Arrival, Failure> {
    let mut patience = Patience::new(call.timeouts);
    let mut left = bytes;
    // The answer may have come when the write returns, so the time is taken before each step of it:
    // that of the last step stands.
    let mut sent = None;
    let step = |context: &mut Context<'_>| {
        sent = Some(call.clock.now());
        write(context, transport, &mut left)
    };
    let written = patience.wait(step).await?;
    if let (Some(sent), Ok(())) = (sent, &written) {
        sink.progress(Progress::Sent(sent));
    }
    let read =
        poll_fn(|context| read_answer(context, transport, reader, &mut patience, sink)).await;
    match (written, read) {
        (Ok(()), read) => read,
        // A server may refuse a request and hang up before it has read all of it: its answer says
        // more than the broken pipe.
        (Err(_), Ok(at)) => {
            reader.refuse_reuse();
            Ok(at)
        }
        (Err(error), Err(_)) => Err(broken(&error)),
    }
}

fn write(
    context: &mut Context<'_>,
    transport: &mut Transport,
    left: &mut &[u8],
) -> Poll<io::Result<()>> {
    while !left.is_empty() {
        let written = ready!(Pin::new(&mut *transport).poll_write(context, left))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *left = &left[written..];
    }
    Pin::new(transport).poll_flush(context)
}

fn read_answer(
    context: &mut Context<'_>,
    transport: &mut Transport,
    reader: &mut ResponseReader,
    patience: &mut Patience,
    sink: &mut dyn Sink,
) -> Poll<Result<Arrival, Failure>> {
    READ_BUFFER.with_borrow_mut(|buffer| {
        loop {
            let length = match transport.poll_recv(context, buffer) {
                Poll::Ready(Ok(length)) => length,
                // TLS cut off without its farewell, as many servers do. Whether the answer was
                // whole is for its own framing to say.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(broken(&error))),
                Poll::Pending => {
                    return patience.poll(context, reader.stage()).map(Err);
                }
            };
            let at = transport.arrival();
            if length == 0 {
                return Poll::Ready(reader.take_end().map(|()| at));
            }
            patience.note_read();
            if let Err(failure) = reader.take(&buffer[..length], at, sink) {
                return Poll::Ready(Err(failure));
            }
            if reader.is_done() {
                return Poll::Ready(Ok(at));
            }
        }
    })
}

fn broken(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Failure::new(FailureKind::Malformed, format!("the connection's TLS broke: {error}"))
        }
        _ => truncated(format!("the connection broke: {error}")),
    }
}
