//! What is sent, and that an answer comes through however it is framed and split.

use domain::{ChunkKind, Secret, WireFormat};
use testkit::{Ending, FakeServer, Framing, OwnedPayload, Reply, Step};

use crate::check::{FORMATS, ask, events, provider, request, send, target, whole};

async fn sent(format: WireFormat, change: impl FnOnce(&mut provider::Target)) -> String {
    let server = FakeServer::start([Reply::sse(events(format))]).await;
    let mut target = target(&server);
    target.format = format;
    target.key = Some(Secret::new("key-1"));
    change(&mut target);
    send(&provider(target), &request(7)).await.is_hello();
    let authority = server.address().to_string();
    let received = server.finish().remove(0);
    let head = String::from_utf8(received.raw_head.clone()).expect("ASCII");
    let head = head.replace(&authority, "HOST").replace(env!("CARGO_PKG_VERSION"), "VERSION");
    format!("{}{}", head.replace("\r\n", "\n"), received.text())
}

#[tokio::test]
async fn requests_are_sent_byte_for_byte() {
    let head = |path: &str, own: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\nhost: HOST\ncontent-type: application/json\naccept: */*\n\
             user-agent: prony/VERSION\n{own}x-request-id: 00000000000000ab-7\n\
             content-length: {length}\n\n"
        )
    };
    let chat = r#"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"max_tokens":2,"stream":true}"#;
    let text = r#"{"model":"tiny","prompt":"Hi","max_tokens":2,"stream":true}"#;
    let bearer = "authorization: Bearer key-1\n";
    let anthropic = "x-api-key: key-1\nanthropic-version: 2023-06-01\n";
    for (format, path, own, body) in [
        (WireFormat::OpenAiChat, "/v1/chat/completions", bearer, chat),
        (WireFormat::OpenAiCompletions, "/v1/completions", bearer, text),
        (WireFormat::AnthropicMessages, "/v1/messages", anthropic, chat),
    ] {
        let want = format!("{}{body}", head(path, own, body.len()));
        assert_eq!(sent(format, |_| {}).await, want);
    }
}

#[tokio::test]
async fn the_users_headers_and_path_win() {
    let wire = sent(WireFormat::OpenAiChat, |target| {
        target.url.prefix = "/proxy".into();
        target.headers = vec![
            ("Authorization".into(), "Basic abc".into()),
            ("X-Team".into(), "latency".into()),
            ("Accept".into(), "text/event-stream".into()),
        ];
    })
    .await;
    assert!(wire.starts_with("POST /proxy/v1/chat/completions HTTP/1.1\n"), "{wire}");
    assert!(
        wire.contains(
            "user-agent: prony/VERSION\nauthorization: Basic abc\nx-team: latency\n\
             accept: text/event-stream\nx-request-id: "
        ),
        "{wire}"
    );
    assert!(!wire.contains("key-1") && !wire.contains("*/*"), "{wire}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_comes_through_in_every_framing_and_split() {
    let pause = std::time::Duration::from_millis(1);
    for format in FORMATS {
        for framing in [Framing::Chunked, Framing::Length, Framing::UntilClose] {
            for size in [1, 2, 3, 7, 64, 100_000] {
                let reply = Reply::sse(events(format)).cut(size).paced(pause).framing(framing);
                let server = FakeServer::start([reply]).await;
                let mut target = target(&server);
                target.format = format;
                let outcome = send(&provider(target), &request(0)).await;
                outcome.is_hello();
                assert_eq!(outcome.sink.token_arrivals().len(), 2, "{format:?} {framing:?} {size}");
                assert_eq!(outcome.steps(), ["connected", "sent", "headers"]);
            }
        }
    }
}

#[tokio::test]
async fn an_unstreamed_answer_is_one_chunk_in_every_framing() {
    for format in FORMATS {
        for framing in [Framing::Chunked, Framing::Length, Framing::UntilClose] {
            let reply = Reply::json(200, &[("request-id", "req_1")], whole(format));
            let server = FakeServer::start([reply.framing(framing)]).await;
            let mut target = target(&server);
            target.format = format;
            let mut request = request(0);
            request.stream = false;
            let outcome = send(&provider(target), &request).await;
            outcome.is_hello();
            let body = OwnedPayload::Wire { format, data: whole(format).into() };
            assert_eq!(outcome.sink.payloads(ChunkKind::Content), [&body], "as it came");
            assert_eq!(outcome.sink.kinds().len(), 1);
            assert_eq!(outcome.sink.server_request_id(), Some("req_1"));
        }
    }
}

#[tokio::test]
async fn an_unstreamed_answer_without_text_comes_through_too() {
    for (content, kind) in [
        (r#""content":"""#, ChunkKind::Other),
        (r#""content":null,"reasoning":"hm""#, ChunkKind::Reasoning),
        (r#""tool_calls":[{"id":"c","function":{"name":"f"}}]"#, ChunkKind::ToolCall),
    ] {
        let body = format!(r#"{{"choices":[{{"message":{{{content}}},"finish_reason":"stop"}}]}}"#);
        let outcome = ask([Reply::json(200, &[], &body)]).await;
        assert_eq!(outcome.sink.kinds(), [kind]);
        assert_eq!(outcome.sink.payloads(kind)[0].lossy(), body);
    }
}

#[tokio::test]
async fn the_answers_own_form_counts_not_the_one_asked_for() {
    for format in FORMATS {
        let unlabelled =
            events(format).iter().fold(Reply::status(200), |reply, event| reply.event(event));
        for (reply, asked, streamed) in [
            (Reply::json(200, &[], whole(format)), true, false),
            (Reply::json(200, &[], whole(format)), false, false),
            (Reply::sse(events(format)), true, true),
            (Reply::sse(events(format)), false, true),
            (unlabelled, true, true),
        ] {
            let server = FakeServer::start([reply]).await;
            let mut target = target(&server);
            target.format = format;
            let request = domain::Request { stream: asked, ..request(0) };
            let outcome = send(&provider(target), &request).await;
            outcome.is_hello();
            assert_eq!(outcome.sink.streamed(), Some(streamed), "{format:?}, asked: {asked}");
        }
    }
    let refused = ask([Reply::json(503, &[], "{}")]).await;
    assert_eq!(refused.sink.streamed(), Some(true), "a refusal is not told apart from a stream");
}

#[tokio::test(start_paused = true)]
async fn interim_answers_and_odd_heads_are_passed_over() {
    let body = events(WireFormat::OpenAiChat).join("\n\n");
    let wire = format!(
        "HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n\
         HTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 200 \r\nContent-Type:text/event-stream\r\nCONTENT-LENGTH:  {} \r\n\r\n{body}",
        body.len()
    );
    for size in [1, 10, 100, 10_000] {
        let pause = std::time::Duration::from_millis(1);
        let reply = Reply::raw(wire.clone()).cut(size).paced(pause).ending(Ending::Close);
        let outcome = ask([reply]).await;
        outcome.is_hello();
        assert_eq!(outcome.steps(), ["connected", "sent", "headers"], "split every {size}");
    }
}

#[tokio::test]
async fn a_head_in_one_read_with_its_body_has_the_same_arrival() {
    let outcome = ask([Reply::json(200, &[], whole(WireFormat::OpenAiChat))]).await;
    let headers = outcome.sink.steps.iter().find_map(|step| match step {
        Step::Headers { at, .. } => Some(*at),
        _ => None,
    });
    let completion = outcome.result.expect("an answer");
    assert_eq!(headers, Some(completion.finished));
    assert!(completion.finished.arrived <= completion.finished.read);
}
