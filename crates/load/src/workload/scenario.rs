//! The named scenarios: work that people give to language models, in prompts written for Prony.

use std::fmt;
use std::str::FromStr;

use domain::Seed;

use super::document::Documents;
use super::grammar::{Grammar, RuleId};
use super::permutation::Permutation;

/// A kind of work with prompts of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// `short_queries`: everyday questions of a sentence or two, and short answers. Latency to the
    /// first token and the cost of each request as such dominate.
    ShortQueries,
    /// `long_documents`: a long document and a task about it, and a short answer. Prefill dominates.
    /// `long_documents:3000` asks for another length.
    LongDocuments {
        /// How long a prompt is, in tokens of an everyday tokenizer, within about a tenth.
        tokens: u64,
    },
    /// `code_generation`: programming tasks with requirements, and long answers. Decode dominates.
    CodeGeneration,
}

impl Scenario {
    /// Every scenario's name.
    pub const NAMES: [&str; 3] = ["short_queries", "long_documents", "code_generation"];

    /// How long the documents of `long_documents` are unless asked otherwise: with the answer they
    /// fit a context of 2,048 tokens.
    pub const DOCUMENT_TOKENS: u64 = 1_000;

    /// The shortest document: a heading, a few sentences and the task.
    pub const DOCUMENT_TOKENS_MIN: u64 = 100;

    /// The longest document.
    pub const DOCUMENT_TOKENS_MAX: u64 = 1_000_000;

    /// The scenario's name, without a length.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortQueries => "short_queries",
            Self::LongDocuments { .. } => "long_documents",
            Self::CodeGeneration => "code_generation",
        }
    }

    /// The longest answer the scenario asks for, in tokens.
    #[must_use]
    pub const fn max_tokens(self) -> u64 {
        match self {
            Self::ShortQueries => 64,
            Self::LongDocuments { .. } => 128,
            Self::CodeGeneration => 192,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LongDocuments { tokens } if *tokens != Self::DOCUMENT_TOKENS => {
                write!(f, "{}:{tokens}", self.name())
            }
            scenario => f.write_str(scenario.name()),
        }
    }
}

/// Why a text names no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No scenario is called that.
    #[error(
        "there is no scenario called `{name}`{}; known are {}",
        .nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default(),
        Scenario::NAMES.join(", ")
    )]
    Unknown {
        /// The name that was given.
        name: String,
        /// The known name that is spelt most like it, if any is close.
        nearest: Option<&'static str>,
    },
    /// What follows the colon is no length of a document.
    #[error(
        "`{text}` gives no length of documents; write long_documents:1000, with 100 to 1,000,000 \
         tokens"
    )]
    Length {
        /// The text that was given.
        text: String,
    },
    /// The scenario has no length to set.
    #[error("`{text}`: only long_documents takes a length; write `{name}` alone")]
    NoLength {
        /// The text that was given.
        text: String,
        /// The scenario it names.
        name: &'static str,
    },
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    /// Reads a scenario's name, and `long_documents:TOKENS`.
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let (name, length) = match text.split_once(':') {
            Some((name, length)) => (name, Some(length)),
            None => (text, None),
        };
        let scenario = match name {
            "short_queries" => Self::ShortQueries,
            "long_documents" => Self::LongDocuments { tokens: Self::DOCUMENT_TOKENS },
            "code_generation" => Self::CodeGeneration,
            _ => {
                let (name, nearest) = (name.to_owned(), nearest(name, &Self::NAMES));
                return Err(ScenarioError::Unknown { name, nearest });
            }
        };
        let bounds = Self::DOCUMENT_TOKENS_MIN..=Self::DOCUMENT_TOKENS_MAX;
        match (scenario, length) {
            (scenario, None) => Ok(scenario),
            (Self::LongDocuments { .. }, Some(length)) => match length.parse() {
                Ok(tokens) if bounds.contains(&tokens) => Ok(Self::LongDocuments { tokens }),
                _ => Err(ScenarioError::Length { text: text.to_owned() }),
            },
            (other, Some(_)) => {
                Err(ScenarioError::NoLength { text: text.to_owned(), name: other.name() })
            }
        }
    }
}

/// The known name that takes the fewest edits to reach, if they are at most a third of it.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_lowercase();
    let distances = known.iter().map(|known| (strsim::levenshtein(&name, known), *known));
    distances.min().filter(|(edits, known)| edits * 3 <= known.len()).map(|(_, known)| known)
}

/// A scenario's prompts in the order a seed gives them.
#[derive(Clone, Debug)]
pub(crate) enum Prompts {
    Phrases(Phrases),
    Documents(Documents),
}

impl Prompts {
    pub(crate) fn new(scenario: Scenario, seed: Seed) -> Self {
        match scenario {
            Scenario::ShortQueries => Self::Phrases(Phrases::new(SHORT_QUERIES, seed)),
            Scenario::CodeGeneration => Self::Phrases(Phrases::new(CODE_GENERATION, seed)),
            Scenario::LongDocuments { tokens } => Self::Documents(Documents::new(tokens, seed)),
        }
    }

    /// How many prompts there are.
    pub(crate) fn variety(&self) -> u64 {
        match self {
            Self::Phrases(phrases) => phrases.variety(),
            Self::Documents(_) => Documents::VARIETY,
        }
    }

    /// The number of the prompt at `place`, below [`Prompts::variety`], and its text.
    pub(crate) fn at(&self, place: u64) -> (u64, String) {
        match self {
            Self::Phrases(phrases) => phrases.at(place),
            Self::Documents(documents) => documents.at(place),
        }
    }
}

const SHORT_QUERIES: &str = include_str!("../../prompts/short_queries.txt");
const CODE_GENERATION: &str = include_str!("../../prompts/code_generation.txt");

/// The texts of a phrase book's rule `prompt`.
#[derive(Clone, Debug)]
pub(crate) struct Phrases {
    grammar: Grammar,
    root: RuleId,
    order: Permutation,
}

impl Phrases {
    fn new(book: &str, seed: Seed) -> Self {
        let grammar = Grammar::parse(book).expect("tests read every phrase book of the program");
        let root = grammar.rule("prompt").expect("tests look for this rule in every phrase book");
        let order = Permutation::new(grammar.variety(root), seed);
        Self { grammar, root, order }
    }

    fn variety(&self) -> u64 {
        self.grammar.variety(self.root)
    }

    fn at(&self, place: u64) -> (u64, String) {
        let number = self.order.item(place);
        (number, self.grammar.nth(self.root, number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrase_books_are_sound() {
        for book in [SHORT_QUERIES, CODE_GENERATION] {
            let grammar = Grammar::parse(book).unwrap();
            assert_eq!(grammar.unreachable(grammar.rule("prompt")), Vec::<&str>::new());
            assert_eq!(grammar.repeating(), Vec::<&str>::new());
        }
    }
}
