//! Answers that come in one piece, and lists of models.

use dialect::models::{ModelEntry, encode_model, encode_models, id_in, parse_list};
use dialect::{WireFormat, decode_whole};
use domain::{ChunkKind, FailureKind, FinishReason, Tokens};

use crate::stream::{text_of, texts};

use WireFormat::{AnthropicMessages, OpenAiChat, OpenAiCompletions};

#[test]
fn a_whole_answer_gives_text_reason_and_counts() {
    let check = |format, body: &str, text: [&str; 3], kind, finish, tokens: Option<(u64, u64)>| {
        let whole = decode_whole(format, body.as_bytes()).expect(body);
        assert_eq!(texts(&text_of(format, body.as_bytes())), text, "{body}");
        assert_eq!((whole.kind, whole.finish), (kind, finish), "{body}");
        let counts = whole.usage.map(|usage| (usage.input.count(), usage.output.count()));
        assert_eq!(counts, tokens, "{body}");
    };
    check(
        OpenAiChat,
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"a","reasoning":"r"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}"#,
        ["a", "r", ""],
        ChunkKind::Content,
        FinishReason::Stop,
        Some((2, 3)),
    );
    check(
        OpenAiChat,
        r#"{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#,
        ["", "", "f{}"],
        ChunkKind::ToolCall,
        FinishReason::ToolCalls,
        None,
    );
    check(
        OpenAiCompletions,
        r#"{"choices":[{"text":"a\nb","index":0,"finish_reason":"length"}],"usage":null}"#,
        ["a\nb", "", ""],
        ChunkKind::Content,
        FinishReason::Length,
        None,
    );
    check(
        AnthropicMessages,
        r#"{"type":"message","content":[{"type":"thinking","thinking":"r","signature":"s"},{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"x": 1}}],"stop_reason":"tool_use","usage":{"input_tokens":2,"cache_read_input_tokens":5,"output_tokens":3}}"#,
        ["a", "r", r#"f{"x": 1}"#],
        ChunkKind::Content,
        FinishReason::ToolCalls,
        Some((7, 3)),
    );
    // Thinking that the provider keeps to itself was generated all the same.
    check(
        AnthropicMessages,
        r#"{"type":"message","content":[{"type":"redacted_thinking","data":"x"}],"stop_reason":"max_tokens"}"#,
        ["", "", ""],
        ChunkKind::Reasoning,
        FinishReason::Length,
        None,
    );
}

#[test]
fn a_whole_answer_may_be_an_error_or_nonsense() {
    let check = |format, body: &str, kind| {
        assert_eq!(
            decode_whole(format, body.as_bytes()).map_err(|it| it.kind),
            Err(kind),
            "{body}"
        );
    };
    for format in [OpenAiChat, OpenAiCompletions, AnthropicMessages] {
        check(format, r#"{"error":{"message":"m"}}"#, FailureKind::InStream);
        check(
            format,
            r#"{"error":{"message":"m","type":"overloaded_error"}}"#,
            FailureKind::Overloaded,
        );
        check(format, r#"{"object":"list"}"#, FailureKind::Malformed);
        check(format, r#"{"choices":["#, FailureKind::Malformed);
        check(format, "<html>", FailureKind::Malformed);
        check(format, "", FailureKind::Malformed);
    }
    check(OpenAiChat, r#"{"choices":[]}"#, FailureKind::Malformed);
    check(OpenAiChat, r#"{"object":"error","message":"m"}"#, FailureKind::InStream);
}

#[test]
fn a_refusal_may_have_no_content() {
    let body = br#"{"type":"message","content":[],"stop_reason":"refusal","usage":{"input_tokens":1,"output_tokens":0}}"#;
    let whole = decode_whole(AnthropicMessages, body).unwrap();
    assert!(text_of(AnthropicMessages, body).is_empty());
    assert_eq!((whole.kind, whole.finish), (ChunkKind::Other, FinishReason::ContentFilter));
    assert_eq!(whole.usage.map(|usage| usage.output), Some(Tokens(0)));
}

#[test]
fn a_list_of_models_is_read_in_each_form() {
    let check = |body: &str, expected: &[(&str, Option<u64>)]| {
        let expected: Vec<ModelEntry> = expected
            .iter()
            .map(|&(id, max_model_len)| ModelEntry { id: id.to_owned(), max_model_len })
            .collect();
        assert_eq!(parse_list(body.as_bytes()), Ok(expected), "{body}");
    };
    check(
        r#"{"object":"list","data":[{"id":"a","object":"model","max_model_len":4096},{"id":"b","object":"model"}]}"#,
        &[("a", Some(4096)), ("b", None)],
    );
    check(
        r#"{"data":[{"type":"model","id":"c","display_name":"C"}],"has_more":false}"#,
        &[("c", None)],
    );
    // Ollama with nothing pulled.
    check(r#"{"object":"list","data":null}"#, &[]);
    for body in ["{}", "[]", "", r#"{"data":[{"object":"model"}]}"#] {
        let kind = parse_list(body.as_bytes()).map_err(|failure| failure.kind);
        assert_eq!(kind, Err(FailureKind::Malformed), "{body}");
    }
}

#[test]
fn a_list_of_models_reads_back() {
    let entry = |id: &str, max_model_len| ModelEntry { id: id.to_owned(), max_model_len };
    let models = [entry("a", Some(4096)), entry("b\"c", None)];
    assert_eq!(parse_list(&encode_models(&models, 1_700_000_000)), Ok(models.to_vec()));
    assert_eq!(parse_list(&encode_models(&[], 0)), Ok(Vec::new()));
    // One alone is told of as in the list.
    let list: serde_json::Value =
        serde_json::from_slice(&encode_models(&models, 1_700_000_000)).unwrap();
    let alone: serde_json::Value =
        serde_json::from_slice(&encode_model(&models[0], 1_700_000_000)).unwrap();
    assert_eq!(list["data"][0], alone);
    assert_eq!((&alone["max_model_len"], &alone["max_input_tokens"]), (&4096.into(), &4096.into()));
}

#[test]
fn a_path_names_a_model() {
    let check = |path: &str, id: Option<&str>| assert_eq!(id_in(path).as_deref(), id, "{path}");
    check("/v1/models/tiny", Some("tiny"));
    check("/v1/models/owner/name", Some("owner/name"));
    check("/v1/models/owner%2Fname%20%C3%A9", Some("owner/name é"));
    for path in ["/v1/models", "/v1/models/", "/v1/modelsx", "/v1/other/tiny"] {
        check(path, None);
    }
    for broken in ["/v1/models/%", "/v1/models/%4", "/v1/models/%+1", "/v1/models/%ff"] {
        check(broken, None);
    }
}
