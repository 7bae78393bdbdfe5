//! A rollup in bytes, as the store keeps it.
//!
//! A version, then each member in its order; a sketch as the buckets that hold something, each as
//! its distance from the one before.

use analysis::rollup::{Ended, Failures, Flow, Rollup};
use analysis::{Sketch, SketchParts};

use domain::FailureKind;
use store::durable::Malformed;
use store::durable::bytes::{Bytes, put_count, put_step, put_text};

/// The first byte of every rollup.
const VERSION: u8 = 1;

/// The rollup in bytes.
#[must_use]
pub fn encode(rollup: &Rollup) -> Vec<u8> {
    let mut out = vec![VERSION];
    let Rollup { flow, ended } = rollup;
    for count in [flow.started, flow.input_tokens, flow.cached_tokens, flow.output_tokens] {
        put_count(&mut out, count);
    }
    put_wide(&mut out, flow.busy_nanos);
    put_count(&mut out, flow.in_flight_max);
    put_count(&mut out, ended.succeeded);
    put_count(&mut out, ended.retries);
    put_failures(&mut out, &ended.failed);
    for sketch in sketches(ended) {
        put_sketch(&mut out, sketch);
    }
    out
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// Where the bytes are not a rollup.
pub fn decode(bytes: &[u8]) -> Result<Rollup, Malformed> {
    let mut rollup = Rollup::default();
    Merger::default().merge(&mut rollup, bytes)?;
    Ok(rollup)
}

/// Adds rollups in bytes to one at hand, and uses its memory for one after the other.
#[derive(Debug, Default)]
pub struct Merger {
    parts: SketchParts,
}

impl Merger {
    /// Adds all that the rollup of `bytes` has.
    ///
    /// # Errors
    /// Where the bytes are not a rollup. Part of it may have been added.
    pub fn merge(&mut self, into: &mut Rollup, bytes: &[u8]) -> Result<(), Malformed> {
        let mut bytes = self.merge_figures(into, bytes)?;
        let ended = &mut into.ended;
        for sketch in [&mut ended.itl, &mut ended.failed_after, &mut ended.client_lag] {
            self.merge_sketch(sketch, &mut bytes)?;
        }
        if bytes.is_empty() { Ok(()) } else { Err(Malformed("more follows its end")) }
    }

    /// Adds what charts are drawn of: all but the gaps between chunks, how long failed requests took
    /// and the client's lag, which stand last and make up half of a rollup. Returns those.
    ///
    /// # Errors
    /// Where the bytes are not a rollup. Part of it may have been added.
    pub fn merge_figures<'a>(
        &mut self,
        into: &mut Rollup,
        bytes: &'a [u8],
    ) -> Result<Bytes<'a>, Malformed> {
        let mut bytes = Bytes::new(bytes);
        if bytes.byte()? != VERSION {
            return Err(Malformed("its version is not known"));
        }
        into.flow.merge(&Flow {
            started: bytes.count()?,
            input_tokens: bytes.count()?,
            cached_tokens: bytes.count()?,
            output_tokens: bytes.count()?,
            busy_nanos: wide(&mut bytes)?,
            in_flight_max: bytes.count()?,
        });
        let ended = &mut into.ended;
        ended.succeeded += bytes.count()?;
        ended.retries += bytes.count()?;
        ended.failed.merge(&failures(&mut bytes)?);
        for sketch in [&mut ended.ttft, &mut ended.e2e, &mut ended.tpot] {
            self.merge_sketch(sketch, &mut bytes)?;
        }
        Ok(bytes)
    }

    fn merge_sketch(&mut self, into: &mut Sketch, bytes: &mut Bytes<'_>) -> Result<(), Malformed> {
        read_parts(bytes, &mut self.parts)?;
        into.merge_parts(&self.parts).map_err(|_| Malformed("no sketch has such parts"))
    }
}

/// Joins two rollups in bytes.
///
/// # Errors
/// Where one of them is none.
pub fn join(one: &[u8], other: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut joined = decode(one)?;
    Merger::default().merge(&mut joined, other)?;
    Ok(encode(&joined))
}

const fn sketches(ended: &Ended) -> [&Sketch; 6] {
    [&ended.ttft, &ended.e2e, &ended.tpot, &ended.itl, &ended.failed_after, &ended.client_lag]
}

fn put_wide(out: &mut Vec<u8>, value: u128) {
    put_count(out, value as u64);
    put_count(out, (value >> 64) as u64);
}

fn wide(bytes: &mut Bytes<'_>) -> Result<u128, Malformed> {
    let low = u128::from(bytes.count()?);
    Ok(low | u128::from(bytes.count()?) << 64)
}

