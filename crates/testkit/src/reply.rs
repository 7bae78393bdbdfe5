//! What a fake server answers, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// A part of an answer's body.
#[derive(Clone, Debug)]
pub enum Piece {
    /// These bytes, in one write (and one chunk, where the body is chunked). The head goes out with
    /// the first of them, unless a pause stands before.
    Bytes(Vec<u8>),
    /// Nothing for this long, in tokio's time.
    Pause(Duration),
    /// Nothing until the test opens the gate.
    Hold(Gate),
}

/// Holds a fake server back until a test lets it go on.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one held reply pass, now or when it gets here.
    pub fn open(&self) {
        self.0.add_permits(1);
    }

    pub(crate) async fn pass(&self) {
        self.0.acquire().await.expect("a gate is never destroyed").forget();
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// How the end of a body is marked. HTTP/2 has its own way and ignores this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// `content-length` says how long it is.
    Length,
    /// `transfer-encoding: chunked`, a chunk a piece.
    Chunked,
    /// The connection's end is the body's.
    UntilClose,
}

/// What becomes of the connection after the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The body ends as its framing says, and the connection takes another request.
    KeepAlive,
    /// The body ends as its framing says, then the connection is closed without a word of it in
    /// the head (HTTP/2: GOAWAY).
    Close,
    /// The connection is closed before the body's end (HTTP/2: the stream is reset).
    Truncate,
    /// As `Truncate`, with a TCP reset in place of an orderly close (HTTP/2: the stream is reset).
    Reset,
    /// Nothing more comes, and the connection stays open until the client gives up.
    Stall,
}

/// One answer of a fake server.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(crate) head: Head,
    pub(crate) body: Vec<Piece>,
    pub(crate) framing: Framing,
    pub(crate) ending: Ending,
}

#[derive(Clone, Debug)]
pub(crate) enum Head {
    Message { status: u16, headers: Vec<(String, String)> },
    Raw,
}

impl Reply {
    /// A head with this status, and an empty body of known length.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            head: Head::Message { status, headers: Vec::new() },
            body: Vec::new(),
            framing: Framing::Length,
            ending: Ending::KeepAlive,
        }
    }

    /// A JSON body of known length.
    #[must_use]
    pub fn json(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let reply = Self::status(status).header("content-type", "application/json");
        headers
            .iter()
            .fold(reply, |reply, (name, value)| reply.header(name, value))
            .bytes(body.as_bytes())
    }

    /// A chunked event stream. Each event is its lines without the blank line that ends it, as in
    /// `"data: {}"`, and is written on its own.
    #[must_use]
    pub fn sse(events: &[&str]) -> Self {
        let reply =
            Self::status(200).header("content-type", "text/event-stream").framing(Framing::Chunked);
        events.iter().fold(reply, |reply, event| reply.event(event))
    }

    /// Bytes as they stand, head included (HTTP/1.1 only).
    #[must_use]
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            head: Head::Raw,
            body: vec![Piece::Bytes(bytes.into())],
            framing: Framing::UntilClose,
            ending: Ending::KeepAlive,
        }
    }

    /// Appends a header.
    ///
    /// # Panics
    /// On a raw reply, which has its head in its bytes.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match &mut self.head {
            Head::Message { headers, .. } => headers.push((name.to_owned(), value.to_owned())),
            Head::Raw => panic!("a raw reply has its headers in its bytes"),
        }
        self
    }

    /// Sets how the body's end is marked.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets what becomes of the connection.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Appends a piece that is written on its own.
    #[must_use]
    pub fn bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.piece(Piece::Bytes(bytes.into()))
    }

    /// Appends an event, given without the blank line that ends it.
    #[must_use]
    pub fn event(self, event: &str) -> Self {
        self.bytes(format!("{event}\n\n"))
    }

    /// Appends a pause.
    #[must_use]
    pub fn pause(self, pause: Duration) -> Self {
        self.piece(Piece::Pause(pause))
    }

    /// Appends a wait for the test to open `gate`.
    #[must_use]
    pub fn hold(self, gate: &Gate) -> Self {
        self.piece(Piece::Hold(gate.clone()))
    }

    /// Puts a pause after every piece, so that each arrives in a read of its own.
    #[must_use]
    pub fn paced(mut self, pause: Duration) -> Self {
        self.body = self.body.into_iter().flat_map(|piece| [piece, Piece::Pause(pause)]).collect();
        self
    }

    /// Cuts the bytes of the whole body into pieces of `size` bytes.
    ///
    /// # Panics
    /// Where `size` is zero or the body holds pauses.
    #[must_use]
    pub fn cut(mut self, size: usize) -> Self {
        let mut all = Vec::new();
        for piece in self.body {
            match piece {
                Piece::Bytes(bytes) => all.extend(bytes),
                Piece::Pause(_) | Piece::Hold(_) => panic!("cut before pauses are added"),
            }
        }
        self.body = all.chunks(size).map(|piece| Piece::Bytes(piece.to_vec())).collect();
        self
    }

    fn piece(mut self, piece: Piece) -> Self {
        self.body.push(piece);
        self
    }

    pub(crate) fn body_length(&self) -> usize {
        self.body
            .iter()
            .map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.len(),
                Piece::Pause(_) | Piece::Hold(_) => 0,
            })
            .sum()
    }
}
