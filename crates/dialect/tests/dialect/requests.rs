//! Requests: as a client writes them, and as a server reads them.

use std::sync::Arc;

use dialect::{
    EncodeError, IgnoreEos, LimitField, RequestOptions, WireFormat, encode_request, parse_request,
};
use domain::{Message, Prompt, Request, RequestId, Sampling};
use serde_json::{Value, json};

use WireFormat::{AnthropicMessages, OpenAiChat, OpenAiCompletions};

pub(crate) fn request(prompt: Prompt) -> Request {
    Request {
        id: RequestId { run: 1, index: 2 },
        model: "m".into(),
        prompt,
        max_tokens: None,
        ignore_eos: false,
        stream: false,
        sampling: Sampling::default(),
        stop: Arc::new([]),
        tools: None,
    }
}

fn text(text: &str) -> Prompt {
    Prompt::Text(text.into())
}

fn conversation<const N: usize>(messages: [Message; N]) -> Prompt {
    Prompt::Messages(Arc::new(messages))
}

pub(crate) fn system(text: &str) -> Message {
    Message::System(text.into())
}

pub(crate) fn user(text: &str) -> Message {
    Message::User(text.into())
}

pub(crate) fn assistant(text: &str) -> Message {
    Message::assistant(text.into())
}

pub(crate) fn encoded(format: WireFormat, request: &Request, options: &RequestOptions) -> Value {
    let body = encode_request(format, request, options).expect("the format can express it");
    serde_json::from_slice(&body).expect("the body is JSON")
}

#[test]
fn a_prompt_takes_the_shape_of_its_format() {
    let check = |format, prompt: Prompt, expected: Value| {
        assert_eq!(encoded(format, &request(prompt), &RequestOptions::default()), expected);
    };
    let talk = || {
        conversation([
            system("be brief"),
            user("\"hi\"\n\u{1}"),
            assistant("ho"),
            system("be kind"),
            user("go on"),
        ])
    };
    check(
        OpenAiChat,
        text("hi"),
        json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}),
    );
    check(
        OpenAiChat,
        talk(),
        json!({"model": "m", "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "\"hi\"\n\u{1}"},
            {"role": "assistant", "content": "ho"},
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "go on"},
        ]}),
    );
    check(OpenAiCompletions, text("hi"), json!({"model": "m", "prompt": "hi"}));
    check(
        AnthropicMessages,
        text("hi"),
        json!({"model": "m", "max_tokens": 1024, "messages": [{"role": "user", "content": "hi"}]}),
    );
    check(
        AnthropicMessages,
        talk(),
        json!({"model": "m", "max_tokens": 1024, "system": "be brief\n\nbe kind", "messages": [
            {"role": "user", "content": "\"hi\"\n\u{1}"},
            {"role": "assistant", "content": "ho"},
            {"role": "user", "content": "go on"},
        ]}),
    );
}

