//! What a request's figures are kept by: the series it belongs to.

use std::sync::Arc;

/// What made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A benchmark.
    Bench,
    /// An application, through the gateway.
    Gateway,
    /// The scheduled small load that watches a target.
    Canary,
}

impl Source {
    /// The name used on the wire, in files and in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bench => "bench",
            Self::Gateway => "gateway",
            Self::Canary => "canary",
        }
    }
}

/// The labels by which figures are told apart. Their number is bounded by the configuration, never
/// by the traffic: no user, no key and no request has a place here.
///
/// A region is empty where none is named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// What made the requests.
    pub source: Source,
    /// The model asked for.
    pub model: Arc<str>,
    /// Who serves it, such as `openai` or `local`.
    pub provider: Arc<str>,
    /// The scenario the prompts came from, or the route they took.
    pub scenario: Arc<str>,
    /// Where the requests were measured.
    pub vantage_region: Arc<str>,
    /// Where they were answered.
    pub target_region: Arc<str>,
}
