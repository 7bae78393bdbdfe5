//! Random draws that are the same on every machine.
//!
//! The generator is PCG-64 and every transform is written here on `libm`, because the platform's
//! own `ln` or `pow` may differ in the last bit from machine to machine.

use rand_core::{Rng as _, SeedableRng as _};
use rand_pcg::Pcg64;

/// The seed of a run, from which every random stream of it is derived by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of the stream called `name`, unrelated to that of any other name.
    #[must_use]
    pub fn child(self, name: &str) -> Self {
        // FNV-1a over the name, then the finalizer of SplitMix64 to spread the bits.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.0, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mix(hash))
    }

    /// The seed of the `index`-th member of a family of streams.
    #[must_use]
    pub fn nth(self, index: u64) -> Self {
        Self(mix(self.0 ^ mix(index.wrapping_add(0x9e37_79b9_7f4a_7c15))))
    }

    /// A generator that starts at this seed.
    #[must_use]
    pub fn random(self) -> Random {
        Random(Pcg64::seed_from_u64(self.0))
    }
}

fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// A stream of random draws.
#[derive(Clone, Debug)]
pub struct Random(Pcg64);

impl Random {
    /// A whole random word.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform in `0..bound`; zero where `bound` is zero. Unbiased (Lemire's multiply with
    /// rejection).
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.bits()) * u128::from(bound);
            if (product as u64) >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `share`.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Exponential with the given mean (inverse transform).
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log1p(-self.unit())
    }

    /// Normal with mean 0 and deviation 1 (Box–Muller; the second value of each pair is dropped so
    /// that one call always takes two draws).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log1p(-self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    /// Gamma with the given shape and scale (Marsaglia and Tsang 2000; shapes below 1 by their
    /// boost `U^(1/shape)`).
    pub fn gamma(&mut self, shape: f64, scale: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(1.0 - self.unit(), 1.0 / shape);
            return boost * self.gamma(shape + 1.0, scale);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = 1.0 + c * x;
            if v <= 0.0 {
                continue;
            }
            let v = v * v * v;
            let u = 1.0 - self.unit();
            if libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(draws: usize, mut draw: impl FnMut() -> f64) -> f64 {
        (0..draws).map(|_| draw()).sum::<f64>() / draws as f64
    }

    /// Changing these numbers changes every schedule users have recorded: do it only on purpose.
    #[test]
    fn streams_are_golden() {
        let mut random = Seed(42).child("arrivals").random();
        let draws: Vec<String> =
            (0..3).map(|_| format!("{:.15}", random.exponential(1.0))).collect();
        assert_eq!(draws, GOLDEN_EXPONENTIAL);
        assert_ne!(Seed(42).child("arrivals"), Seed(42).child("lengths"));
        assert_ne!(Seed(42).nth(0), Seed(42).nth(1));
    }

    const GOLDEN_EXPONENTIAL: [&str; 3] =
        ["0.012799599233180", "3.344251004445987", "2.463512766204197"];

    #[test]
    fn moments_are_those_of_the_distribution() {
        let mut random = Seed(7).random();
        assert!((mean(100_000, || random.exponential(3.0)) - 3.0).abs() < 0.05);
        assert!(mean(100_000, || random.normal()).abs() < 0.02);
        for shape in [0.3, 1.0, 4.0] {
            let got = mean(100_000, || random.gamma(shape, 2.0));
            assert!((got - 2.0 * shape).abs() < 0.06 * (1.0 + shape), "shape {shape}: mean {got}");
        }
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut random = Seed(1).random();
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[usize::try_from(random.below(7)).expect("below 7")] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(random.below(0), 0);
    }
}
