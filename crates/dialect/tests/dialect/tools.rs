//! Requests with tools, calls and their results: from each form into each.

use std::sync::Arc;

use dialect::{
    EncodeError, IncomingRequest, RequestOptions, WireFormat, encode_request, parse_request,
};
use domain::{Message, Prompt, Request, Tool, ToolCall, ToolChoice, ToolResult, Tools};
use serde_json::{Value, json};

use WireFormat::{AnthropicMessages, OpenAiChat, OpenAiCompletions};

use crate::requests::{assistant, encoded, request, system, user};

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn calling<const N: usize>(content: &str, calls: [ToolCall; N]) -> Message {
    Message::Assistant { content: content.into(), tool_calls: Arc::new(calls) }
}

fn result(call_id: &str, content: &str, is_error: bool) -> Message {
    Message::Tool(ToolResult { call_id: call_id.into(), content: content.into(), is_error })
}

/// A tool whose schema's members stand in no alphabet's order.
fn weather() -> Tool {
    Tool {
        name: "weather".into(),
        description: Some("How it is \"outside\".".into()),
        parameters: Some(
            r#"{"type":"object","properties":{"place":{"type":"string"},"hour":{}}}"#.into(),
        ),
        strict: None,
    }
}

fn clock() -> Tool {
    Tool { name: "clock".into(), description: None, parameters: None, strict: None }
}

fn asking(tools: Tools, messages: Vec<Message>) -> Request {
    Request {
        max_tokens: Some(9),
        tools: Some(Arc::new(tools)),
        ..request(Prompt::Messages(messages.into()))
    }
}

fn both(choice: ToolChoice, parallel: Option<bool>) -> Tools {
    Tools { offered: Arc::new([weather(), clock()]), choice, parallel }
}

