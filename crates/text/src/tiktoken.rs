//! OpenAI's byte-pair encodings, whose vocabularies are part of the program.

use std::fmt;
use std::str::FromStr;

use domain::Tokenizer;
use tiktoken_rs::CoreBPE;
use tiktoken_rs::tokenizer::{Tokenizer as TableEntry, get_tokenizer};

/// One of the encodings OpenAI's models use today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TiktokenEncoding {
    /// `cl100k_base`: GPT-3.5 and GPT-4.
    Cl100k,
    /// `o200k_base`: GPT-4o and everything since. `gpt-oss` splits plain text the same way; its
    /// encoding only adds marks around turns.
    O200k,
}

impl TiktokenEncoding {
    /// Every encoding, oldest first.
    pub const ALL: [Self; 2] = [Self::Cl100k, Self::O200k];

    /// The encoding of the OpenAI model called `model`, fine-tunes (`ft:gpt-4o:...`) included;
    /// `None` for any model that is not theirs or is older than these encodings.
    #[must_use]
    pub fn for_model(model: &str) -> Option<Self> {
        match get_tokenizer(model)? {
            TableEntry::O200kHarmony | TableEntry::O200kBase => Some(Self::O200k),
            TableEntry::Cl100kBase => Some(Self::Cl100k),
            TableEntry::P50kBase
            | TableEntry::R50kBase
            | TableEntry::P50kEdit
            | TableEntry::Gpt2 => None,
        }
    }

    /// The name OpenAI gives the encoding.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cl100k => "cl100k_base",
            Self::O200k => "o200k_base",
        }
    }

    /// How many tokens there are, special ones included. The numbers run on without a gap up to the
    /// first special token.
    const fn vocabulary_size(self) -> usize {
        match self {
            Self::Cl100k => 100_256 + 5,
            Self::O200k => 199_998 + 2,
        }
    }
}

impl fmt::Display for TiktokenEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no encoding's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no tiktoken encoding called `{name}`; use cl100k_base (GPT-3.5, GPT-4) or \
     o200k_base (GPT-4o and later)"
)]
pub struct UnknownEncoding {
    /// The name that was given.
    pub name: String,
}

impl FromStr for TiktokenEncoding {
    type Err = UnknownEncoding;

    /// Reads `cl100k_base` or `o200k_base`, the `_base` being optional.
    fn from_str(name: &str) -> Result<Self, UnknownEncoding> {
        match name {
            "cl100k" | "cl100k_base" => Ok(Self::Cl100k),
            "o200k" | "o200k_base" => Ok(Self::O200k),
            _ => Err(UnknownEncoding { name: name.to_owned() }),
        }
    }
}

/// A tokenizer of OpenAI's models.
///
/// Text that looks like a special token (`<|endoftext|>`) is plain text here, as it is to OpenAI's
/// servers when a user sends it.
#[derive(Clone)]
pub struct TiktokenTokenizer {
    encoding: TiktokenEncoding,
    table: &'static CoreBPE,
}

impl TiktokenTokenizer {
    /// Loads the encoding, once in a process: `o200k_base` takes about 0.15 s and 50 MB, which is
    /// why nothing loads it before it is asked for.
    #[must_use]
    pub fn load(encoding: TiktokenEncoding) -> Self {
        let table = match encoding {
            TiktokenEncoding::Cl100k => tiktoken_rs::cl100k_base_singleton(),
            TiktokenEncoding::O200k => tiktoken_rs::o200k_base_singleton(),
        };
        Self { encoding, table }
    }

    /// Which encoding this is.
    #[must_use]
    pub fn encoding(&self) -> TiktokenEncoding {
        self.encoding
    }
}

impl fmt::Debug for TiktokenTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TiktokenTokenizer").field(&self.encoding).finish()
    }
}

impl Tokenizer for TiktokenTokenizer {
    fn encode(&self, text: &str) -> Vec<u32> {
        pieces(text, PIECE_BYTES_MAX).flat_map(|piece| self.table.encode_ordinary(piece)).collect()
    }

    /// A number that is no token of the encoding becomes U+FFFD too.
    fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::with_capacity(tokens.len() * 4);
        for token in tokens {
            match self.table.decode_bytes(std::slice::from_ref(token)) {
                Ok(piece) => bytes.extend(piece),
                Err(_) => bytes.extend("\u{fffd}".as_bytes()),
            }
        }
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    fn vocabulary_size(&self) -> usize {
        self.encoding.vocabulary_size()
    }

    fn name(&self) -> &str {
        self.encoding.as_str()
    }
}

/// The longest text encoded at once. The regular expression that splits text into words gives up, in
/// a panic, on a million blanks in a row.
const PIECE_BYTES_MAX: usize = 100_000;

/// Cuts `text` into pieces of at most `limit` bytes, before a single blank between words, where both
/// encodings cut anyway. Only blanks without end are cut elsewhere, and may cost a token more.
fn pieces(text: &str, limit: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(piece_len(rest, limit));
        rest = after;
        Some(piece)
    })
}

