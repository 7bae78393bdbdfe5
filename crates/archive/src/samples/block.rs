//! A few sights of one source in bytes, as the store keeps them.
//!
//! A version, what went wrong, the moments, then each column. A number is written as what it differs
//! by from the one before it, bit by bit and the highest bit first: one that stays takes a byte, and
//! so few as a counter's steps need.

use std::collections::BTreeMap;

use store::durable::Malformed;
use store::durable::bytes::{Bytes, put_count, put_text};

use super::{Name, Sight};

/// The first byte of every block.
const VERSION: u8 = 1;
/// Stands where a column was not told.
const UNTOLD: f64 = f64::NAN;

/// Sights of one source, by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Block {
    pub(super) sights: Vec<Sight>,
    /// Why the source was last not seen, where that happened.
    pub(super) problem: Option<String>,
}

impl Block {
    /// The block in bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        put_text(&mut out, self.problem.as_deref().unwrap_or_default());
        put_count(&mut out, self.sights.len() as u64);
        let mut before = 0;
        for sight in &self.sights {
            put_count(&mut out, sight.unix_nanos.saturating_sub(before));
            before = before.max(sight.unix_nanos);
        }
        let columns = self.columns();
        put_count(&mut out, columns.len() as u64);
        for (Name { what, gpu }, values) in columns {
            put_text(&mut out, what);
            put_count(&mut out, gpu.map_or(0, |gpu| u64::from(gpu) + 1));
            let mut before = 0;
            for value in values {
                let bits = value.to_bits();
                put_count(&mut out, (bits ^ before).reverse_bits());
                before = bits;
            }
        }
        out
    }

    fn columns(&self) -> BTreeMap<&Name, Vec<f64>> {
        let mut columns = BTreeMap::new();
        for (place, sight) in self.sights.iter().enumerate() {
            for (name, value) in &sight.values {
                let column = columns.entry(name).or_insert_with(|| vec![UNTOLD; self.sights.len()]);
                column[place] = *value;
            }
        }
        columns
    }

    /// Reads what [`Block::encode`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Bytes::new(bytes);
        if bytes.byte()? != VERSION {
            return Err(Malformed("its version is not known"));
        }
        let problem = Some(bytes.text()?.to_owned()).filter(|problem| !problem.is_empty());
        let mut sights = Vec::with_capacity(bytes.length()?);
        let mut unix_nanos = 0_u64;
        for _ in 0..sights.capacity() {
            unix_nanos = unix_nanos.saturating_add(bytes.count()?);
            sights.push(Sight { unix_nanos, values: Vec::new() });
        }
        for _ in 0..bytes.length()? {
            let what = bytes.text()?.to_owned();
            let gpu = bytes.narrow::<u32>()?.checked_sub(1);
            let name = Name { what, gpu };
            let mut bits = 0;
            for sight in &mut sights {
                bits ^= bytes.count()?.reverse_bits();
                let value = f64::from_bits(bits);
                if !value.is_nan() {
                    sight.values.push((name.clone(), value));
                }
            }
        }
        if bytes.is_empty() {
            Ok(Self { sights, problem })
        } else {
            Err(Malformed("more follows its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sight() -> impl Strategy<Value = Sight> {
        let name = ("[a-c]", proptest::option::of(0_u32..3));
        let values = proptest::collection::btree_map(name, any::<f64>(), 0..5);
        (any::<u32>(), values).prop_map(|(at, values)| {
            let named = |((what, gpu), value)| (Name { what, gpu }, value);
            Sight { unix_nanos: u64::from(at), values: values.into_iter().map(named).collect() }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_block_is_read_as_it_is_written(
            mut sights in vec(sight(), 0..6),
            problem in proptest::option::of("[a-z ]+"),
        ) {
            sights.sort_by_key(|sight| sight.unix_nanos);
            let block = Block { sights, problem };
            prop_assert_eq!(Block::decode(&block.encode()), Ok(block));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in vec(any::<u8>(), 0..40)) {
            let _ = Block::decode(&bytes);
            bytes.insert(0, VERSION);
            let _ = Block::decode(&bytes);
        }
    }

    #[test]
    fn what_stays_or_counts_takes_few_bytes() {
        let sight = |place: u64| Sight {
            unix_nanos: 1_767_225_600_000_000_000 + place * 1_000_000_000,
            values: ["stays", "counts"]
                .map(|what| (Name { what: what.to_owned(), gpu: None }, [7.0, place as f64]))
                .into_iter()
                .zip(0..)
                .map(|((name, values), which)| (name, values[which as usize]))
                .collect(),
        };
        let bytes = |sights| Block { sights: (0..sights).map(sight).collect(), problem: None };
        let each = (bytes(60).encode().len() - bytes(10).encode().len()) as f64 / 50.0;
        assert!(each <= 9.0, "{each} bytes a moment, of which the time takes five");
    }
}
