//! What requests have in common that are counted together.

use std::sync::Arc;

use crate::Vantage;

/// Who sent a request, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A load test.
    Bench,
    /// A user, through the gateway.
    Gateway,
    /// A canary: a small check, repeated for ever.
    Canary,
}

impl Source {
    /// Every one, in the order reports list them.
    pub const ALL: [Self; 3] = [Self::Bench, Self::Gateway, Self::Canary];

    /// The word used in records and labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Gateway => "gateway",
            Self::Canary => "canary",
        }
    }
}

/// The requests that share all of these, and so are rolled up, drawn and alerted on as one.
///
/// Each part is a small set of names that the user configured, never free text of a request: as
/// many series are kept as combinations occur.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The model asked for.
    pub model: Arc<str>,
    /// Who serves it.
    pub provider: Arc<str>,
    /// Where it is served, as configured; empty where nobody said.
    pub region: Arc<str>,
    /// Where the observer stood on the request's way.
    pub vantage: Vantage,
    /// Where the observer stood on the map; empty where nobody said.
    pub vantage_region: Arc<str>,
    /// The scenario its prompts came from.
    pub scenario: Arc<str>,
    /// Who sent it.
    pub source: Source,
}