fn piece_len(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    let is_cut = |at: &usize| {
        let before = text[..*at].chars().next_back();
        let after = text[*at + 1..].chars().next();
        let solid = |character: Option<char>| character.is_some_and(|c| !c.is_whitespace());
        solid(before) && solid(after)
    };
    let window = &text.as_bytes()[..limit];
    let blanks = (1..limit).rev().filter(|at| window[*at] == b' ');
    let boundary = || (0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    blanks.take(BLANKS_TRIED).find(is_cut).unwrap_or_else(boundary)
}

/// How many blanks are tried before a cut is made anywhere.
const BLANKS_TRIED: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Token numbers as OpenAI's own library gives them.
    #[test]
    fn text_becomes_the_tokens_openai_counts() {
        let cases: [(TiktokenEncoding, &str, &[u32]); 5] = [
            (TiktokenEncoding::Cl100k, "tiktoken is great!", &[83, 1609, 5963, 374, 2294, 0]),
            (TiktokenEncoding::Cl100k, "hello world", &[15339, 1917]),
            (TiktokenEncoding::O200k, "hello world", &[24912, 2375]),
            (TiktokenEncoding::O200k, "", &[]),
            (TiktokenEncoding::Cl100k, "<|endoftext|>", &[27, 91, 8862, 728, 428, 91, 29]),
        ];
        for (encoding, text, tokens) in cases {
            let tokenizer = TiktokenTokenizer::load(encoding);
            assert_eq!(tokenizer.encode(text), tokens, "{encoding} of {text:?}");
            assert_eq!(tokenizer.decode(tokens), text, "{encoding} of {text:?}");
            assert_eq!(tokenizer.count(text), tokens.len(), "{encoding} of {text:?}");
        }
    }

    #[test]
    fn decoding_never_fails() {
        let tokenizer = TiktokenTokenizer::load(TiktokenEncoding::Cl100k);
        let emoji = tokenizer.encode("\u{1f9ee}");
        assert!(emoji.len() > 1, "an emoji spans several tokens");
        assert_eq!(tokenizer.decode(&emoji[..1]), "\u{fffd}");
        assert_eq!(tokenizer.decode(&[15339, u32::MAX, 1917]), "hello\u{fffd} world");
    }

    #[test]
    fn long_texts_are_cut_without_a_trace() {
        let text =
            "It's 12,000 lines of  naïve code;\n\n\tfn main() { 日本語 } -- \"quoted\" end. ";
        let text = text.repeat(8);
        for encoding in TiktokenEncoding::ALL {
            let table = TiktokenTokenizer::load(encoding).table;
            for limit in [40, 61, 100, 500] {
                let cut: Vec<&str> = pieces(&text, limit).collect();
                assert!(cut.len() > 1 && cut.iter().all(|piece| piece.len() <= limit));
                let tokens: Vec<u32> =
                    cut.iter().flat_map(|piece| table.encode_ordinary(piece)).collect();
                assert_eq!(tokens, table.encode_ordinary(&text), "{encoding} by {limit}: {cut:?}");
            }
        }
        let blanks = format!("{}a", " ".repeat(1_000_100));
        assert!(TiktokenTokenizer::load(TiktokenEncoding::Cl100k).count(&blanks) > 1_000);
    }

    #[test]
    fn the_vocabulary_has_as_many_tokens_as_it_says() {
        for encoding in TiktokenEncoding::ALL {
            let tokenizer = TiktokenTokenizer::load(encoding);
            let known = (0..=200_100_u32).filter(|t| tokenizer.table.decode_bytes(&[*t]).is_ok());
            assert_eq!(known.count(), tokenizer.vocabulary_size(), "{encoding}");
        }
    }

    #[test]
    fn models_and_names_find_their_encoding() {
        let models = [
            ("gpt-4o-mini", Some(TiktokenEncoding::O200k)),
            ("gpt-5", Some(TiktokenEncoding::O200k)),
            ("gpt-oss-20b", Some(TiktokenEncoding::O200k)),
            ("gpt-4-0613", Some(TiktokenEncoding::Cl100k)),
            ("ft:gpt-3.5-turbo:acme::id", Some(TiktokenEncoding::Cl100k)),
            ("davinci", None),
            ("SmolLM2-135M", None),
        ];
        for (model, encoding) in models {
            assert_eq!(TiktokenEncoding::for_model(model), encoding, "{model}");
        }
        for encoding in TiktokenEncoding::ALL {
            assert_eq!(encoding.as_str().parse(), Ok(encoding));
        }
        let error = "p50k_base".parse::<TiktokenEncoding>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no tiktoken encoding called `p50k_base`; use cl100k_base (GPT-3.5, GPT-4) or \
             o200k_base (GPT-4o and later)"
        );
    }
}
