//! What a rule asks of whoever has the figures, and what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::label::{Dimension, Labels};

/// A latency that has quantiles. The glossary defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Latency {
    /// To the answer's end, of requests that succeeded.
    E2e,
    /// To the first token.
    Ttft,
    /// A token, after the first.
    Tpot,
}

/// A figure of the requests that ended in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// The latency that the share `quantile` of them kept, in seconds.
    LatencyQuantile {
        /// Which latency.
        latency: Latency,
        /// Above 0 and below 1.
        quantile: f64,
    },
    /// The share of them that failed.
    ErrorRate,
    /// How many ended a second.
    RequestRate,
    /// What they cost, times the windows in an hour, in US dollars.
    CostPerHour,
}

/// Only requests whose label is one of the values count, for each dimension named.
pub type Filters = BTreeMap<Dimension, BTreeSet<String>>;

/// A quantity of the last `window`, a figure for each group of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What is asked for.
    pub quantity: Quantity,
    /// Requests that ended within this long before now are counted.
    pub window: Duration,
    /// Which requests count.
    pub filters: Filters,
    /// The dimensions whose values tell the groups apart; none for one group of them all.
    pub group_by: BTreeSet<Dimension>,
}

/// One group's figure.
///
/// A group is answered for as long as its series is known, with a rate and a cost of zero where it
/// was quiet: that is how it is told from one that never was. It has no latency and no error rate
/// then, and no reading of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The group: a value for each dimension of `group_by`.
    pub labels: Labels,
    /// The figure, in the quantity's unit.
    pub value: f64,
}
