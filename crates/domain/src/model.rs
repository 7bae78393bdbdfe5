//! The one narrow interface every model is driven through, near or far.

use std::future::Future;
use std::pin::Pin;

use crate::{Arrival, Failure, FinishReason, Progress, Request, Usage};

/// A boxed future that can cross threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes in a request's progress.
///
/// Called on the task that awaits the request, once a step, between its awaits: a sink must be
/// quick and must not block. Whoever needs back-pressure polls the request's future less often.
pub trait Sink: Send {
    /// Takes in one step.
    fn progress(&mut self, progress: Progress<'_>);
}

/// How a request that succeeded ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// When the last byte of the answer came.
    pub finished: Arrival,
    /// Why the answer ended.
    pub finish: FinishReason,
    /// The server's token counts, where it gave any.
    pub usage: Option<Usage>,
}

/// Something that answers requests: a remote server, the embedded engine, or a gateway over others.
pub trait Model: Send + Sync {
    /// Opens what one more request in flight will need, a connection for one, so that the request
    /// does not pay for it.
    ///
    /// # Errors
    /// The failure a request sent now would meet while connecting.
    fn prepare(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Sends `request` and pushes every step of the answer into `sink`. Dropping the future cancels
    /// the request and frees what it holds.
    ///
    /// # Errors
    /// Why the request failed; steps pushed before that stand.
    fn send<'a>(
        &'a self,
        request: &'a Request,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Completion, Failure>>;
}

/// Turns text into a model's tokens and back.
pub trait Tokenizer: Send + Sync {
    /// The tokens of `text`, with no begin or end marks added.
    fn encode(&self, text: &str) -> Vec<u32>;

    /// The text of `tokens`; bytes that are no UTF-8 become U+FFFD.
    fn decode(&self, tokens: &[u32]) -> String;

    /// How many tokens `text` has.
    fn count(&self, text: &str) -> usize {
        self.encode(text).len()
    }

    /// How many different tokens there are.
    fn vocabulary_size(&self) -> usize;

    /// What the tokenizer is called in records.
    fn name(&self) -> &str;
}
