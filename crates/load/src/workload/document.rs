//! Long documents: reports, minutes, contracts and the like, composed of written sentences.
//!
//! A document opens with its own number, so that no two share more than a few characters at the
//! start and no server's prefix cache answers for another. Then come a title, sections by theme in
//! their usual order, some left out, and a task about them at the end. Names, places and dates stay
//! the same through a document; figures are drawn for each sentence.

use std::fmt::Write as _;

use domain::{Random, Seed};

use super::grammar::{Grammar, RuleId, Settled};
use super::permutation::Permutation;

/// The kinds of document, one phrase book each. Each book is read together with the names that all
/// share.
const BOOKS: [&str; 6] = [
    include_str!("../../prompts/long_documents/annual_report.txt"),
    include_str!("../../prompts/long_documents/equipment_manual.txt"),
    include_str!("../../prompts/long_documents/field_survey.txt"),
    include_str!("../../prompts/long_documents/incident_log.txt"),
    include_str!("../../prompts/long_documents/meeting_minutes.txt"),
    include_str!("../../prompts/long_documents/service_contract.txt"),
];
const NAMES: &str = include_str!("../../prompts/long_documents/names.txt");

/// How many bytes of these documents make ten tokens: measured with `o200k_base`, between 40 (field
/// surveys) and 45 (contracts). A vocabulary that splits numbers into digits needs a tenth more.
const BYTES_PER_TEN_TOKENS: u64 = 42;

/// Documents of one length, in the order a seed gives them.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    bytes: usize,
    books: Vec<Book>,
    seed: Seed,
    order: Permutation,
}

/// One kind of document.
#[derive(Clone, Debug)]
struct Book {
    grammar: Grammar,
    title: RuleId,
    task: RuleId,
    /// Each theme's heading and its rule, whose alternatives are sentences in reading order.
    themes: Vec<(String, RuleId)>,
}

impl Documents {
    /// How many documents have a number of their own.
    pub(crate) const VARIETY: u64 = 1_000_000_000;

    /// Documents of about `tokens` tokens, the task included.
    pub(crate) fn new(tokens: u64, seed: Seed) -> Self {
        Self {
            bytes: (tokens * BYTES_PER_TEN_TOKENS / 10) as usize,
            books: BOOKS.iter().map(|book| Book::new(book)).collect(),
            seed,
            order: Permutation::new(Self::VARIETY, seed),
        }
    }

    /// The number of the document at `place`, below [`Documents::VARIETY`], and its text.
    pub(crate) fn at(&self, place: u64) -> (u64, String) {
        let number = self.order.item(place);
        let mut random = self.seed.nth(number).random();
        let book = &self.books[random.below(self.books.len() as u64) as usize];
        (number, book.compose(number, self.bytes, &mut random))
    }
}

impl Book {
    fn new(book: &str) -> Self {
        let grammar = Grammar::parse(&[book, NAMES].join("\n"))
            .expect("tests read every phrase book of the program");
        let rule = |name| {
            grammar.rule(name).expect("tests look for these rules in every book of documents")
        };
        let (title, task) = (rule("title"), rule("task"));
        let themes =
            grammar.rules_under("theme ").map(|(id, name)| (name.to_owned(), id)).collect();
        Self { grammar, title, task, themes }
    }

    /// Writes a document of about `bytes` bytes.
    fn compose(&self, number: u64, bytes: usize, random: &mut Random) -> String {
        let mut settled = Settled::new();
        let mut title = String::new();
        self.grammar.draw(self.title, random, &mut settled, &mut title);
        let mut task = String::new();
        self.grammar.draw(self.task, random, &mut settled, &mut task);

        let mut text = String::with_capacity(bytes + 256);
        let [high, middle, low] = [number / 1_000_000, number / 1_000 % 1_000, number % 1_000];
        write!(text, "{high:03}-{middle:03}-{low:03}\n{title}\n")
            .expect("a string takes all that is written");
        let mut section = 0;
        let mut begun = vec![false; self.themes.len()];
        'document: loop {
            for theme in choose(self.themes.len(), self.themes.len() * 3 / 4, random) {
                section += 1;
                let (heading, rule) = &self.themes[theme];
                let again =
                    if std::mem::replace(&mut begun[theme], true) { ", continued" } else { "" };
                write!(text, "\n{section}. {heading}{again}\n")
                    .expect("a string takes all that is written");
                let sentences = self.grammar.alternatives(*rule);
                for sentence in choose(sentences, sentences.div_ceil(3) * 2, random) {
                    self.grammar.draw_alternative(*rule, sentence, random, &mut settled, &mut text);
                    if text.len() + task.len() >= bytes {
                        break 'document;
                    }
                    text.push(' ');
                }
                text.truncate(text.trim_end().len());
                text.push('\n');
            }
        }
        text.push_str("\n\n");
        text.push_str(&task);
        text
    }
}

/// Draws `count` of the numbers below `len`, in rising order.
fn choose(len: usize, count: usize, random: &mut Random) -> Vec<usize> {
    let mut chosen = shuffled(len, random);
    chosen.truncate(count);
    chosen.sort_unstable();
    chosen
}

/// The numbers below `len` in a drawn order (Fisher and Yates).
fn shuffled(len: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    for place in (1..len).rev() {
        order.swap(place, random.below(place as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_of_documents_are_sound() {
        let mut used_somewhere = Vec::new();
        for book in BOOKS {
            let grammar = Grammar::parse(&[book, NAMES].join("\n")).unwrap();
            let book = Book::new(book);
            assert!(book.themes.len() >= 8, "{:?}", book.themes);
            let themes = book.themes.iter().map(|(_, rule)| *rule);
            let unused = grammar.unreachable(themes.chain([book.title, book.task]));
            used_somewhere.push(unused.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(grammar.repeating(), Vec::<&str>::new());
        }
        let (first, others) = used_somewhere.split_first().unwrap();
        let unused: Vec<_> =
            first.iter().filter(|name| others.iter().all(|book| book.contains(name))).collect();
        assert!(unused.is_empty(), "no book uses {unused:?}");
    }
}
