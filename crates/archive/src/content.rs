//! Keeps what was asked and answered, where somebody asked for that. It holds nothing up: what cannot
//! be kept is counted, and told once a run.

use std::sync::Arc;
use std::time::Duration;

use store::Content;
use store::durable::Store;

/// Told what went wrong, for the person.
pub type Teller = Arc<dyn Fn(&str) + Send + Sync>;

/// Keeps the texts of one benchmark.
pub struct ContentKeeper {
    store: Arc<Store>,
    benchmark: String,
    keep: Duration,
    teller: Teller,
    pending: Vec<Content>,
    lost: u64,
    problem: Option<String>,
}

impl ContentKeeper {
    /// Keeps the texts of the benchmark of that id in `store`, for as long as `keep` says.
    #[must_use]
    pub fn new(store: Arc<Store>, benchmark: &str, keep: Duration, teller: Teller) -> Self {
        let benchmark = benchmark.to_owned();
        Self { store, benchmark, keep, teller, pending: Vec::new(), lost: 0, problem: None }
    }

    pub(crate) fn push(&mut self, content: Content) {
        self.pending.push(content);
    }

    /// Notes requests whose texts could not be caught.
    pub(crate) fn miss(&mut self, requests: u64) {
        self.lost += requests;
        self.problem.get_or_insert_with(|| "there was no room to hold them".to_owned());
    }

    /// Keeps what waits.
    pub(crate) fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let texts = self.pending.iter().map(|content| (&*self.benchmark, content));
        if let Err(error) = self.store.keep_content(texts, self.keep) {
            self.lost += self.pending.len() as u64;
            self.problem.get_or_insert_with(|| error.to_string());
        }
        self.pending.clear();
    }

    /// Keeps what waits, and tells what was lost.
    pub(crate) fn end(&mut self) {
        self.flush();
        if let Some(problem) = self.problem.take() {
            let lost = std::mem::take(&mut self.lost);
            (self.teller)(&format!(
                "warning: prompts and answers of {lost} requests are not kept: {problem}"
            ));
        }
    }
}
