//! Prompts of exact lengths under a given tokenizer.
//!
//! A prompt is a shared prefix, if one is asked for, then a few words that number the request, then
//! words at random:
//!
//! ```text
//! prefix (the same for all) | river candle north seven | words at random ...
//! ```
//!
//! What each word costs is measured once; words are then added up to the length wanted, and the
//! whole text is encoded and mended until its count is exact. Prompts are made before the run. When
//! they are used up they come again with other numbering words, which cost the same, so that no
//! server's cache knows them.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use domain::{Random, Seed, Tokenizer};

use super::length::LengthDistribution;
use super::permutation::Permutation;

/// What synthetic prompts are to be like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthetic {
    /// How long each prompt is, the shared prefix aside. What a server's chat template adds comes
    /// on top.
    pub input_len: LengthDistribution,
    /// The longest answer asked for; the server's own limit where there is none.
    pub output_len: Option<LengthDistribution>,
    /// How many tokens every prompt shares at its start; none for zero.
    pub prefix_len: u64,
}

/// Why no prompt of the length wanted could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no prompt of exactly {wanted} tokens could be made under the tokenizer `{tokenizer}` in \
     {TRIES} tries (the nearest had {nearest}); ask for another length, or use another tokenizer"
)]
pub struct SyntheticError {
    /// What the tokenizer is called.
    pub tokenizer: String,
    /// The length wanted, in tokens.
    pub wanted: u64,
    /// The length of the nearest text found, in tokens.
    pub nearest: u64,
}

/// How often a prompt is made anew before it is given up.
const TRIES: u64 = 32;

/// How often a prompt is encoded and mended before it is made anew.
const MENDS: u64 = 8;

/// How many bytes of prompts are made before a run; later requests reuse them, numbered anew. At
/// some 5 MB/s of encoding this bounds the wait to a few seconds.
const POOL_BYTES: usize = 16 << 20;

/// How many prompts are encoded a second time with other numbering words, to see that these cost
/// the same in place.
const RENUMBERED_CHECKS: usize = 16;

/// The most numbering words a prompt has.
const NUMBER_WORDS: usize = 8;

/// As many numbers as any run needs.
const NUMBERS_ENOUGH: u64 = 1 << 40;

const WORDS: &str = include_str!("../../prompts/synthetic_words.txt");

/// Marks that cost little where they are put behind a word, to reach an exact length.
const MARKS: [&str; 6] = [".", "!", "?", ",", ";", ":"];

/// A run's synthetic prompts, made and checked.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    items: Vec<Item>,
    numbering: Numbering,
    /// Whether renumbered prompts keep their length.
    renumbering_exact: bool,
    output_len: Option<LengthDistribution>,
    output_seed: Seed,
}

/// One prompt of the pool.
#[derive(Clone, Debug)]
struct Item {
    text: Arc<str>,
    tokens: u64,
    /// Where the numbering words lie, and how many they are; too few of them tell prompts apart no
    /// longer.
    number: Range<usize>,
    number_words: usize,
    /// The first item with the same text.
    twin: u64,
}

impl Pool {
    /// Makes prompts for the first `prompts` requests, or as many as fit into the pool.
    pub(crate) fn prepare(
        synthetic: &Synthetic,
        tokenizer: &dyn Tokenizer,
        seed: Seed,
        prompts: u64,
    ) -> Result<Self, SyntheticError> {
        let writer = Writer::new(tokenizer, synthetic.prefix_len, seed)?;
        let mut items: Vec<Item> = Vec::new();
        let mut twins: HashMap<Arc<str>, u64> = HashMap::new();
        let mut bytes = 0;
        for index in 0..prompts.max(1) {
            let mut lengths = seed.child("input length").nth(index).random();
            let length = synthetic.input_len.draw(&mut lengths);
            let mut item = writer.write(index, length)?;
            bytes += item.text.len();
            item.twin = *twins.entry(item.text.clone()).or_insert(index);
            items.push(item);
            if bytes >= POOL_BYTES {
                break;
            }
        }
        let renumbering_exact =
            items.iter().zip(0_u64..).take(RENUMBERED_CHECKS).all(|(item, index)| {
                let text = item.renumbered(&writer.numbering, index + items.len() as u64);
                tokenizer.count(&text) as u64 == item.tokens
            });
        Ok(Self {
            items,
            numbering: writer.numbering,
            renumbering_exact,
            output_len: synthetic.output_len,
            output_seed: seed.child("output length"),
        })
    }

    /// The prompt of the `index`-th request: its text, its own number, and its length where it is
    /// known to be exact.
    pub(crate) fn at(&self, index: u64) -> (Arc<str>, u64, Option<u64>) {
        let item = &self.items[(index % self.items.len() as u64) as usize];
        if index < self.items.len() as u64 || !self.is_numbered(item) {
            let number = if self.is_numbered(item) { index } else { item.twin };
            return (item.text.clone(), number, Some(item.tokens));
        }
        let exact = self.renumbering_exact.then_some(item.tokens);
        (item.renumbered(&self.numbering, index).into(), index, exact)
    }

