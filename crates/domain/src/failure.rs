//! Why a request did not succeed.

use std::fmt;
use std::time::Duration;

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectStage {
    /// The host name could not be resolved.
    Resolve,
    /// No TCP connection could be made.
    Tcp,
    /// TLS could not be agreed on.
    Tls,
}

/// The kinds of failure that are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection to the server.
    Connect(ConnectStage),
    /// The machine the request was to leave from had no file descriptor, port or memory left for
    /// another connection: the client's own fault, not the server's.
    ClientResources,
    /// A time limit passed: to connect, to the first token, between bytes, or in all.
    Timeout,
    /// The server refused the credentials (HTTP 401 or 403).
    Unauthorized,
    /// The server refused the request itself (other HTTP 4xx).
    Rejected,
    /// The server asked for fewer requests (HTTP 429).
    RateLimited,
    /// The server is out of capacity (HTTP 503 or 529).
    Overloaded,
    /// The server failed (other HTTP 5xx, or a status that is no answer).
    ServerError,
    /// The server reported an error inside an answer that had begun with success.
    InStream,
    /// The answer ended before its end mark, or the connection broke.
    Truncated,
    /// The answer is not in the format its endpoint promises.
    Malformed,
    /// The caller gave the request up.
    Cancelled,
}

impl FailureKind {
    /// Every kind, in the order reports list them.
    pub const ALL: [Self; 14] = [
        Self::Connect(ConnectStage::Resolve),
        Self::Connect(ConnectStage::Tcp),
        Self::Connect(ConnectStage::Tls),
        Self::ClientResources,
        Self::Timeout,
        Self::Unauthorized,
        Self::Rejected,
        Self::RateLimited,
        Self::Overloaded,
        Self::ServerError,
        Self::InStream,
        Self::Truncated,
        Self::Malformed,
        Self::Cancelled,
    ];

    /// The word used in records and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect(ConnectStage::Resolve) => "resolve",
            Self::Connect(ConnectStage::Tcp) => "connect",
            Self::Connect(ConnectStage::Tls) => "tls",
            Self::ClientResources => "client_resources",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Rejected => "rejected",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::InStream => "in_stream",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One request's failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The HTTP status, where an answer came.
    pub status: Option<u16>,
    /// What happened, in one line. Where the server gave a reason these are its own words, cut
    /// after some hundred characters. Secrets the client sent are taken out of them; whatever else
    /// the server quotes is kept, and that may be a part of the prompt.
    pub message: String,
    /// How long the server asks to wait before another try.
    pub retry_after: Option<Duration>,
    /// Whether another try could succeed: false for a spent quota or a request that is wrong.
    pub retryable: bool,
}

impl Failure {
    /// A failure without an HTTP answer. Whether another try makes sense follows from the kind.
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let retryable = !matches!(
            kind,
            FailureKind::Unauthorized | FailureKind::Rejected | FailureKind::Cancelled
        );
        Self { kind, status: None, message: message.into(), retry_after: None, retryable }
    }
}