/// Two calls at once, one of which fails, then another.
fn talk() -> Vec<Message> {
    vec![
        system("be brief"),
        user("is it cold?"),
        calling(
            "let me see",
            [call("c1", "weather", r#"{"place":"Ghent"}"#), call("c2", "clock", "")],
        ),
        result("c1", "3 degrees", false),
        result("c2", "no clock", true),
        user("well?"),
        calling("", [call("c3", "weather", r#" {"place": "Bruges"} "#)]),
        result("c3", "4 degrees", false),
        assistant("yes"),
    ]
}

fn read(format: WireFormat, body: &Value) -> IncomingRequest {
    parse_request(format, body.to_string().as_bytes()).expect("the request can be read")
}

#[test]
fn a_conversation_with_tools_takes_openai_s_shape() {
    let body = encoded(
        OpenAiChat,
        &asking(both(ToolChoice::Required, Some(false)), talk()),
        &RequestOptions::default(),
    );
    let expected = json!({
        "model": "m", "max_tokens": 9,
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "is it cold?"},
            {"role": "assistant", "content": "let me see", "tool_calls": [
                {"id": "c1", "type": "function",
                 "function": {"name": "weather", "arguments": "{\"place\":\"Ghent\"}"}},
                {"id": "c2", "type": "function", "function": {"name": "clock", "arguments": ""}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "3 degrees"},
            {"role": "tool", "tool_call_id": "c2", "content": "no clock"},
            {"role": "user", "content": "well?"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c3", "type": "function",
                 "function": {"name": "weather", "arguments": " {\"place\": \"Bruges\"} "}},
            ]},
            {"role": "tool", "tool_call_id": "c3", "content": "4 degrees"},
            {"role": "assistant", "content": "yes"},
        ],
        "tools": [
            {"type": "function", "function": {
                "name": "weather", "description": "How it is \"outside\".",
                "parameters": {"type": "object",
                               "properties": {"place": {"type": "string"}, "hour": {}}},
            }},
            {"type": "function", "function": {"name": "clock"}},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": false,
    });
    assert_eq!(body, expected);
}

#[test]
fn a_conversation_with_tools_takes_anthropic_s_shape() {
    let body = encoded(
        AnthropicMessages,
        &asking(both(ToolChoice::Required, Some(false)), talk()),
        &RequestOptions::default(),
    );
    let expected = json!({
        "model": "m", "max_tokens": 9, "system": "be brief",
        "messages": [
            {"role": "user", "content": "is it cold?"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"place": "Ghent"}},
                {"type": "tool_use", "id": "c2", "name": "clock", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "3 degrees"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "no clock",
                 "is_error": true},
                {"type": "text", "text": "well?"},
            ]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "c3", "name": "weather", "input": {"place": "Bruges"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c3", "content": "4 degrees"},
            ]},
            {"role": "assistant", "content": "yes"},
        ],
        "tools": [
            {"name": "weather", "description": "How it is \"outside\".",
             "input_schema": {"type": "object",
                              "properties": {"place": {"type": "string"}, "hour": {}}}},
            {"name": "clock", "input_schema": {"type": "object"}},
        ],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
    });
    assert_eq!(body, expected);
}

#[test]
fn what_a_client_writes_of_tools_a_server_reads() {
    let named = || ToolChoice::Named("clock".into());
    for (choice, parallel) in [
        (ToolChoice::Auto, None),
        (ToolChoice::Auto, Some(true)),
        (ToolChoice::None, None),
        (ToolChoice::Required, Some(false)),
        (named(), None),
        (named(), Some(false)),
    ] {
        let strict = Tool { strict: Some(true), parameters: Some("{}".into()), ..clock() };
        let offered: Arc<[Tool]> = Arc::new([weather(), strict]);
        let asked = asking(Tools { offered, choice, parallel }, talk());
        for format in [OpenAiChat, AnthropicMessages] {
            let body = encode_request(format, &asked, &RequestOptions::default()).unwrap();
            let got = parse_request(format, &body).unwrap();
            assert_eq!(got.tools.as_ref(), asked.tools.as_deref(), "{format:?}");
            // OpenAI has no word for a failure; blanks around arguments and their lack are nothing.
            let lost = |message: Message| match message {
                Message::Tool(result) if format == OpenAiChat => {
                    Message::Tool(ToolResult { is_error: false, ..result })
                }
                Message::Assistant { content, tool_calls } if format == AnthropicMessages => {
                    let mended = |call: &ToolCall| match call.arguments.trim() {
                        "" => ToolCall { arguments: "{}".into(), ..call.clone() },
                        text => ToolCall { arguments: text.into(), ..call.clone() },
                    };
                    let tool_calls = tool_calls.iter().map(mended).collect();
                    Message::Assistant { content, tool_calls }
                }
                other => other,
            };
            let expected = talk().into_iter().map(lost).collect();
            assert_eq!(got.prompt, Prompt::Messages(expected), "{format:?}");
        }
    }
}

/// A model may take the order of a schema's members for meaning.
#[test]
fn schemas_and_arguments_go_on_as_they_were_written() {
    let schema = r#"{"z": 1,  "a": {"y": 1e2, "b": "\u00e9"}}"#;
    let chat = format!(
        r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":"u"}}],
        "tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#
    );
    let got = parse_request(OpenAiChat, chat.as_bytes()).unwrap();
    let tools = got.tools.expect("a tool is offered");
    assert_eq!(tools.offered[0].parameters.as_deref(), Some(schema));
    let asked = asking(tools, vec![user("u"), calling("", [call("c", "f", schema)])]);
    let body = encode_request(AnthropicMessages, &asked, &RequestOptions::default()).unwrap();
    assert_eq!(String::from_utf8_lossy(&body).matches(schema).count(), 2);
    let got = parse_request(AnthropicMessages, &body).unwrap();
    let Prompt::Messages(messages) = got.prompt else { panic!("a conversation was asked") };
    assert_eq!(&*messages[1].tool_calls()[0].arguments, schema);
}

#[test]
fn a_server_takes_the_shapes_of_tools_clients_send() {
    let tool = json!({"type": "function", "function": {"name": "clock"}});
    let got = read(
        OpenAiChat,
        &json!({"model": "m", "tools": [tool], "tool_choice": "auto", "functions": [],
            "messages": [
                {"role": "user", "content": "u"},
                {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "clock"}}]},
                {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "noon"}]},
        ]}),
    );
    let messages =
        vec![user("u"), calling("", [call("c", "clock", "")]), result("c", "noon", false)];
    assert_eq!(got.prompt, Prompt::Messages(messages.into()));
    let one = Tools { offered: Arc::new([clock()]), ..Tools::default() };
    assert_eq!(got.tools, Some(one));

    // Results may stand anywhere in a message, be in blocks or missing; thoughts are left behind.
    let got = read(
        AnthropicMessages,
        &json!({"model": "m", "max_tokens": 1,
            "tools": [{"type": "custom", "name": "f", "input_schema": {}, "cache_control": {}}],
            "messages": [
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "a"},
                    {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
                    {"type": "tool_use", "id": "c2", "name": "f"},
                ]},
                {"role": "user", "content": [
                    {"type": "text", "text": "here"},
                    {"type": "tool_result", "tool_use_id": "c1",
                     "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "is_error": true},
                    {"type": "text", "text": "so"},
                ]},
        ]}),
    );
    let messages = vec![
        calling("a", [call("c1", "f", "{}"), call("c2", "f", "")]),
        user("here"),
        result("c1", "12", false),
        result("c2", "", true),
        user("so"),
    ];
    assert_eq!(got.prompt, Prompt::Messages(messages.into()));
    // A choice of none that could be made does no harm; a completion cannot call anything.
    let got = read(OpenAiCompletions, &json!({"model": "m", "prompt": "p", "tools": []}));
    assert_eq!(got.tools, None);
    let user = json!([{"role": "user", "content": "u"}]);
    let got = read(OpenAiChat, &json!({"model": "m", "messages": user, "tool_choice": "none"}));
    assert_eq!(got.tools, None);
}

