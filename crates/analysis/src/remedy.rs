//! What to do about requests that fail in a given way, said once for all who tell it.

use domain::{ConnectStage, FailureKind};

/// What to do about requests that fail in a given way, whoever asked for them.
#[must_use]
pub const fn remedy(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect(ConnectStage::Resolve) => "check the host's name",
        FailureKind::Connect(ConnectStage::Tcp) => {
            "check the address, and that a server listens there"
        }
        FailureKind::Connect(ConnectStage::Tls) => {
            "check http against https, and trust the server's authority"
        }
        FailureKind::ClientResources => {
            "this machine ran out of open files or local ports, which is no fault of the server's: \
             raise `ulimit -n`, or lower the load"
        }
        FailureKind::Timeout => "give the answers longer, or lower the load",
        FailureKind::Unauthorized => "give the right key",
        FailureKind::Rejected => "check the model's name, the endpoint and the lengths asked for",
        FailureKind::RateLimited => "lower the load to what the provider allows",
        FailureKind::Overloaded => "the server is full: lower the load",
        FailureKind::ServerError => "look at the server's own log",
        FailureKind::InStream => "the server broke off its answers: look at its log",
        FailureKind::Truncated => "the server closed its answers early: look at its log",
        FailureKind::Malformed => "check that the port is the model's, and the endpoint",
        FailureKind::Cancelled => "let the run end by itself",
    }
}

/// The same for whoever sits at the command line of `prony bench`, by its flags where one helps.
#[must_use]
pub const fn remedy_by_flags(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect(ConnectStage::Resolve) => "check the host name in --url",
        FailureKind::Connect(ConnectStage::Tcp) => {
            "check that the server is running and that host and port in --url are right"
        }
        FailureKind::Connect(ConnectStage::Tls) => {
            "check http against https, trust the server's authority with --ca-file, or use \
             --insecure on a test server"
        }
        FailureKind::Timeout => {
            "raise the limit that passed: --timeout for a whole answer, --first-token-timeout for its \
             beginning, --connect-timeout for a connection; or lower the load"
        }
        FailureKind::Unauthorized => {
            "give the right key through OPENAI_API_KEY, ANTHROPIC_API_KEY or --api-key-file"
        }
        FailureKind::Rejected => "check --model, --endpoint-type and the lengths asked for",
        FailureKind::Malformed => {
            "check that the port is the model's, --endpoint-type, and --http2: some servers speak \
             nothing else, most do not speak it"
        }
        FailureKind::ClientResources
        | FailureKind::RateLimited
        | FailureKind::Overloaded
        | FailureKind::ServerError
        | FailureKind::InStream
        | FailureKind::Truncated
        | FailureKind::Cancelled => remedy(kind),
    }
}
