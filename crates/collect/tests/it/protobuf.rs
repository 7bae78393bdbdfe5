//! The protobuf form, read back field by field.

use std::time::Duration;

use analysis::Sketch;
use collect::metrics::{BOUNDS, Family, Form, Kind, Labels, Sample, Value};
use proptest::prelude::*;

/// A histogram read back from protobuf.
#[derive(Debug, Default)]
struct Histogram {
    count: u64,
    sum: f64,
    classic: Vec<(u64, f64)>,
    schema: i64,
    zeros: u64,
    spans: Vec<(i64, u64)>,
    deltas: Vec<i64>,
}

/// A message's fields: number, and the bytes or the number it has.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>, u64)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (mut value, mut number) = (Vec::new(), 0);
        match key & 7 {
            0 => number = varint(&mut bytes),
            1 => {
                number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                bytes = &bytes[8..];
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                value = bytes[..length].to_vec();
                bytes = &bytes[length..];
            }
            other => panic!("wire type {other}"),
        }
        fields.push((key >> 3, value, number));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}

fn signed(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// The only histogram in `bytes`.
fn histogram(mut bytes: &[u8]) -> Histogram {
    let length = usize::try_from(varint(&mut bytes)).unwrap();
    assert_eq!(length, bytes.len(), "one family");
    let metric = fields(bytes).into_iter().find(|field| field.0 == 4).unwrap().1;
    let inner = fields(&metric).into_iter().find(|field| field.0 == 7).unwrap().1;
    let mut histogram = Histogram::default();
    for (field, bytes, number) in fields(&inner) {
        let inner = || fields(&bytes);
        let part = |wanted| inner().iter().find(|part| part.0 == wanted).map_or(0, |part| part.2);
        match field {
            1 => histogram.count = number,
            2 => histogram.sum = f64::from_bits(number),
            3 => histogram.classic.push((part(1), f64::from_bits(part(2)))),
            5 => histogram.schema = signed(number),
            6 => assert_eq!(f64::from_bits(number), 2.0_f64.powi(-128)),
            7 => histogram.zeros = number,
            12 => histogram.spans.push((signed(part(1)), part(2))),
            13 => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    histogram.deltas.push(signed(varint(&mut rest)));
                }
            }
            other => panic!("field {other}"),
        }
    }
    histogram
}

impl Histogram {
    /// The native buckets: upper bound in seconds, and count.
    fn native(&self) -> Vec<(f64, i64)> {
        let (mut index, mut count, mut deltas) = (0, 0, self.deltas.iter());
        let mut buckets = Vec::new();
        for (offset, length) in &self.spans {
            index += offset;
            for _ in 0..*length {
                count += deltas.next().unwrap();
                buckets.push(((index as f64 / 8.0).exp2(), count));
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        buckets
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn protobuf_has_every_duration_in_its_buckets(
        values in prop::collection::vec((0_u32..50).prop_flat_map(|bits| 0..=1_u64 << bits), 0..50),
    ) {
        let mut durations = Sketch::default();
        values.iter().for_each(|nanos| durations.record(*nanos));
        let sample =
            Sample { labels: Labels::default(), own: None, value: Value::Durations(durations) };
        let (name, help, kind) = ("x", "X.", Kind::Histogram);
        let bytes = Form::Protobuf.encode(&[Family { name, help, kind, samples: vec![sample] }]);
        let read = histogram(&bytes);

        let all: u64 = values.iter().sum();
        let close = (read.sum - Duration::from_nanos(all).as_secs_f64()).abs();
        prop_assert!(close <= 1e-9 * read.sum);
        prop_assert_eq!(read.count, values.len() as u64);
        prop_assert_eq!(read.schema, 3);
        let zeros = values.iter().filter(|nanos| **nanos == 0).count() as u64;
        prop_assert_eq!(read.zeros, zeros);

        let seconds = |nanos: &u64| *nanos as f64 * 1e-9;
        let above_zero = || values.iter().filter(|nanos| **nanos > 0);
        let mut counted = 0;
        for (bound, count) in read.native() {
            // Powers from `exp2` may be off by a bit, so on the bound itself either side is right.
            let inside = |slack: f64| above_zero().filter(|nanos| {
                seconds(nanos) <= bound * (1.0 + slack)
                    && seconds(nanos) > bound * (1.0 - slack) / 0.125_f64.exp2()
            }).count() as i64;
            prop_assert!((inside(-1e-12)..=inside(1e-12)).contains(&count), "{count} to {bound}");
            counted += count;
        }
        prop_assert_eq!(counted.cast_unsigned() + zeros, read.count);

        prop_assert_eq!(read.classic.len(), BOUNDS.len());
        for ((count, bound), known) in read.classic.into_iter().zip(BOUNDS) {
            prop_assert_eq!(bound, known);
            let below = |bound: f64| values.iter().filter(|nanos| seconds(nanos) <= bound).count() as u64;
            prop_assert!(count <= below(bound) && count >= below(bound * 0.989), "{count} to {bound}");
        }
    }
}
