//! Asks a server what it is before any load: whether it can be reached, which models it has, and
//! which endpoint it answers on.

use std::sync::Arc;

use dialect::models::ModelEntry;
use domain::{Clock, Failure, WireFormat};

use crate::http1;
use crate::response::Kept;
use crate::target::{Target, TargetError, Timeouts};
use crate::transport::Connector;

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Its models; `None` where it does not list them.
    pub models: Option<Vec<ModelEntry>>,
    /// The `server` header, which some servers identify themselves by.
    pub server: Option<String>,
}

/// Connects to `target` and asks for its list of models.
///
/// A server that answers but has no such list is reachable all the same; one that refuses the key
/// is not usable, and that is an error here already.
///
/// # Errors
/// [`ProbeError::Target`] for settings that cannot be used, [`ProbeError::Failure`] where the server
/// cannot be reached, is no HTTP server, or refuses the key.
pub async fn probe(target: &Target, clock: Arc<dyn Clock>) -> Result<Probed, ProbeError> {
    target.check()?;
    let connector = Connector::new(target, Arc::clone(&clock))?;
    let answer = ask(target, &connector, &*clock).await?;
    let server = answer.header("server").map(str::to_owned);
    match answer.status {
        200 => Ok(Probed { models: dialect::models::parse_list(&answer.body).ok(), server }),
        401 | 403 => {
            let mut failure = answer.failure(clock.unix_nanos() / 1_000_000_000);
            if let Some(key) = &target.key {
                failure.message = key.redact(&failure.message);
            }
            Err(failure.into())
        }
        _ => Ok(Probed { models: None, server }),
    }
}

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The target's settings cannot be used.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The server cannot be reached or used.
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// The endpoint a server most likely answers on: Anthropic's where host or path say so, else
/// OpenAI chat, which every compatible server has.
#[must_use]
pub fn likely_format(url: &str) -> WireFormat {
    if url.contains("/messages") || url.contains("anthropic") {
        WireFormat::AnthropicMessages
    } else if url.contains("/completions") && !url.contains("/chat/completions") {
        WireFormat::OpenAiCompletions
    } else {
        WireFormat::OpenAiChat
    }
}

async fn ask(target: &Target, connector: &Connector, clock: &dyn Clock) -> Result<Kept, Failure> {
    let (mut transport, _) = connector.open().await?;
    let mut wire = format!(
        "GET {}{} HTTP/1.1\r\nhost: {}\r\naccept: application/json\r\nconnection: close\r\n",
        target.url.prefix,
        dialect::models::PATH,
        target.url.authority()
    );
    for (name, value) in dialect::request_headers(target.format, target.key.as_ref()) {
        wire.push_str(&format!("{name}: {value}\r\n"));
    }
    for (name, value) in &target.headers {
        wire.push_str(&format!("{name}: {value}\r\n"));
    }
    wire.push_str("\r\n");
    let timeouts = Timeouts {
        first_byte: Some(target.timeouts.connect),
        between_bytes: Some(target.timeouts.connect),
        total: Some(target.timeouts.connect * 2),
        ..target.timeouts
    };
    http1::fetch(&mut transport, wire.as_bytes(), &timeouts, clock).await
}
