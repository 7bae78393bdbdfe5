//! The protobuf form: `io.prometheus.client.MetricFamily` messages, each after its length.
//!
//! Numbers beside the fields are those of Prometheus' `metrics.proto`.

use analysis::Sketch;
use analysis::sketch::SCHEMA;

use super::{BOUNDS, Family, Kind, Sample, Value, classic, seconds};
use crate::protobuf::{Fields, message, varint, zigzag};

/// The schema native histograms are exposed in: 8 buckets a doubling, 4.4 % off at most. The schema
/// of a [`Sketch`] would make eight times as many buckets of it, each of which Prometheus keeps.
const EXPOSED_SCHEMA: u8 = 3;

/// Below this a duration counts as zero, as Prometheus' own clients have it: 2^−128 s.
const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

pub(super) fn encode(families: &[Family]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for family in families {
        let message = message(|fields| {
            fields.text(1, family.name);
            fields.text(2, family.help);
            fields.integer(
                3,
                match family.kind {
                    Kind::Counter => 0,
                    Kind::Gauge => 1,
                    Kind::Histogram => 4,
                },
            );
            family
                .samples
                .iter()
                .for_each(|one| fields.message(4, |metric| sample(metric, family.kind, one)));
        });
        varint(&mut bytes, message.len() as u64);
        bytes.extend(message);
    }
    bytes
}

fn sample(metric: &mut Fields, kind: Kind, sample: &Sample) {
    for (name, value) in sample.labels() {
        metric.message(1, |label| {
            label.text(1, name);
            label.text(2, value);
        });
    }
    match &sample.value {
        Value::Number(value) => {
            let field = if kind == Kind::Gauge { 2 } else { 3 };
            metric.message(field, |number| number.double(1, *value));
        }
        Value::Durations(durations) => metric.message(7, |fields| histogram(fields, durations)),
    }
}

fn histogram(fields: &mut Fields, durations: &Sketch) {
    fields.integer(1, durations.len());
    fields.double(2, seconds(durations));
    for (bound, count) in BOUNDS.into_iter().zip(classic(durations)) {
        fields.message(3, |bucket| {
            bucket.integer(1, count);
            bucket.double(2, bound);
        });
    }
    fields.integer(5, zigzag(i64::from(EXPOSED_SCHEMA)));
    fields.double(6, ZERO_THRESHOLD);
    fields.integer(7, durations.zeros());
    let native = Native::of(durations);
    for (offset, length) in native.spans {
        fields.message(12, |span| {
            span.integer(1, zigzag(i64::from(offset)));
            span.integer(2, length);
        });
    }
    fields.message(13, |deltas| {
        native.deltas.iter().for_each(|delta| varint(&mut deltas.0, zigzag(*delta)));
    });
}

/// A native histogram's buckets: runs of neighbours, each by its distance from the one before, and
/// each bucket's count less the one before.
#[derive(Debug, Default)]
struct Native {
    spans: Vec<(i32, u64)>,
    deltas: Vec<i64>,
}

impl Native {
    /// The buckets of `durations`, in the exposed schema.
    fn of(durations: &Sketch) -> Self {
        const JOINED: i32 = 1 << (SCHEMA - EXPOSED_SCHEMA);
        let mut joined: Vec<(i32, u64)> = Vec::new();
        for (index, count) in durations.buckets() {
            // A bucket is named after its upper bound, so its neighbours below join it.
            let index = (index + JOINED - 1).div_euclid(JOINED);
            match joined.last_mut() {
                Some((last, sum)) if *last == index => *sum += count,
                _ => joined.push((index, count)),
            }
        }
        let mut native = Self::default();
        let (mut next, mut before) = (0, 0);
        for (index, count) in joined {
            match native.spans.last_mut() {
                Some((_, length)) if index == next => *length += 1,
                _ => native.spans.push((index - next, 1)),
            }
            next = index + 1;
            native.deltas.push(count.cast_signed() - before);
            before = count.cast_signed();
        }
        native
    }
}
