//! Tokenizers in Hugging Face's form, from the `tokenizer.json` that lies beside most open models.

use std::fmt;
use std::sync::Arc;

use domain::Tokenizer;

/// A private-use character that no vocabulary is likely to hold.
const UNKNOWN_CHARACTER: &str = "\u{10fffd}";

/// Why bytes make no tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum HfTokenizerError {
    /// The bytes are not a `tokenizer.json`, or a kind this build cannot read.
    #[error(
        "`{name}` is no Hugging Face tokenizer ({reason}); it must be the model's tokenizer.json, \
         not tokenizer_config.json, vocab.json or a SentencePiece .model file"
    )]
    Unreadable {
        /// What the caller calls the tokenizer.
        name: Arc<str>,
        /// What the reader tripped over.
        reason: String,
    },
    /// The tokenizer fails on text outside its vocabulary, so it cannot count every text.
    #[error(
        "the tokenizer `{name}` cannot encode text outside its vocabulary ({reason}); give its \
         model an unknown token (`unk_token`) or byte fallback"
    )]
    NoUnknownToken {
        /// What the caller calls the tokenizer.
        name: Arc<str>,
        /// What encoding a character it does not know failed with.
        reason: String,
    },
}

/// The tokenizer of an open model.
///
/// As in the servers that load the same file, the text of a special token (`<s>`) is that token;
/// nothing is added around a text, and nothing is cut or padded, whatever the file asks for.
#[derive(Clone)]
pub struct HfTokenizer {
    name: Arc<str>,
    inner: Arc<tokenizers::Tokenizer>,
}

impl HfTokenizer {
    /// Reads the bytes of a `tokenizer.json`; `name` is what records call it.
    ///
    /// # Errors
    /// Where the bytes are no tokenizer, or one that cannot encode every text.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, HfTokenizerError> {
        let name: Arc<str> = name.into();
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| {
            HfTokenizerError::Unreadable { name: name.clone(), reason: error.to_string() }
        })?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| HfTokenizerError::Unreadable {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        if let Err(error) = inner.encode_fast(UNKNOWN_CHARACTER, false) {
            return Err(HfTokenizerError::NoUnknownToken { name, reason: error.to_string() });
        }
        Ok(Self { name, inner: Arc::new(inner) })
    }
}

impl fmt::Debug for HfTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HfTokenizer").field(&self.name).finish()
    }
}

impl Tokenizer for HfTokenizer {
    fn encode(&self, text: &str) -> Vec<u32> {
        self.inner
            .encode_fast(text, false)
            .expect("encoding fails only on unknown characters, and one was tried at the start")
            .get_ids()
            .to_vec()
    }

    /// Special tokens show as their text. Numbers that are no token are left out, and a vocabulary
    /// whose file has no decoder joins its tokens with spaces, as the `tokenizers` library does.
    fn decode(&self, tokens: &[u32]) -> String {
        self.inner.decode(tokens, false).unwrap_or_else(|_| "\u{fffd}".repeat(tokens.len()))
    }

    fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    fn name(&self) -> &str {
        &self.name
    }
}
