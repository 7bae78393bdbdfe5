//! The protobuf form: `io.prometheus.client.MetricFamily` messages, each after its length.
//!
//! Numbers beside the fields are those of Prometheus' `metrics.proto`.

use analysis::Sketch;
use analysis::sketch::SCHEMA;

use super::{BOUNDS, Family, Kind, Sample, Value, classic, seconds};

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

/// The fields of a message being written.
#[derive(Debug, Default)]
struct Fields(Vec<u8>);

fn message(fill: impl FnOnce(&mut Fields)) -> Vec<u8> {
    let mut fields = Fields::default();
    fill(&mut fields);
    fields.0
}

impl Fields {
    /// A varint. Zero is the default, and left out.
    fn integer(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.key(field, 0);
            varint(&mut self.0, value);
        }
    }

    fn double(&mut self, field: u32, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, field: u32, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u32, fill: impl FnOnce(&mut Self)) {
        self.bytes(field, &message(fill));
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        self.key(field, 2);
        varint(&mut self.0, bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        varint(&mut self.0, u64::from(field << 3 | wire_type));
    }
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Signed numbers, so that small ones of either sign are short.
const fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}