#[test]
fn settings_take_the_names_of_their_format() {
    let full = Request {
        max_tokens: Some(9),
        stream: true,
        stop: Arc::new(["\n".to_owned()]),
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(40),
            ..Sampling::default()
        },
        ..request(text("hi"))
    };
    let options = RequestOptions { include_usage: true, ..RequestOptions::default() };
    let messages = json!([{"role": "user", "content": "hi"}]);
    let anthropic = json!({
        "model": "m", "messages": messages, "max_tokens": 9, "temperature": 0.5, "top_p": 0.9,
        "top_k": 40, "stream": true, "stop_sequences": ["\n"],
    });
    assert_eq!(encoded(AnthropicMessages, &full, &options), anthropic);
    let openai = Request {
        ignore_eos: true,
        sampling: Sampling { seed: Some(7), min_p: Some(0.1), ..full.sampling.clone() },
        ..full.clone()
    };
    let options = RequestOptions {
        limit_field: LimitField::MaxCompletionTokens,
        ignore_eos: IgnoreEos::Field,
        min_tokens: Some(9),
        ..options
    };
    let chat = json!({
        "model": "m", "messages": messages, "max_completion_tokens": 9, "min_tokens": 9,
        "ignore_eos": true, "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "seed": 7,
        "stop": ["\n"], "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(encoded(OpenAiChat, &openai, &options), chat);
    // The other field is known to chat only; counts are asked for only of a stream.
    let legacy = encoded(OpenAiCompletions, &Request { stream: false, ..openai }, &options);
    assert_eq!((&legacy["max_tokens"], &legacy["stream_options"]), (&json!(9), &Value::Null));
}

#[test]
fn the_user_s_members_override_and_remove() {
    let extra = json!({"model": null, "temperature": 0, "guided": {"regex": "a"}, "stream": null});
    let Value::Object(extra) = extra else { unreachable!("it is written as an object") };
    let options = RequestOptions { extra_body: Some(extra), ..RequestOptions::default() };
    let sampling = Sampling { temperature: Some(1.0), ..Sampling::default() };
    let request = Request { stream: true, sampling, ..request(text("hi")) };
    assert_eq!(
        encoded(OpenAiCompletions, &request, &options),
        json!({"prompt": "hi", "temperature": 0, "guided": {"regex": "a"}})
    );
}

#[test]
fn what_a_format_cannot_express_is_an_error_with_a_hint() {
    let check = |format, request: &Request, error: EncodeError| {
        assert_eq!(encode_request(format, request, &RequestOptions::default()), Err(error));
        assert!(error.to_string().contains("; "), "{error}");
    };
    let talk = request(conversation([user("hi")]));
    check(OpenAiCompletions, &talk, EncodeError::ConversationAsText);
    check(OpenAiChat, &Request { ignore_eos: true, ..talk.clone() }, EncodeError::IgnoreEos);
    let seeded = Sampling { seed: Some(1), ..Sampling::default() };
    let seeded = Request { sampling: seeded, ..talk };
    check(AnthropicMessages, &seeded, EncodeError::Sampling("seed"));
}

#[test]
fn what_a_client_writes_a_server_reads() {
    let request = Request {
        max_tokens: Some(9),
        stream: true,
        stop: Arc::new(["a".to_owned(), "b".to_owned()]),
        sampling: Sampling { temperature: Some(0.0), top_k: Some(3), ..Sampling::default() },
        ..request(conversation([system("s"), user("u"), assistant("a")]))
    };
    let options = RequestOptions { include_usage: true, ..RequestOptions::default() };
    for format in [OpenAiChat, AnthropicMessages] {
        let body = encode_request(format, &request, &options).unwrap();
        let got = parse_request(format, &body).unwrap();
        assert_eq!((&*got.model, &got.prompt), ("m", &request.prompt));
        assert_eq!((got.max_tokens, got.stream, got.include_usage), (Some(9), true, true));
        assert_eq!((got.sampling, &got.stop[..]), (request.sampling.clone(), &request.stop[..]));
        assert!(!got.ignore_eos);
    }
}

#[test]
fn a_server_takes_the_shapes_clients_send() {
    let read = |format, body: Value| parse_request(format, body.to_string().as_bytes()).unwrap();
    let got = read(
        OpenAiChat,
        json!({
            "model": "m", "max_tokens": 1, "max_completion_tokens": 2, "stop": "x", "n": 1,
            "ignore_eos": true, "top_k": -1, "temperature": null, "tools": [], "unheard_of": {},
            "messages": [
                {"role": "developer", "content": "d"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": null, "tool_calls": []},
            ],
        }),
    );
    assert_eq!(got.prompt, conversation([system("d"), user("ab"), assistant("")]));
    assert_eq!(got.tools, None);
    assert_eq!((got.max_tokens, &got.stop[..]), (Some(2), &["x".to_owned()][..]));
    assert_eq!((got.stream, got.include_usage, got.ignore_eos), (false, false, true));
    assert_eq!(got.sampling, Sampling::default());
    let got = read(OpenAiCompletions, json!({"model": "m", "prompt": ["only"]}));
    assert_eq!(got.prompt, text("only"));
    let got = read(
        AnthropicMessages,
        json!({
            "model": "m", "max_tokens": 5, "system": [{"type": "text", "text": "s", "cache_control": {}}],
            "messages": [{"role": "user", "content": "u"}], "stop_sequences": ["x"],
        }),
    );
    assert_eq!(got.prompt, conversation([system("s"), user("u")]));
    assert_eq!((got.include_usage, &got.stop[..]), (true, &["x".to_owned()][..]));
}

#[test]
fn a_bad_request_names_the_member_at_fault() {
    let check = |format, body: Value, param: &str| {
        let error = parse_request(format, body.to_string().as_bytes()).expect_err(param);
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
        assert!(error.message.contains(param) && !error.message.contains("PRIVATE"), "{error}");
    };
    let user = json!([{"role": "user", "content": "PRIVATE"}]);
    check(OpenAiChat, json!({"messages": user}), "model");
    check(OpenAiChat, json!({"model": 7, "messages": user}), "model");
    check(OpenAiChat, json!({"model": "m"}), "messages");
    check(OpenAiChat, json!({"model": "m", "messages": "PRIVATE"}), "messages");
    check(OpenAiChat, json!({"model": "m", "messages": []}), "messages");
    check(OpenAiChat, json!({"model": "m", "messages": ["PRIVATE"]}), "messages[0]");
    check(
        OpenAiChat,
        json!({"model": "m", "messages": [{"content": "PRIVATE"}]}),
        "messages[0].role",
    );
    check(OpenAiChat, json!({"model": "m", "messages": [{"role": "PRIVATE"}]}), "messages[0].role");
    check(OpenAiChat, json!({"model": "m", "messages": [{"role": "user"}]}), "messages[0].content");
    check(
        OpenAiChat,
        json!({"model": "m", "messages": [{"role": "user", "content": 1}]}),
        "messages[0].content",
    );
    check(
        OpenAiChat,
        json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        "messages[0].content[0]",
    );
    let with = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": user, "max_tokens": 1});
        body[name] = value;
        body
    };
    for format in [OpenAiChat, AnthropicMessages] {
        for value in [json!(0), json!(-1), json!(1.5), json!("PRIVATE")] {
            check(format, with("max_tokens", value), "max_tokens");
        }
        check(format, with("stream", json!("PRIVATE")), "stream");
        check(format, with("temperature", json!(-0.1)), "temperature");
        check(format, with("top_p", json!(1.1)), "top_p");
        check(format, with("top_k", json!(-2)), "top_k");
    }
    check(OpenAiChat, with("n", json!(2)), "n");
    // What a number, a string or a truth value cannot be.
    check(OpenAiChat, with("temperature", json!("PRIVATE")), "temperature");
    check(OpenAiChat, with("max_tokens", json!(1.0)), "max_tokens");
    check(OpenAiChat, with("stop", json!([null])), "stop");
    check(OpenAiChat, with("stop", json!([1])), "stop");
    check(OpenAiChat, with("seed", json!(-1)), "seed");
    check(OpenAiChat, with("ignore_eos", json!(1)), "ignore_eos");
    check(OpenAiChat, with("stream_options", json!(true)), "stream_options");
    let options = json!({"include_usage": "PRIVATE"});
    check(OpenAiChat, with("stream_options", options), "stream_options.include_usage");
    check(AnthropicMessages, json!({"model": "m", "messages": user}), "max_tokens");
    check(AnthropicMessages, with("system", json!(7)), "system");
    check(AnthropicMessages, with("stop_sequences", json!({})), "stop_sequences");
    check(OpenAiCompletions, json!({"model": "m"}), "prompt");
    check(OpenAiCompletions, json!({"model": "m", "prompt": ["PRIVATE", "b"]}), "prompt");
    check(OpenAiCompletions, json!({"model": "m", "prompt": [1, 2]}), "prompt");
    for body in ["", "[]", "{", "\"PRIVATE\""] {
        let error = parse_request(OpenAiChat, body.as_bytes()).expect_err(body);
        assert_eq!(error.param, None);
        assert!(!error.message.contains("PRIVATE"), "{error}");
    }
}
