//! What a model tells while it answers, each part with its time and, where it came over a wire,
//! its raw bytes.

use std::time::Duration;

use crate::{FailedAttempt, Timestamp};

/// When bytes came, and when the client got round to reading them. The difference is the read lag,
/// the client's own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When the bytes reached this machine: the kernel's receive stamp, else `read`.
    pub arrived: Timestamp,
    /// When the read that returned them ended.
    pub read: Timestamp,
}

impl Arrival {
    /// Bytes whose arrival is known only from the read.
    #[must_use]
    pub const fn at(read: Timestamp) -> Self {
        Self { arrived: read, read }
    }

    /// `read − arrived`.
    #[must_use]
    pub const fn lag(&self) -> Duration {
        self.read.since(self.arrived)
    }
}

/// What opening a connection cost. A reused connection has none.
///
/// Over HTTP/2 a request that opens one waits a round trip more, for the server's settings: that is
/// in its latency and in no field here, as nobody who compares servers asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Name resolution.
    pub resolve: Duration,
    /// The TCP handshake.
    pub connect: Duration,
    /// The TLS handshake; `None` on a plain connection.
    pub secure: Option<Duration>,
}

/// What a piece of an answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkKind {
    /// Answer text.
    Content,
    /// Reasoning text.
    Reasoning,
    /// Part of a tool call.
    ToolCall,
    /// No token: a role, a usage report, a ping, an end mark.
    Other,
}

impl ChunkKind {
    /// Whether the chunk carries generated tokens.
    #[must_use]
    pub const fn is_token(self) -> bool {
        !matches!(self, Self::Other)
    }
}

/// The shape of an answer on the wire. The `dialect` crate reads and writes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// OpenAI `/v1/chat/completions`.
    OpenAiChat,
    /// OpenAI `/v1/completions`.
    OpenAiCompletions,
    /// Anthropic `/v1/messages`.
    AnthropicMessages,
}

/// The body of a chunk, decoded only by whoever wants its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// One event of a stream, or the whole of an answer that was not streamed, as it came over the
    /// wire. Which of the two, [`Progress::Headers`] says.
    Wire {
        /// How to read `data`.
        format: WireFormat,
        /// The bytes after `data:`, or the answer's body.
        data: &'a [u8],
    },
    /// Text straight from an embedded model.
    Text(&'a str),
}

/// A piece of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// When it came.
    pub at: Arrival,
    /// What it carries.
    pub kind: ChunkKind,
    /// Its body.
    pub payload: Payload<'a>,
}

/// A step in a request's life, in the order they happen. A retried request starts over at
/// `Attempt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Another try begins, after this one, whose failure the model was told to retry.
    Attempt(FailedAttempt),
    /// A connection had to be opened for this request.
    Connected(Connection),
    /// The request was handed to the kernel, or to the embedded model's queue, whole. The moment is
    /// that at which handing over its last byte began: a server can answer before the call returns,
    /// and no answer may seem to come before its request.
    Sent(Timestamp),
    /// The answer's head came.
    Headers {
        /// When.
        at: Arrival,
        /// The server's own id of the request.
        server_request_id: Option<&'a str>,
        /// Whether the answer comes piece by piece, whatever was asked for. Of a refusal: what was
        /// asked for.
        streamed: bool,
    },
    /// A piece of the answer came.
    Chunk(Chunk<'a>),
}
