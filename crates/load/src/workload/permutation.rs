//! Visits every item once, in an order drawn from a seed, without holding the order in memory.

use domain::Seed;

/// Enough rounds of a Feistel network for the order to look drawn (Luby and Rackoff 1988 prove it
/// for four).
const ROUNDS: u64 = 4;

/// A bijection of `0..len` onto itself.
///
/// A Feistel network over the smallest even number of bits that holds `len`, walked again while it
/// lands outside (Black and Rogaway 2002): fewer than four walks on average.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permutation {
    seed: Seed,
    len: u64,
    half_bits: u32,
}

impl Permutation {
    /// The order of `len` items that `seed` draws.
    pub(crate) fn new(len: u64, seed: Seed) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        Self { seed, len, half_bits: bits.div_ceil(2).max(1) }
    }

    /// How many items there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The item at `place`, which must be below `len`.
    pub(crate) fn item(&self, place: u64) -> u64 {
        debug_assert!(place < self.len, "place {place} of {}", self.len);
        let mut item = place;
        loop {
            item = self.walk(item);
            if item < self.len {
                return item;
            }
        }
    }

    fn walk(&self, item: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (item >> self.half_bits, item & mask);
        for round in 0..ROUNDS {
            let scrambled = self.seed.nth(right.wrapping_mul(ROUNDS) + round).0;
            (left, right) = (right, left ^ (scrambled & mask));
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_once() {
        for len in [1, 2, 3, 5, 64, 65, 1_000, 4_097] {
            let order = Permutation::new(len, Seed(11));
            let mut items: Vec<u64> = (0..len).map(|place| order.item(place)).collect();
            items.sort_unstable();
            assert_eq!(items, (0..len).collect::<Vec<_>>(), "len {len}");
        }
    }

    #[test]
    fn the_order_depends_on_the_seed_and_mixes_neighbours() {
        let first = |seed| {
            let order = Permutation::new(100_000, Seed(seed));
            (0..1_000).map(|place| order.item(place)).collect::<Vec<_>>()
        };
        assert_ne!(first(1), first(2));
        let close = first(1).windows(2).filter(|pair| pair[0].abs_diff(pair[1]) < 1_000).count();
        assert!(close < 50, "{close} of 999 neighbours stayed within one hundredth");
    }

    #[test]
    fn the_largest_length_works() {
        let order = Permutation::new(u64::MAX, Seed(3));
        assert_ne!(order.item(0), order.item(u64::MAX - 1));
    }
}
