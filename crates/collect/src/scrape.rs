//! Reads what model servers and GPU exporters tell of themselves, in one set of names.
//!
//! A [`Scraper`] asks a server that speaks Prometheus' text form; [`ServerMetric`] lists what is
//! understood, whichever server tells it. Each [`Scrape`] carries its moment, so that it can be laid
//! beside the requests of a run.

mod client;
mod exposition;
mod names;

pub use client::{ScrapeError, Scraper, TargetError};
pub use exposition::Malformed;
pub use names::ServerMetric;

use std::collections::BTreeMap;

use domain::Timestamp;

use exposition::Line;
use names::{Known, Part};

/// What a server told at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Scrape {
    /// The moment: halfway between the question and the answer.
    pub at: Timestamp,
    /// What it told, in its own order. Empty where it told nothing that is understood.
    pub readings: Vec<Reading>,
}

/// One figure of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What it is.
    pub metric: ServerMetric,
    /// What of, in the server's own words: its model, its engine, its GPU.
    pub labels: Vec<(String, String)>,
    /// How much, in the metric's unit.
    pub value: ServerValue,
}

/// How much a server told.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerValue {
    /// A gauge, or a counter since the server's start.
    Number(f64),
    /// A histogram since the server's start.
    Histogram {
        /// The sum of all values.
        sum: f64,
        /// How many values there are.
        count: f64,
        /// How many values each upper bound is not exceeded by, as the server had them.
        buckets: Vec<(f64, f64)>,
    },
}

/// Reads an answer in Prometheus' text form, or OpenMetrics'. Metrics that are not understood, and
/// values that are not numbers, are left out.
///
/// # Errors
/// The first line that is in neither form.
pub fn read(text: &str) -> Result<Vec<Reading>, Malformed> {
    let mut found: Vec<Found> = Vec::new();
    for line in exposition::lines(text) {
        let Line { name, mut labels, value } = line?;
        let Some(known) = names::find(name).filter(|_| !value.is_nan()) else { continue };
        let bound = labels.iter().position(|(label, _)| label == "le");
        let bound = bound.and_then(|place| labels.remove(place).1.parse().ok());
        let Some(part) = known.part else {
            found.push(Found::new(&known, labels, ServerValue::Number(value * known.factor)));
            continue;
        };
        let is_same = |one: &Found| {
            (one.row, one.age) == (known.row, known.age) && one.reading.labels == labels
        };
        // A histogram's lines most often follow one another.
        let place = found.iter().rposition(is_same).unwrap_or_else(|| {
            let (sum, count, buckets) = (0.0, 0.0, Vec::new());
            let empty = ServerValue::Histogram { sum, count, buckets };
            found.push(Found::new(&known, labels, empty));
            found.len() - 1
        });
        if let ServerValue::Histogram { sum, count, buckets } = &mut found[place].reading.value {
            match part {
                Part::Sum => *sum = value,
                Part::Count => *count = value,
                Part::Bucket => buckets.extend(bound.map(|bound| (bound, value))),
            }
        }
    }
    Ok(current(found))
}

/// A reading, and which name it was found under.
struct Found {
    row: usize,
    age: usize,
    reading: Reading,
}

impl Found {
    fn new(known: &Known, labels: Vec<(String, String)>, value: ServerValue) -> Self {
        let reading = Reading { metric: known.metric, labels, value };
        Self { row: known.row, age: known.age, reading }
    }
}

/// Of what a server tells under an old name as well as today's, only the latter.
fn current(found: Vec<Found>) -> Vec<Reading> {
    let mut ages = BTreeMap::new();
    for Found { row, age, .. } in &found {
        let least = ages.entry(*row).or_insert(*age);
        *least = (*least).min(*age);
    }
    let is_current = |one: &Found| ages[&one.row] == one.age;
    found.into_iter().filter(is_current).map(|one| one.reading).collect()
}