#[test]
fn bad_tools_are_named() {
    let check = |format, body: &Value, param: &str| {
        let error = parse_request(format, body.to_string().as_bytes()).expect_err(param);
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {error}");
        assert!(error.message.contains(param) && !error.message.contains("PRIVATE"), "{error}");
    };
    let with = |name: &str, value: Value| {
        let mut body = json!({
            "model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "PRIVATE"}],
        });
        body[name] = value;
        body
    };
    let chat = |name, value, param| check(OpenAiChat, &with(name, value), param);
    let function = |members: Value| json!([{"type": "function", "function": members}]);
    chat("tools", json!("PRIVATE"), "tools");
    chat("tools", json!(["PRIVATE"]), "tools[0]");
    chat("tools", json!([{"type": "custom", "custom": {}}]), "tools[0].type");
    chat("tools", json!([{"type": "function"}]), "tools[0].function");
    chat("tools", function(json!({})), "tools[0].function.name");
    let schema = json!({"name": "f", "parameters": "PRIVATE"});
    chat("tools", function(schema), "tools[0].function.parameters");
    chat("tools", function(json!({"name": "f", "strict": 1})), "tools[0].function.strict");
    chat("functions", json!([{"name": "f"}]), "functions");
    chat("tool_choice", json!("required"), "tool_choice");
    chat("tool_choice", json!("PRIVATE"), "tool_choice");
    chat("tool_choice", json!({"type": "allowed_tools"}), "tool_choice");
    let named = json!({"type": "function", "function": {"name": "PRIVATE"}});
    chat("tool_choice", named, "tool_choice");
    chat("parallel_tool_calls", json!(1), "parallel_tool_calls");
    let says = |message: Value| json!([message]);
    let calls = |call: Value| says(json!({"role": "assistant", "tool_calls": [call]}));
    chat("messages", calls(json!({"id": "c"})), "messages[0].tool_calls[0].function");
    let nameless = json!({"id": "c", "function": {}});
    chat("messages", calls(nameless), "messages[0].tool_calls[0].function.name");
    chat("messages", calls(json!({"function": {"name": "f"}})), "messages[0].tool_calls[0].id");
    chat("messages", calls(json!({"type": "PRIVATE"})), "messages[0].tool_calls[0].type");
    let object = json!({"id": "c", "function": {"name": "f", "arguments": {}}});
    chat("messages", calls(object), "messages[0].tool_calls[0].function.arguments");
    let orphan = says(json!({"role": "tool", "content": "PRIVATE"}));
    chat("messages", orphan, "messages[0].tool_call_id");
    let old = says(json!({"role": "assistant", "function_call": {"name": "PRIVATE"}}));
    chat("messages", old, "messages[0].function_call");
    let old = says(json!({"role": "function", "name": "f", "content": "PRIVATE"}));
    chat("messages", old, "messages[0].role");

    let messages = |name, value, param| check(AnthropicMessages, &with(name, value), param);
    let hosted = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    messages("tools", hosted, "tools[0].type");
    messages("tools", json!([{"name": "f"}]), "tools[0].input_schema");
    messages("tools", json!([{"name": "f", "input_schema": []}]), "tools[0].input_schema");
    messages("tool_choice", json!("auto"), "tool_choice");
    messages("tool_choice", json!({"type": "PRIVATE"}), "tool_choice.type");
    messages("tool_choice", json!({"type": "tool"}), "tool_choice.name");
    messages("tool_choice", json!({"type": "any"}), "tool_choice");
    let block = |role: &str, block: Value| says(json!({"role": role, "content": [block]}));
    let image = json!({"type": "image", "source": {}});
    messages("messages", block("user", image.clone()), "messages[0].content[0].type");
    messages("messages", block("assistant", image.clone()), "messages[0].content[0].type");
    messages("messages", block("user", json!({"type": "text"})), "messages[0].content[0].text");
    let unnamed = json!({"type": "tool_result", "content": "PRIVATE"});
    messages("messages", block("user", unnamed), "messages[0].content[0].tool_use_id");
    let seen = json!({"type": "tool_result", "tool_use_id": "c", "content": [image]});
    messages("messages", block("user", seen), "messages[0].content[0].content[0]");
    let text = json!({"type": "tool_use", "id": "c", "name": "f", "input": "PRIVATE"});
    messages("messages", block("assistant", text), "messages[0].content[0].input");
    let prompt = json!({"model": "m", "prompt": "PRIVATE", "tools": [{}]});
    check(OpenAiCompletions, &prompt, "tools");
}

#[test]
fn tools_that_a_format_cannot_express_are_an_error_with_a_hint() {
    let check = |format, request: &Request, error: EncodeError| {
        assert_eq!(encode_request(format, request, &RequestOptions::default()), Err(error));
        assert!(error.to_string().contains("; "), "{error}");
    };
    let tools = both(ToolChoice::Auto, None);
    let text = Request { prompt: Prompt::Text("p".into()), ..asking(tools.clone(), Vec::new()) };
    check(OpenAiCompletions, &text, EncodeError::Tools);
    for broken in ["[]", "{", "x", r#"{} , "a": {}"#] {
        let tool = Tool { parameters: Some(broken.into()), ..clock() };
        let tools = Tools { offered: Arc::new([tool]), ..tools.clone() };
        for format in [OpenAiChat, AnthropicMessages] {
            check(format, &asking(tools.clone(), vec![user("u")]), EncodeError::Schema);
        }
        let cut_off = vec![user("u"), calling("", [call("c", "clock", broken)])];
        let cut_off = Request { tools: None, ..asking(tools, cut_off) };
        check(AnthropicMessages, &cut_off, EncodeError::Arguments);
        assert!(encode_request(OpenAiChat, &cut_off, &RequestOptions::default()).is_ok());
    }
}