    /// The longest answer the `index`-th request asks for, in tokens.
    pub(crate) fn max_tokens(&self, index: u64) -> Option<u64> {
        self.output_len.map(|length| length.draw(&mut self.output_seed.nth(index).random()))
    }

    /// How many prompts have a number of their own.
    pub(crate) fn variety(&self) -> u64 {
        self.numbering.order.len()
    }

    /// How many of the first `requests` requests repeat an earlier prompt: those too short to carry
    /// a number of their own.
    pub(crate) fn repeats(&self, requests: u64) -> u64 {
        let size = self.items.len() as u64;
        let (rounds, rest) = (requests / size, requests % size);
        let mut repeats = 0;
        for (item, index) in self.items.iter().zip(0..) {
            let asked = rounds + u64::from(index < rest);
            if asked > 0 && !self.is_numbered(item) {
                repeats += if item.twin == index { asked - 1 } else { asked };
            }
        }
        repeats
    }

    fn is_numbered(&self, item: &Item) -> bool {
        item.number_words == self.numbering.words
    }
}

impl Item {
    /// The prompt with the numbering words of request `index`.
    fn renumbered(&self, numbering: &Numbering, index: u64) -> String {
        let mut text = String::with_capacity(self.text.len() + 16);
        text.push_str(&self.text[..self.number.start]);
        numbering.write(index, self.number_words, &mut text);
        text.push_str(&self.text[self.number.end..]);
        text
    }
}

/// Writes a request's index in words that all cost the same, in an order drawn from the seed.
#[derive(Clone, Debug)]
struct Numbering {
    /// The words that may stand first, where the space before may be missing, with their cost.
    first: Vec<&'static str>,
    first_cost: u64,
    /// The words that may stand behind it.
    next: Vec<&'static str>,
    next_cost: u64,
    /// How many words a full number has.
    words: usize,
    order: Permutation,
    at_start: bool,
}

impl Numbering {
    fn new(prices: &Prices, at_start: bool, seed: Seed) -> Self {
        let (next_cost, next) = largest_class(&prices.inside);
        let (first_cost, first) =
            if at_start { largest_class(&prices.at_start) } else { (next_cost, next.clone()) };
        let (mut numbers, mut words) = (first.len() as u64, 1);
        while numbers < NUMBERS_ENOUGH && words < NUMBER_WORDS {
            numbers = numbers.saturating_mul(next.len() as u64);
            words += 1;
        }
        let order = Permutation::new(numbers, seed.child("numbering"));
        Self { first, first_cost, next, next_cost, words, order, at_start }
    }

    /// How many numbering words fit into `tokens`.
    fn words_within(&self, tokens: u64) -> usize {
        match tokens.checked_sub(self.first_cost) {
            None => 0,
            Some(rest) => (1 + rest / self.next_cost.max(1)).min(self.words as u64) as usize,
        }
    }

    fn cost(&self, words: usize) -> u64 {
        match words {
            0 => 0,
            words => self.first_cost + (words as u64 - 1) * self.next_cost,
        }
    }

    /// Appends the first `words` words of the number of `index`.
    fn write(&self, index: u64, words: usize, text: &mut String) {
        let mut number = self.order.item(index % self.order.len());
        for place in 0..words {
            let choice = if place == 0 { &self.first } else { &self.next };
            let base = choice.len() as u64;
            if place > 0 || !self.at_start {
                text.push(' ');
            }
            text.push_str(choice[(number % base) as usize]);
            number /= base;
        }
    }
}

