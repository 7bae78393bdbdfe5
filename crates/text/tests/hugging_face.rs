//! Hugging Face tokenizers, from a small file written for this test and from a real one.

use domain::Tokenizer as _;
use text::{HfTokenizer, HfTokenizerError};

/// A byte-level pair encoding of a few words, with every other byte as it stands, and with settings
/// that would cut and pad each text if they were obeyed.
const SMALL: &str = include_str!("fixtures/small_tokenizer.json");

fn small() -> HfTokenizer {
    HfTokenizer::from_bytes(SMALL.as_bytes(), "small").expect("the fixture is a tokenizer")
}

#[test]
fn text_becomes_tokens_and_text_again() {
    let tokenizer = small();
    let cases: [(&str, &[u32]); 5] = [
        ("", &[]),
        ("low", &[9]),
        ("low lower", &[9, 12]),
        ("<end> low", &[13, 11]),
        ("wool low", &[3, 2, 2, 1, 11]),
    ];
    for (text, tokens) in cases {
        assert_eq!(tokenizer.encode(text), tokens, "{text:?}");
        assert_eq!(tokenizer.decode(tokens), text, "{text:?}");
    }
    assert_eq!(tokenizer.vocabulary_size(), 14);
    assert_eq!(tokenizer.name(), "small");
}

#[test]
fn the_files_cutting_and_padding_are_ignored() {
    let tokenizer = small();
    assert!(SMALL.contains("\"max_length\": 2") && SMALL.contains("\"Fixed\": 3"));
    assert_eq!(tokenizer.count("low low low low"), 4);
    assert_eq!(tokenizer.count("low"), 1);
}

#[test]
fn bytes_that_make_no_tokenizer_are_refused_with_a_hint() {
    for bytes in ["", "{}", "[1, 2]", r#"{"model_max_length": 512}"#, "\u{1}\u{2}"] {
        let error = HfTokenizer::from_bytes(bytes.as_bytes(), "config").unwrap_err();
        assert!(matches!(error, HfTokenizerError::Unreadable { .. }), "{bytes:?}: {error}");
        assert!(error.to_string().contains("must be the model's tokenizer.json"), "{error}");
    }
    let words = r#"{
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"one": 0, "two": 1}, "unk_token": "[UNK]"}
    }"#;
    let error = HfTokenizer::from_bytes(words.as_bytes(), "words").unwrap_err();
    assert!(matches!(error, HfTokenizerError::NoUnknownToken { .. }), "{error}");
}

/// A tokenizer of single characters made by someone else, where the data folder is at hand.
#[test]
#[expect(clippy::disallowed_methods, reason = "the data lies outside the repository")]
fn a_real_file_of_characters_counts_characters() {
    let folder = std::env::var_os("PRONY_SHARED_DATA").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        std::path::PathBuf::from,
    );
    let path = folder.join("tokenizer-char/tokenizer.json");
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: no {}", path.display());
        return;
    };
    let tokenizer = HfTokenizer::from_bytes(&bytes, "characters").unwrap();
    for text in ["a", "load test", "Prony measures what an engine delivers."] {
        assert_eq!(tokenizer.count(text), text.chars().count(), "{text:?}");
    }
}
