//! Drawing the next token from the logits.
#![expect(unsafe_code, reason = "calls the C library")]

use std::fmt;
use std::ptr::NonNull;

use crate::context::Context;
use crate::ffi::{ChainParams, RawSampler};
use crate::library::Library;
use crate::model::Token;

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Above 1 evens the odds out, below 1 sharpens them, 0 always takes the likeliest.
    pub temperature: f32,
    /// Keeps this many of the likeliest tokens; `None` all.
    pub top_k: Option<u32>,
    /// Keeps the likeliest tokens up to this share of probability; 1 all.
    pub top_p: f32,
    /// Drops tokens below this share of the likeliest one's probability; 0 none.
    pub min_p: f32,
    /// Seed of the draws.
    pub seed: u32,
}

impl Sampling {
    /// Whether the likeliest token is always taken, so that [`greedy`] does without a [`Sampler`].
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature <= 0.0 || self.top_k == Some(1)
    }
}

/// llama.cpp's chain of samplers for one sequence: top-k, top-p, min-p, temperature, draw.
pub struct Sampler {
    library: Library,
    chain: NonNull<RawSampler>,
}

// SAFETY: a chain may move between threads; using it takes `&mut self`.
unsafe impl Send for Sampler {}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: the chain is ours, and owns its links.
        unsafe { (self.library.functions().llama_sampler_free)(self.chain.as_ptr()) };
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampler")
    }
}

impl Sampler {
    /// Makes the chain for `sampling`.
    #[must_use]
    pub fn new(library: &Library, sampling: &Sampling) -> Self {
        let functions = library.functions();
        // SAFETY: these functions take numbers and return new samplers, which adding hands over to
        // the chain.
        let chain = unsafe {
            let chain = (functions.llama_sampler_chain_init)(ChainParams { no_perf: 1 });
            let add = |sampler| (functions.llama_sampler_chain_add)(chain, sampler);
            if sampling.is_greedy() {
                add((functions.llama_sampler_init_greedy)());
            } else {
                if let Some(top_k) = sampling.top_k {
                    let top_k = i32::try_from(top_k).unwrap_or(i32::MAX);
                    add((functions.llama_sampler_init_top_k)(top_k));
                }
                if sampling.top_p < 1.0 {
                    add((functions.llama_sampler_init_top_p)(sampling.top_p, 1));
                }
                if sampling.min_p > 0.0 {
                    add((functions.llama_sampler_init_min_p)(sampling.min_p, 1));
                }
                add((functions.llama_sampler_init_temp)(sampling.temperature));
                add((functions.llama_sampler_init_dist)(sampling.seed));
            }
            chain
        };
        let chain = NonNull::new(chain).expect("llama.cpp's constructors throw or succeed");
        Self { library: library.clone(), chain }
    }

    /// Draws from the logits after the `index`-th token of the context's last batch.
    ///
    /// # Panics
    /// Where that token has no output.
    pub fn sample(&mut self, context: &mut Context, index: usize) -> Token {
        let index = context.output_index(index);
        let functions = self.library.functions();
        // SAFETY: chain and context live, and the token has an output.
        Token(unsafe {
            (functions.llama_sampler_sample)(self.chain.as_ptr(), context.raw(), index)
        })
    }
}

/// The token of the largest logit, the first of several: what llama.cpp's greedy sampler takes,
/// without its list of candidates.
///
/// # Panics
/// Where there are no logits.
#[must_use]
pub fn greedy(logits: &[f32]) -> Token {
    // The largest value first, in lanes the compiler can vectorize; then where it stands.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = logits.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = if logit > *lane { logit } else { *lane };
        }
    }
    let largest = lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    let index = logits.iter().position(|&logit| logit >= largest).unwrap_or(0);
    assert!(!logits.is_empty(), "no logits");
    Token(i32::try_from(index).expect("a vocabulary is smaller than 2^31"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let mut random = domain::Seed(3).random();
        for length in [1, 15, 16, 17, 1_000] {
            let mut logits: Vec<f32> =
                (0..length).map(|_| random.below(50) as f32 - 60.0).collect();
            for special in [None, Some(f32::NEG_INFINITY), Some(f32::NAN)] {
                if let Some(special) = special {
                    logits[length / 2] = special;
                }
                // The plain loop that llama.cpp's greedy sampler is.
                let mut best = 0;
                for index in 1..length {
                    if logits[index] > logits[best] {
                        best = index;
                    }
                }
                if !logits[best].is_nan() {
                    assert_eq!(greedy(&logits), Token(best as i32), "{length} {special:?}");
                }
            }
        }
    }
}
