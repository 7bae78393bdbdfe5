//! Asks a server what it is before any load: whether it can be reached, which models it has, and
//! which endpoint it answers on.

use std::sync::Arc;

use bytes::Bytes;
use dialect::models::ModelEntry;
use domain::{Clock, Failure, Progress, Sink, WireFormat};

use crate::answer::{Expect, Kept};
use crate::redact::Redactor;
use crate::request::RequestHead;
use crate::target::{Target, TargetError, Timeouts};
use crate::wire::{Call, Wire};

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
    let wire = Wire::new(target, &RequestHead::list_models(target), Arc::clone(&clock))?;
    let redactor = Redactor::new(target);
    let asked = ask(target, &wire, &*clock).await;
    let answer = asked.map_err(|failure| redactor.redact(failure))?;
    let server = answer.header("server").map(str::to_owned);
    match answer.status {
        200 => Ok(Probed { models: dialect::models::parse_list(&answer.body).ok(), server }),
        401 | 403 => {
            let failure = answer.failure(clock.unix_nanos() / 1_000_000_000);
            Err(redactor.redact(failure).into())
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

async fn ask(target: &Target, wire: &Wire, clock: &dyn Clock) -> Result<Kept, Failure> {
    let timeouts = Timeouts {
        first_token: Some(target.timeouts.connect),
        between_bytes: Some(target.timeouts.connect),
        total: Some(target.timeouts.connect.saturating_mul(2)),
        ..target.timeouts
    };
    let (id, body, expect) = (None, Bytes::new(), Expect::Anything);
    let call = Call { id, body, expect, timeouts: &timeouts, clock };
    wire.exchange(&call, &mut Unwatched).await.kept()
}

/// Whoever asks what a server is wants the end, not the steps.
struct Unwatched;

impl Sink for Unwatched {
    fn progress(&mut self, _: Progress<'_>) {}
}