/// The kinds that occur, by their words, whose list may yet change its order.
fn put_failures(out: &mut Vec<u8>, failures: &Failures) {
    let occurring = || failures.iter().filter(|(_, count)| *count > 0);
    put_count(out, occurring().count() as u64);
    for (kind, count) in occurring() {
        put_text(out, kind.as_str());
        put_count(out, count);
    }
}

fn failures(bytes: &mut Bytes<'_>) -> Result<Failures, Malformed> {
    let mut failures = Failures::default();
    for _ in 0..bytes.length()? {
        let word = bytes.text()?;
        let known = FailureKind::ALL.into_iter().find(|kind| kind.as_str() == word);
        failures.add(known.ok_or(Malformed("a kind of failure is not known"))?, bytes.count()?);
    }
    Ok(failures)
}

fn put_sketch(out: &mut Vec<u8>, sketch: &Sketch) {
    let parts = sketch.parts();
    put_count(out, parts.buckets.len() as u64);
    put_count(out, parts.zeros);
    if sketch.is_empty() {
        return;
    }
    put_wide(out, parts.sum_nanos);
    put_count(out, parts.min_nanos);
    put_step(out, parts.max_nanos, parts.min_nanos);
    let mut last = 0;
    for (index, count) in parts.buckets {
        let index = i64::from(index).cast_unsigned();
        put_step(out, index, last);
        put_count(out, count);
        last = index;
    }
}

fn read_parts(bytes: &mut Bytes<'_>, parts: &mut SketchParts) -> Result<(), Malformed> {
    let length = bytes.length()?;
    parts.buckets.clear();
    parts.zeros = bytes.count()?;
    if length == 0 && parts.zeros == 0 {
        return Ok(());
    }
    parts.sum_nanos = wide(bytes)?;
    parts.min_nanos = bytes.count()?;
    parts.max_nanos = bytes.step(parts.min_nanos)?;
    let mut last = 0;
    for _ in 0..length {
        last = bytes.step(last)?;
        let index = i32::try_from(last.cast_signed()).map_err(|_| Malformed("no such bucket"))?;
        parts.buckets.push((index, bytes.count()?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_sketch() -> impl Strategy<Value = Sketch> {
        prop::collection::vec(prop_oneof![Just(0), any::<u64>(), 1_u64..1 << 40], 0..40).prop_map(
            |values| {
                let mut sketch = Sketch::default();
                values.into_iter().for_each(|nanos| sketch.record(nanos));
                sketch
            },
        )
    }

    fn any_rollup() -> impl Strategy<Value = Rollup> {
        let counts = prop::array::uniform7(0_u64..1 << 50);
        let failed = prop::collection::vec(
            (prop::sample::select(&FailureKind::ALL[..]), 1_u64..1 << 40),
            0..4,
        );
        let sketches = prop::collection::vec(any_sketch(), 6);
        (counts, any::<u64>(), failed, sketches).prop_map(|(counts, busy, failed, sketches)| {
            let mut rollup = Rollup::default();
            let [
                started,
                input_tokens,
                cached_tokens,
                output_tokens,
                in_flight_max,
                succeeded,
                retries,
            ] = counts;
            rollup.flow = Flow {
                started,
                input_tokens,
                cached_tokens,
                output_tokens,
                busy_nanos: u128::from(busy) << 20,
                in_flight_max,
            };
            failed.into_iter().for_each(|(kind, count)| rollup.ended.failed.add(kind, count));
            let [ttft, e2e, tpot, itl, failed_after, client_lag] =
                <[Sketch; 6]>::try_from(sketches).expect("there are six");
            let failed = rollup.ended.failed;
            rollup.ended = Ended {
                succeeded,
                failed,
                retries,
                ttft,
                e2e,
                tpot,
                itl,
                failed_after,
                client_lag,
            };
            rollup
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_rollup_is_read_back(rollup in any_rollup()) {
            prop_assert_eq!(decode(&encode(&rollup)), Ok(rollup));
        }

        #[test]
        fn joining_bytes_is_merging(one in any_rollup(), other in any_rollup()) {
            let mut merged = one.clone();
            merged.merge(&other);
            let joined = join(&encode(&one), &encode(&other)).expect("both are rollups");
            prop_assert_eq!(decode(&joined), Ok(merged));
        }

        #[test]
        fn damage_is_an_error_or_another_rollup(rollup in any_rollup(), place: prop::sample::Index, byte: u8) {
            let mut bytes = encode(&rollup);
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let _ = decode(&bytes);
            prop_assert!(decode(&bytes[..place]).is_err());
        }
    }
}
