//! Metrics in the forms that Prometheus reads.
//!
//! | form | histograms | served |
//! |---|---|---|
//! | text 0.0.4 | classic | by default |
//! | OpenMetrics 1.0 | classic | where the reader accepts it |
//! | protobuf | classic and native | where it is asked for by name: `?format=protobuf` |
//!
//! Protobuf has to be asked for by name, since a Prometheus that knows native histograms accepts it
//! before all else and then drops the classic buckets (up to 2.44, and later unless
//! `scrape_classic_histograms` is set): queries for `…_bucket` would find nothing.

mod llm;
mod protobuf;
mod text;

use std::sync::Arc;

use analysis::Sketch;

/// The upper bounds of classic buckets, in seconds.
///
/// A classic bucket is a sum of a [`Sketch`]'s buckets, those that lie wholly below the bound. At
/// powers of two, such as 0.25, 0.5, 1 and 2, that is exact; a duration less than 1.1 % below another
/// bound is counted above it: never as faster than it was.
pub const BOUNDS: [f64; 17] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0,
    120.0,
];

/// How metrics are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' text, version 0.0.4.
    Text,
    /// OpenMetrics' text, version 1.0.0.
    OpenMetrics,
    /// Prometheus' protobuf, the messages each after its length.
    Protobuf,
}

/// A form nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metrics have no form {0:?}: ask for text, openmetrics or protobuf")]
pub struct UnknownForm(pub String);

impl Form {
    /// The form for a reader who named one, or else sent this `Accept` header.
    ///
    /// # Errors
    /// Where the one named does not exist.
    pub fn choose(named: Option<&str>, accept: Option<&str>) -> Result<Self, UnknownForm> {
        match named {
            Some("text") => Ok(Self::Text),
            Some("openmetrics") => Ok(Self::OpenMetrics),
            Some("protobuf") => Ok(Self::Protobuf),
            Some(other) => Err(UnknownForm(other.to_owned())),
            None => {
                let mut kinds = accept.unwrap_or_default().split(',');
                let is_open = |kind: &str| kind.trim().starts_with("application/openmetrics-text");
                Ok(if kinds.any(is_open) { Self::OpenMetrics } else { Self::Text })
            }
        }
    }

    /// The `Content-Type` it is served as.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; \
                 proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Writes `families` down. Each name must occur once.
    #[must_use]
    pub fn encode(self, families: &[Family]) -> Vec<u8> {
        match self {
            Self::Text => text::encode(families, text::Dialect::Prometheus).into_bytes(),
            Self::OpenMetrics => text::encode(families, text::Dialect::OpenMetrics).into_bytes(),
            Self::Protobuf => protobuf::encode(families),
        }
    }
}

/// Labels that many samples share.
pub type Labels = Arc<[(&'static str, Arc<str>)]>;

/// All samples of one name.
#[derive(Clone, Debug)]
pub struct Family {
    /// The name. A counter's ends in `_total`.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// What kind of numbers its samples are.
    pub kind: Kind,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// What kind of numbers a family has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those that only grow.
    Counter,
    /// Those that come and go.
    Gauge,
    /// Distributions of seconds.
    Histogram,
}

/// One labelled value.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The labels it shares with others.
    pub labels: Labels,
    /// The label of its own, if it has one.
    pub own: Option<(&'static str, &'static str)>,
    /// The value, of its family's kind.
    pub value: Value,
}

/// A sample's value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram.
    Durations(Sketch),
}

impl Sample {
    fn labels(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.labels.iter().map(|(name, value)| (*name, &**value)).chain(self.own)
    }
}

/// How many of the durations lie in or below each of [`BOUNDS`].
fn classic(durations: &Sketch) -> [u64; BOUNDS.len()] {
    let mut counts = [0; BOUNDS.len()];
    let mut buckets = durations.buckets().peekable();
    let mut passed = durations.zeros();
    for (count, bound) in counts.iter_mut().zip(BOUNDS) {
        while let Some((_, more)) =
            buckets.next_if(|(index, _)| Sketch::bound_seconds(*index) <= bound)
        {
            passed += more;
        }
        *count = passed;
    }
    counts
}

fn seconds(durations: &Sketch) -> f64 {
    durations.sum_nanos() as f64 / 1e9
}
