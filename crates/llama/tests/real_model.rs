//! llama.cpp itself, on a small real model. Skipped where library or model is not installed,
//! except under CI.

use std::path::Path;

use domain::{Message, Tokenizer as _};
use llama::{
    Batch, Context, ContextOptions, DecodeError, FileType, FlashAttention, KvType, Library,
    LibraryError, LoadError, Model, ModelOptions, Sampler, Sampling, SequenceId, Text, Token,
    greedy, quantize,
};

/// The model, or `None` where it is not installed.
fn real_model() -> Option<Model> {
    let (folder, file) = (testkit::llama_library()?, testkit::local_model()?);
    let library = Library::open(&folder).expect("the library opens");
    Some(Model::load(&library, &file, ModelOptions::default()).expect("the model loads"))
}

fn options() -> ContextOptions {
    ContextOptions {
        context: 1_024,
        batch: 256,
        micro_batch: 256,
        sequences: 4,
        threads: 1,
        threads_batch: 1,
        unified: true,
        flash_attention: FlashAttention::Auto,
        keys: KvType::F16,
        values: KvType::F16,
    }
}

fn decode(context: &mut Context, sequence: u32, start: u32, tokens: &[Token]) -> usize {
    let mut batch = Batch::default();
    let mut last = 0;
    for (index, &token) in tokens.iter().enumerate() {
        let position = start + index as u32;
        last = batch.push(token, position, SequenceId(sequence), index + 1 == tokens.len());
    }
    context.decode(&mut batch).expect("there is room");
    last
}

#[test]
fn the_library_says_what_it_is() {
    let Some(model) = real_model() else { return };
    let library = model.library();
    assert!(library.version().starts_with("0."), "{library:?}");
    assert!(library.backends().iter().any(|file| file.contains("cpu")), "{library:?}");
    assert!(library.devices().iter().any(|device| device.name == "CPU"), "{:?}", library.devices());
    let again = Library::open(library.folder()).expect("the same folder opens again");
    assert_eq!(again.folder(), library.folder());
    let other = std::env::temp_dir();
    assert!(matches!(Library::open(&other), Err(LibraryError::AnotherOpen { .. })));
}

#[test]
fn a_model_is_written_with_other_number_formats() {
    let Some(model) = real_model() else { return };
    let folder = tempfile::tempdir().expect("a folder for the files");
    let dest = folder.path().join("q8_0.gguf");
    quantize(model.library(), model.path(), &dest, FileType::Q8_0, 1).expect("it is written");
    let quantized = Model::load(model.library(), &dest, ModelOptions::default()).expect("it loads");
    assert_eq!(quantized.description(), "llama 135M Q8_0");

    // The same text goes on with the same token: eight bits hold what four did.
    let next = |model: &Model| {
        let mut context = Context::new(model, options()).expect("a context");
        let tokens = model.tokenize("The capital of France is", false);
        let last = decode(&mut context, 0, 0, &tokens);
        greedy(context.logits(last))
    };
    assert_eq!(next(&quantized), next(&model));

    let missing = folder.path().join("none.gguf");
    let error = quantize(model.library(), &missing, &dest, FileType::Q8_0, 1).expect_err("none");
    assert!(error.to_string().contains("none.gguf"), "{error}");
}

#[test]
fn the_model_knows_itself() {
    let Some(model) = real_model() else { return };
    assert_eq!(model.metadata("general.architecture").as_deref(), Some("llama"));
    assert_eq!(model.metadata("no.such.key"), None);
    assert_eq!(model.context_trained(), 8_192);
    assert_eq!(model.vocabulary_size(), 49_152);
    assert_eq!(model.parameters(), 134_515_008);
    assert!(model.weights_bytes() > 90_000_000, "{}", model.weights_bytes());
    assert!(model.can_share_prefix() && model.has_template());
    assert_eq!(model.description(), "llama 135M Q4_1");
    assert!(model.control_tokens().iter().any(|&token| model.is_end(token)));
    assert!(!model.control_tokens().contains(&Token(19_556)), "a word is no mark");
}

