//! The fuzzers' corpus, past the same checks.

#[expect(unreachable_pub, reason = "it is the library of the fuzz workspace too")]
#[path = "../../../../fuzz/src/lib.rs"]
mod targets;

#[expect(clippy::disallowed_methods, reason = "the corpus is files")]
fn replay(target: &str, check: fn(&[u8])) {
    let folder = testkit::asset::workspace().join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is part of the repository") {
        let path = entry.expect("the folder can be read").path();
        let input = std::fs::read(&path).expect("an input is a file");
        let passed = std::panic::catch_unwind(|| check(&input));
        assert!(passed.is_ok(), "the check fails on {}", path.display());
        count += 1;
    }
    assert!(count >= 5, "{} holds {count} inputs", folder.display());
}

#[test]
fn sse_reader() {
    replay("sse_reader", targets::sse_reader);
}

#[test]
fn answer_decoder() {
    replay("answer_decoder", targets::answer_decoder);
}

#[test]
fn request_parse() {
    replay("request_parse", targets::request_parse);
}
