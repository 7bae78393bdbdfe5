//! Whom runs ask.

use std::fmt;
use std::sync::Arc;

use analysis::ArrivalClock;
use domain::{Model, Tokenizer};

/// A model that is ready to be sent requests.
#[derive(Clone)]
pub struct Subject {
    /// The model.
    pub model: Arc<dyn Model>,
    /// What requests call it.
    pub name: String,
    /// What it is, for results: an address, or an engine and a file.
    pub description: String,
    /// Counts and makes tokens where the server does not say.
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
    /// Whether it runs in this process, where nothing is stamped by a kernel.
    pub is_embedded: bool,
}

impl Subject {
    /// Where the arrivals of its chunks come from.
    #[must_use]
    pub const fn arrivals(&self) -> ArrivalClock {
        if self.is_embedded { ArrivalClock::InProcess } else { ArrivalClock::Network }
    }

    /// The tokenizer that counts answers. It costs time on every one, so it is used only where the
    /// server may not count.
    #[must_use]
    pub fn counter(&self) -> Option<Arc<dyn Tokenizer>> {
        self.tokenizer.clone().filter(|_| !self.is_embedded)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject")
            .field("name", &self.name)
            .field("description", &self.description)
            .field("is_embedded", &self.is_embedded)
            .finish_non_exhaustive()
    }
}