#[test]
fn text_survives_the_tokenizer() {
    let Some(model) = real_model() else { return };
    for text in ["Hello, world!", "", " two  spaces\n\tand more", "日本語 🦀 naïve", "<|im_end|>"]
    {
        let tokens = model.encode(text);
        assert_eq!(model.decode(&tokens), text);
        let (mut joined, mut out) = (Text::default(), String::new());
        for &token in &tokens {
            let mut bytes = Vec::new();
            model.piece(Token(token as i32), &mut bytes);
            joined.push(&bytes, &mut out);
        }
        joined.finish(&mut out);
        // Marks show in `decode`, which undoes `encode`, but never in an answer's text.
        assert_eq!(out, if text == "<|im_end|>" { "" } else { text });
    }
    assert_eq!(model.encode("<|im_end|>").len(), 1);
    assert!(model.is_end(Token(model.encode("<|im_end|>")[0] as i32)));
    let mut bytes = Vec::new();
    model.piece(Token(-1), &mut bytes);
    model.piece(Token(1_000_000), &mut bytes);
    assert!(bytes.is_empty());
}

#[test]
fn the_models_own_template_is_used() {
    let Some(model) = real_model() else { return };
    let messages = [
        Message::System("Be brief.".into()),
        Message::User("Hi".into()),
        Message::assistant("Hello.".into()),
        Message::User("Who are you?".into()),
    ];
    assert_eq!(
        model.apply_template(&messages, 0).expect("ChatML takes any conversation"),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
         <|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n\
         <|im_start|>assistant\n"
    );
    let default = model.apply_template(&messages[1..2], 0).expect("ChatML takes any conversation");
    assert!(default.starts_with("<|im_start|>system\nYou are a helpful AI assistant named SmolLM"));
}

#[test]
fn a_shared_prefix_gives_the_logits_of_the_whole() {
    let Some(model) = real_model() else { return };
    let mut context = Context::new(&model, options()).expect("memory suffices");
    assert_eq!(context.capacity(), 1_024);
    let tokens =
        model.tokenize("The quick brown fox jumps over the lazy dog. The quick brown", true);
    let last = decode(&mut context, 0, 0, &tokens);
    let whole = context.logits(last).to_vec();
    let cut = tokens.len() - 3;
    context.share(SequenceId(0), SequenceId(1), 0..cut as u32);
    let last = decode(&mut context, 1, cut as u32, &tokens[cut..]);
    let shared = context.logits(last).to_vec();
    let difference = whole.iter().zip(&shared).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    assert!(difference < 0.5, "logits differ by {difference}");
    assert_eq!(greedy(&whole), greedy(&shared));

    assert!(context.remove(SequenceId(1), 0..u32::MAX));
    context.clear();
    let last = decode(&mut context, 1, 0, &tokens);
    assert_eq!(context.logits(last), whole, "a cleared cache starts over, whatever the sequence");
}

/// What other sequences say never shows in a sequence's logits, not by one bit.
#[test]
fn sequences_do_not_see_each_other() {
    let Some(model) = real_model() else { return };
    let mut context = Context::new(&model, options()).expect("memory suffices");
    let mut logits_beside = |neighbour: Token| {
        context.clear();
        let mut batch = Batch::default();
        let tokens = model.tokenize("The quick brown fox jumps over", true);
        let mut last = 0;
        for (position, &token) in tokens.iter().enumerate() {
            for (sequence, token) in [neighbour, token, neighbour].into_iter().enumerate() {
                let id = SequenceId(sequence as u32);
                let output = sequence == 1 && position + 1 == tokens.len();
                let at = batch.push(token, position as u32, id, output);
                last = if output { at } else { last };
            }
        }
        context.decode(&mut batch).expect("there is room");
        context.logits(last).to_vec()
    };
    assert_eq!(logits_beside(Token(100)), logits_beside(Token(2_000)));
}

#[test]
fn a_full_cache_says_so_and_stays_whole() {
    let Some(model) = real_model() else { return };
    let small = ContextOptions { context: 256, ..options() };
    let mut context = Context::new(&model, small).expect("memory suffices");
    let tokens = vec![Token(100); context.capacity() as usize];
    decode(&mut context, 0, 0, &tokens);
    let mut batch = Batch::default();
    batch.push(Token(5), 0, SequenceId(1), true);
    assert_eq!(context.decode(&mut batch), Err(DecodeError::Full));
    assert!(context.remove(SequenceId(0), 0..u32::MAX));
    assert_eq!(context.decode(&mut batch), Ok(()));
}