/// The cost that most words share, and those words.
fn largest_class(words: &[(u64, &'static str)]) -> (u64, Vec<&'static str>) {
    let mut classes: HashMap<u64, Vec<&'static str>> = HashMap::new();
    for (cost, word) in words {
        classes.entry(*cost).or_default().push(word);
    }
    classes
        .into_iter()
        .max_by_key(|(cost, words)| (words.len(), std::cmp::Reverse(*cost)))
        .expect("the list of words is not empty")
}

/// What each word costs under a tokenizer, in tokens.
struct Prices {
    /// As the first word of a text.
    at_start: Vec<(u64, &'static str)>,
    /// Behind another word and a space.
    inside: Vec<(u64, &'static str)>,
    /// Marks, behind a word.
    marks: Vec<(u64, &'static str)>,
}

impl Prices {
    fn measure(tokenizer: &dyn Tokenizer) -> Self {
        /// A word to measure others behind.
        const BEFORE: &str = "the";
        let count = |text: &str| tokenizer.count(text) as u64;
        let before = count(BEFORE);
        let words =
            || WORDS.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
        let inside = |text: &str| count(text).saturating_sub(before);
        Self {
            at_start: words().map(|word| (count(word), word)).collect(),
            inside: words().map(|word| (inside(&format!("{BEFORE} {word}")), word)).collect(),
            marks: MARKS.iter().map(|mark| (inside(&format!("{BEFORE}{mark}")), *mark)).collect(),
        }
    }
}

/// Writes prompts of exact lengths.
struct Writer<'a> {
    tokenizer: &'a dyn Tokenizer,
    prices: Prices,
    numbering: Numbering,
    prefix: String,
    prefix_len: u64,
    seed: Seed,
}

impl<'a> Writer<'a> {
    fn new(
        tokenizer: &'a dyn Tokenizer,
        prefix_len: u64,
        seed: Seed,
    ) -> Result<Self, SyntheticError> {
        let prices = Prices::measure(tokenizer);
        let numbering = Numbering::new(&prices, prefix_len == 0, seed);
        let prefix = String::new();
        let mut writer = Self { tokenizer, prices, numbering, prefix, prefix_len: 0, seed };
        if prefix_len > 0 {
            let seed = seed.child("prefix");
            writer.prefix = writer.exactly(prefix_len, "", 0, seed)?;
            writer.prefix_len = prefix_len;
        }
        Ok(writer)
    }

    /// The prompt of request `index`: `length` tokens behind the shared prefix.
    fn write(&self, index: u64, length: u64) -> Result<Item, SyntheticError> {
        let mut words = self.numbering.words_within(length);
        loop {
            match self.write_numbered(index, length, words) {
                // The numbering words cost more in place than measured: do with fewer.
                Err(_) if words > 0 => words -= 1,
                result => return result,
            }
        }
    }

    /// The prompt of request `index` with the first `words` words of its number.
    fn write_numbered(
        &self,
        index: u64,
        length: u64,
        words: usize,
    ) -> Result<Item, SyntheticError> {
        let mut start = self.prefix.clone();
        self.numbering.write(index, words, &mut start);
        let number = self.prefix.len()..start.len();
        let seed = self.seed.child("words").nth(index);
        let tokens = self.prefix_len + length;
        let known = self.prefix_len + self.numbering.cost(words);
        let text = self.exactly(tokens, &start, known, seed)?;
        Ok(Item { text: text.into(), tokens, number, number_words: words, twin: index })
    }

    /// A text of exactly `tokens` tokens that begins with `start`, which costs about `known`.
    fn exactly(
        &self,
        tokens: u64,
        start: &str,
        known: u64,
        seed: Seed,
    ) -> Result<String, SyntheticError> {
        let mut nearest = 0;
        for attempt in 0..TRIES {
            let mut random = seed.nth(attempt).random();
            let mut text = start.to_owned();
            self.append_words(tokens.saturating_sub(known), &mut random, &mut text);
            for _ in 0..MENDS {
                let count = self.tokenizer.count(&text) as u64;
                if count.abs_diff(tokens) < tokens.abs_diff(nearest) {
                    nearest = count;
                }
                match count.cmp(&tokens) {
                    Ordering::Equal => return Ok(text),
                    Ordering::Less => self.append_words(tokens - count, &mut random, &mut text),
                    Ordering::Greater => self.drop_words(count - tokens, start.len(), &mut text),
                }
            }
        }
        let tokenizer = self.tokenizer.name().to_owned();
        Err(SyntheticError { tokenizer, wanted: tokens, nearest })
    }

    /// Takes words that cost about `excess` off the end, down to the first `kept` bytes.
    fn drop_words(&self, excess: u64, kept: usize, text: &mut String) {
        for _ in 0..excess.div_ceil(self.numbering.next_cost.max(1)) {
            let end = text.rfind(' ').unwrap_or(0).max(kept);
            text.truncate(end);
        }
    }

    /// Appends words at random that cost `budget` together, and marks for what is left over.
    fn append_words(&self, budget: u64, random: &mut Random, text: &mut String) {
        let mut left = budget;
        while left > 0 {
            let at_start = text.is_empty();
            let words = if at_start { &self.prices.at_start } else { &self.prices.inside };
            let Some((cost, word)) = affordable(words, left, random) else { break };
            if !at_start {
                text.push(' ');
            }
            text.push_str(word);
            left -= cost;
        }
        while left > 0 {
            let Some((cost, mark)) = affordable(&self.prices.marks, left, random) else { break };
            text.push_str(mark);
            left -= cost;
        }
    }
}

/// A piece at random that costs at most `budget` and something; `None` where all cost more.
fn affordable(
    pieces: &[(u64, &'static str)],
    budget: u64,
    random: &mut Random,
) -> Option<(u64, &'static str)> {
    let fits = |(cost, _): &(u64, &'static str)| (1..=budget).contains(cost);
    let start = random.below(pieces.len() as u64) as usize;
    let turned = pieces[start..].iter().chain(&pieces[..start]);
    turned.copied().find(fits)
}
