//! What a user is told when something goes wrong, and the exit code a script sees.

use std::fmt;
use std::process::ExitCode;

use analysis::remedy_by_flags;
use domain::{ConnectStage, FailureKind};
use provider::HttpVersion;

/// An error for the user: what happened, why, and what to do.
#[derive(Debug)]
pub(crate) struct UserError {
    pub(crate) exit: Exit,
    message: String,
    hint: Option<String>,
}

impl UserError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Settings that cannot be used.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same, with the run it is about in front.
    pub(crate) fn of(mut self, run: Option<&str>) -> Self {
        if let Some(run) = run {
            self.message = format!("{run}: {}", self.message);
        }
        self
    }

    /// What happened, without what to do about it.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where that is known.
    pub(crate) fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  help: {hint}"),
            None => Ok(()),
        }
    }
}

/// Every way `prony` ends. The numbers are part of its interface: docs/exit-codes.md lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Success,
    /// Something failed that none of the others names.
    Other,
    /// The command line or a configuration file cannot be used.
    Usage,
    /// A file cannot be read or written.
    File,
    /// A model file or the engine's library cannot be used.
    Model,
    /// Too few file descriptors or ports for the load asked for.
    Resources,
    /// Requests failed; most often in this way.
    Requests(FailureKind),
    /// Stopped by Ctrl-C; what was measured was reported.
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::File => 3,
            Self::Model => 4,
            Self::Resources => 5,
            Self::Requests(kind) => match kind {
                FailureKind::Connect(ConnectStage::Resolve) => 10,
                FailureKind::Connect(ConnectStage::Tcp) => 11,
                FailureKind::Connect(ConnectStage::Tls) => 12,
                FailureKind::ClientResources => Self::Resources.code(),
                FailureKind::Timeout => 13,
                FailureKind::Unauthorized => 14,
                FailureKind::Rejected => 15,
                FailureKind::RateLimited => 16,
                FailureKind::Overloaded => 17,
                FailureKind::ServerError => 18,
                FailureKind::InStream => 19,
                FailureKind::Truncated => 20,
                FailureKind::Malformed => 21,
                FailureKind::Cancelled => 22,
            },
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What to do where a server's address cannot be listened on.
pub(crate) const FREE_PORT: &str = "name a free port with --port; 0 takes any";

/// What to do where a server fails before it is under load, when it is asked what it is and its
/// connections are opened: no answer has begun yet.
pub(crate) const fn remedy_before_load(
    kind: FailureKind,
    http: Option<HttpVersion>,
) -> &'static str {
    match (kind, http) {
        (FailureKind::Timeout, _) => {
            "check that a model's server listens there, or give it longer with --connect-timeout"
        }
        (FailureKind::Malformed, Some(HttpVersion::Http2)) => {
            "leave --http2 out, and check that the port is the model's"
        }
        (FailureKind::Connect(ConnectStage::Tls), Some(HttpVersion::Http2)) => {
            "leave --http2 out where the server does not offer it; else check http against https, \
             trust the server's authority with --ca-file, or use --insecure on a test server"
        }
        (kind, _) => remedy_by_flags(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// But for the lack of resources, which is told by one code before a run and after it.
    #[test]
    fn every_failure_kind_has_its_own_code() {
        let kinds = FailureKind::ALL.map(Exit::Requests);
        let others = [
            Exit::Success,
            Exit::Other,
            Exit::Usage,
            Exit::File,
            Exit::Model,
            Exit::Resources,
            Exit::Interrupted,
        ];
        let codes: HashSet<u8> = kinds.into_iter().chain(others).map(Exit::code).collect();
        let own = Exit::Requests(FailureKind::ClientResources);
        assert_eq!(own.code(), Exit::Resources.code());
        assert_eq!(codes.len(), kinds.len() + others.len() - 1);
    }
}