#[test]
fn sampling_obeys_its_settings() {
    let Some(model) = real_model() else { return };
    let mut context = Context::new(&model, options()).expect("memory suffices");
    let tokens = model.tokenize("Once upon a time, there was a", true);
    let last = decode(&mut context, 0, 0, &tokens);
    let best = greedy(context.logits(last));
    let base = Sampling { temperature: 1.0, top_k: None, top_p: 1.0, min_p: 0.0, seed: 7 };
    let mut draw = |sampling: Sampling| -> Vec<Token> {
        let mut sampler = Sampler::new(model.library(), &sampling);
        (0..40).map(|_| sampler.sample(&mut context, last)).collect()
    };
    for narrow in [
        Sampling { temperature: 0.0, ..base },
        Sampling { top_k: Some(1), ..base },
        Sampling { top_p: 0.000_1, ..base },
        Sampling { min_p: 1.0, ..base },
    ] {
        assert_eq!(draw(narrow), vec![best; 40], "{narrow:?}");
    }
    assert_eq!(draw(base), draw(base), "the same seed draws the same");
    assert_ne!(draw(base), draw(Sampling { seed: 8, ..base }));
}

#[test]
fn bad_files_are_told_apart() {
    let Some(model) = real_model() else { return };
    let folder = std::env::temp_dir().join(format!("prony-llama-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        #[expect(clippy::disallowed_methods, reason = "the test needs files that are damaged")]
        std::fs::write(&path, bytes).expect("the temporary folder can be written");
        path
    };
    #[expect(clippy::disallowed_methods, reason = "the test needs files that are damaged")]
    let whole = std::fs::read(model.path()).expect("the model was just loaded");
    let mut scrambled = whole[..4_096].to_vec();
    scrambled[8..64].fill(0xff);
    let load = |path: &Path| Model::load(model.library(), path, ModelOptions::default());

    for (name, bytes) in [
        ("cut.gguf", &whole[..whole.len() / 2]),
        ("head.gguf", &whole[..1_000]),
        ("magic.gguf", b"GGUF".as_slice()),
        ("scrambled.gguf", scrambled.as_slice()),
    ] {
        let error = load(&write(name, bytes)).expect_err(name);
        assert!(matches!(error, LoadError::Corrupt { .. }), "{name}: {error}");
        println!("{error}");
    }
    for (name, bytes) in [("empty.gguf", b"".as_slice()), ("page.gguf", b"<html></html>")] {
        let error = load(&write(name, bytes)).expect_err(name);
        assert!(matches!(error, LoadError::NotGguf { .. }), "{name}: {error}");
    }
    let error = load(&folder.join("none.gguf")).expect_err("there is no such file");
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
    let error = load(&folder).expect_err("a folder is no model");
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error}");
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}

/// Needs no model: these folders are refused before anything is opened.
#[test]
fn folders_without_a_library_are_refused() {
    let folder = std::env::temp_dir().join(format!("prony-library-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    for missing in [&folder, &folder.join("none")] {
        let error = Library::open(missing).expect_err("there is no library");
        assert!(error.to_string().contains("scripts/llama-library.sh"), "{error}");
    }
    #[expect(clippy::disallowed_methods, reason = "the test needs a file that is no library")]
    std::fs::write(folder.join("libllama.so"), b"not ELF").expect("the folder can be written");
    let error = Library::open(&folder).expect_err("that is no library");
    assert!(matches!(error, LibraryError::Open { .. }), "{error}");
    if let Some(other) = testkit::llama_library() {
        let other = other.join("libggml-base.so");
        std::fs::copy(other, folder.join("libllama.so")).expect("the folder can be written");
        let error = Library::open(&folder).expect_err("that is another library");
        let message = error.to_string();
        assert!(matches!(error, LibraryError::Mismatch { .. }), "{message}");
        assert!(message.contains("it has no function llama_"), "{message}");
    }
    std::fs::remove_dir_all(&folder).expect("the folder is ours");
}
