//! The number of tokens of a text when no tokenizer is at hand.

use domain::Tokens;

/// How many bytes of UTF-8 an estimate takes for one token.
const BYTES_PER_TOKEN: usize = 4;

/// Estimates the tokens of `text`: its UTF-8 bytes divided by four, rounded up.
///
/// Four bytes a token is the rule of thumb for English under vocabularies of 50,000 to 200,000
/// tokens. Prose is often overstated by a tenth; source code, digits and scripts other than Latin
/// may be off by a factor of two either way. An empty text has no tokens; any other has at least
/// one.
#[must_use]
pub fn estimate_tokens(text: &str) -> Tokens {
    Tokens(text.len().div_ceil(BYTES_PER_TOKEN) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_a_quarter_of_the_bytes_rounded_up() {
        let cases = [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("naïve", 2), ("\u{1f600}", 1)];
        for (text, tokens) in cases {
            assert_eq!(estimate_tokens(text), Tokens(tokens), "{text:?}");
        }
    }
}
