//! Where a record comes from: what its exchange does not say of itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::{Exchange, WallAnchor};

use crate::column::RunLabel;
use crate::{Record, STORED_ANCHOR, StoredRequest};

/// What the requests of one run, or of one way through a gateway, have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The id of the run they belong to; `None` for traffic that is no run.
    pub run: Option<Arc<str>>,
    /// Which of the run's cases, under what load, and from where latencies count.
    pub label: RunLabel,
    /// Who serves the model.
    pub provider: Arc<str>,
    /// Where it is served, as configured; empty where nobody said.
    pub target_region: Arc<str>,
    /// Where the observer stood on the map; empty where nobody said.
    pub vantage_region: Arc<str>,
    /// Who sent the requests, such as `bench`, `gateway` or `canary`.
    pub source: Arc<str>,
}

/// A record to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Where it comes from.
    pub provenance: &'a Provenance,
    /// The request.
    pub exchange: &'a Exchange,
    /// What puts the request's times on the wall clock.
    pub anchor: WallAnchor,
}

/// A record read back, its times those of the wall clock (see [`STORED_ANCHOR`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Where it comes from.
    pub provenance: Arc<Provenance>,
    /// The request.
    pub exchange: Exchange,
}

impl StoredRecord {
    /// The record as the export formats see it.
    #[must_use]
    pub fn record(&self) -> Record<'_> {
        Record::new(&self.exchange, &self.provenance.label, STORED_ANCHOR)
    }

    /// The same as an entry to be appended.
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        Entry { provenance: &self.provenance, exchange: &self.exchange, anchor: STORED_ANCHOR }
    }

    /// Whether it belongs to one of `runs`.
    pub(crate) fn is_of(&self, runs: &BTreeSet<String>) -> bool {
        self.provenance.run.as_deref().is_some_and(|run| runs.contains(run))
    }

    /// When the request ended, in nanoseconds since 1970.
    #[must_use]
    pub fn finished_unix_nanos(&self) -> u64 {
        self.exchange.timeline.finished.arrived.as_nanos()
    }
}

impl From<StoredRecord> for StoredRequest {
    fn from(record: StoredRecord) -> Self {
        Self { label: record.provenance.label.clone(), exchange: record.exchange }
    }
}
