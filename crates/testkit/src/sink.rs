//! A sink that keeps everything it is told.

use domain::{
    Arrival, ChunkKind, Connection, FailedAttempt, Payload, Progress, Sink, Timestamp, WireFormat,
};

/// An owned copy of a chunk's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedPayload {
    /// One event's data from the wire.
    Wire {
        /// How to read `data`.
        format: WireFormat,
        /// The bytes after `data:`.
        data: Vec<u8>,
    },
    /// Text from an embedded model.
    Text(String),
}

impl OwnedPayload {
    /// The bytes, as text where they are UTF-8.
    #[must_use]
    pub fn lossy(&self) -> String {
        match self {
            Self::Wire { data, .. } => String::from_utf8_lossy(data).into_owned(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl From<Payload<'_>> for OwnedPayload {
    fn from(payload: Payload<'_>) -> Self {
        match payload {
            Payload::Wire { format, data } => Self::Wire { format, data: data.to_vec() },
            Payload::Text(text) => Self::Text(text.to_owned()),
        }
    }
}

/// An owned copy of a [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another try begins, after this one.
    Attempt(FailedAttempt),
    /// A connection was opened.
    Connected(Connection),
    /// The request was handed over.
    Sent(Timestamp),
    /// The answer's head came.
    Headers {
        /// When.
        at: Arrival,
        /// The server's own id of the request.
        server_request_id: Option<String>,
        /// Whether the answer comes piece by piece.
        streamed: bool,
    },
    /// A piece of the answer came.
    Chunk {
        /// When.
        at: Arrival,
        /// What it carries.
        kind: ChunkKind,
        /// Its body.
        payload: OwnedPayload,
    },
}

impl From<Progress<'_>> for Step {
    fn from(progress: Progress<'_>) -> Self {
        match progress {
            Progress::Attempt(failed) => Self::Attempt(failed),
            Progress::Connected(connection) => Self::Connected(connection),
            Progress::Sent(at) => Self::Sent(at),
            Progress::Headers { at, server_request_id, streamed } => {
                let server_request_id = server_request_id.map(str::to_owned);
                Self::Headers { at, server_request_id, streamed }
            }
            Progress::Chunk(chunk) => {
                Self::Chunk { at: chunk.at, kind: chunk.kind, payload: chunk.payload.into() }
            }
        }
    }
}

/// A [`Sink`] that keeps an owned copy of every step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectingSink {
    /// The steps, in the order they came.
    pub steps: Vec<Step>,
}

impl CollectingSink {
    /// A sink that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bodies of the chunks of `kind`.
    #[must_use]
    pub fn payloads(&self, kind: ChunkKind) -> Vec<&OwnedPayload> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                Step::Chunk { kind: this, payload, .. } if *this == kind => Some(payload),
                _ => None,
            })
            .collect()
    }

    /// The kinds of all chunks.
    #[must_use]
    pub fn kinds(&self) -> Vec<ChunkKind> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                Step::Chunk { kind, .. } => Some(*kind),
                _ => None,
            })
            .collect()
    }

    /// The arrivals of the token-bearing chunks.
    #[must_use]
    pub fn token_arrivals(&self) -> Vec<Arrival> {
        self.steps
            .iter()
            .filter_map(|step| match step {
                Step::Chunk { at, kind, .. } if kind.is_token() => Some(*at),
                _ => None,
            })
            .collect()
    }

    /// The text of all content chunks that came as plain text, joined.
    #[must_use]
    pub fn text(&self) -> String {
        self.payloads(ChunkKind::Content)
            .into_iter()
            .filter_map(|payload| match payload {
                OwnedPayload::Text(text) => Some(text.as_str()),
                OwnedPayload::Wire { .. } => None,
            })
            .collect()
    }

    /// Whether the answer came piece by piece, as the last head said.
    #[must_use]
    pub fn streamed(&self) -> Option<bool> {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Headers { streamed, .. } => Some(*streamed),
            _ => None,
        })
    }

    /// The server's own id of the request, from the last head that had one.
    #[must_use]
    pub fn server_request_id(&self) -> Option<&str> {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Headers { server_request_id, .. } => server_request_id.as_deref(),
            _ => None,
        })
    }
}

impl Sink for CollectingSink {
    fn progress(&mut self, progress: Progress<'_>) {
        self.steps.push(progress.into());
    }
}
