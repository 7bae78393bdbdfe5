//! Every kind of failure is told apart, says what to do, and quotes no secret.

use domain::{ConnectStage, Failure, FailureKind, Secret};
use testkit::{Ending, FakeServer, Framing, Reply, server::unused_address};

use crate::check::{ask, events, hello, provider, request, send, target, target_at};

fn error(status: u16, message: &str, kind: &str) -> Reply {
    let body = format!(r#"{{"error":{{"message":"{message}","type":"{kind}","code":"{kind}"}}}}"#);
    Reply::json(status, &[], &body)
}

#[track_caller]
fn check(failure: &Failure, kind: FailureKind, retryable: bool, part: &str) {
    assert_eq!((failure.kind, failure.retryable), (kind, retryable), "{failure}");
    assert!(failure.message.contains(part), "{failure:?} should mention {part:?}");
}

#[tokio::test]
async fn refusals_are_told_apart_by_status() {
    for (reply, kind, retryable, part) in [
        (error(400, "max_tokens is too large", "x"), FailureKind::Rejected, false, "max_tokens"),
        (error(401, "bad key", "invalid_api_key"), FailureKind::Unauthorized, false, "API key"),
        (error(403, "no access", "x"), FailureKind::Unauthorized, false, "no access"),
        (error(404, "no such model", "x"), FailureKind::Rejected, false, "/v1/models"),
        (Reply::status(408), FailureKind::Timeout, true, "408"),
        (error(413, "too long", "x"), FailureKind::Rejected, false, "too long"),
        (error(429, "slow down", "requests"), FailureKind::RateLimited, true, "slow down"),
        (error(429, "pay", "insufficient_quota"), FailureKind::RateLimited, false, "pay"),
        (error(500, "oops", "server_error"), FailureKind::ServerError, true, "oops"),
        (Reply::status(502).bytes("<html>"), FailureKind::ServerError, true, "502"),
        (error(503, "loading", "x"), FailureKind::Overloaded, true, "loading"),
        (error(529, "busy", "overloaded_error"), FailureKind::Overloaded, true, "busy"),
        (
            Reply::status(308).header("location", "https://new.example/v1"),
            FailureKind::ServerError,
            false,
            "https://new.example/v1",
        ),
    ] {
        check(ask([reply]).await.failure(), kind, retryable, part);
    }
}

#[tokio::test]
async fn an_answer_that_goes_wrong_is_told_apart_by_how() {
    let format = domain::WireFormat::OpenAiChat;
    let part = &events(format)[..3];
    let stream = |last: &str| Reply::sse(&[part, &[last]].concat());
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let many = "x-filler: 0123456789\r\n".repeat(90);
    let long = format!("{head}x-long: {}\r\n\r\n", "x".repeat(70_000));
    for (reply, kind, want) in [
        (stream(r#"data: {"error":{"message":"gpu lost"}}"#), FailureKind::InStream, "gpu lost"),
        (
            stream(r#"data: {"error":{"message":"full","type":"overloaded_error"}}"#),
            FailureKind::Overloaded,
            "full",
        ),
        (stream("data: {\"choices\":[{"), FailureKind::Malformed, ""),
        (Reply::sse(part), FailureKind::Truncated, "end mark"),
        (Reply::sse(part).ending(Ending::Truncate), FailureKind::Truncated, ""),
        (Reply::sse(part).ending(Ending::Reset), FailureKind::Truncated, "connection broke"),
        (
            Reply::json(200, &[], "{\"choices\":").ending(Ending::Truncate),
            FailureKind::Truncated,
            "before the answer's end",
        ),
        (Reply::json(200, &[], "{\"choices\":"), FailureKind::Malformed, ""),
        (
            Reply::status(200).header("content-type", "text/html").bytes("<html>"),
            FailureKind::Malformed,
            "web page",
        ),
        (
            Reply::raw(format!("{head}transfer-encoding: chunked\r\n\r\nxyz\r\n")),
            FailureKind::Malformed,
            "chunked framing",
        ),
        (
            Reply::raw(format!("{head}content-length: -1\r\n\r\n")),
            FailureKind::Malformed,
            "content-length",
        ),
        (Reply::raw("SSH-2.0-OpenSSH\r\n"), FailureKind::Malformed, "right port"),
        (Reply::raw(long), FailureKind::Malformed, "64 KiB"),
        (Reply::raw(format!("{head}{many}")).ending(Ending::Close), FailureKind::Truncated, "head"),
        (Reply::raw("").ending(Ending::Close), FailureKind::Truncated, "without answering"),
        (Reply::status(204), FailureKind::Truncated, ""),
    ] {
        let server = FakeServer::builder().lenient().reply(reply).start().await;
        let outcome = send(&provider(target(&server)), &request(0)).await;
        check(outcome.failure(), kind, true, want);
    }
}

#[tokio::test]
async fn a_stream_that_said_why_it_ended_survives_a_rough_end() {
    let format = domain::WireFormat::OpenAiChat;
    let without_mark = &events(format)[..5];
    for reply in [
        Reply::sse(without_mark),
        Reply::sse(without_mark).ending(Ending::Truncate),
        Reply::sse(without_mark).framing(Framing::UntilClose),
    ] {
        ask([reply]).await.is_hello();
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_says_at_which_step() {
    let nowhere = format!("http://{}", unused_address());
    let no_name = format!("http://{}.invalid", "a".repeat(64));
    for (url, stage) in [(nowhere, ConnectStage::Tcp), (no_name, ConnectStage::Resolve)] {
        let outcome = send(&provider(target_at(&url)), &request(0)).await;
        let kind = FailureKind::Connect(stage);
        assert_eq!(outcome.failure().kind, kind, "{:?}", outcome.failure());
        assert_eq!(outcome.steps(), [""; 0]);
        let prepared = domain::Model::prepare(&provider(target_at(&url))).await;
        assert_eq!(prepared.expect_err("nobody there").kind, kind);
    }
}

#[tokio::test]
async fn what_a_format_cannot_say_is_refused_before_it_is_sent() {
    let server = FakeServer::start([]).await;
    let mut request = request(0);
    request.ignore_eos = true;
    let outcome = send(&provider(target(&server)), &request).await;
    check(outcome.failure(), FailureKind::Rejected, false, "ignore");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_refusal_before_the_request_was_read_is_still_heard() {
    // A server that answers after the head alone and hangs up on the rest of a long body.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut socket, _) = listener.accept().expect("a client");
        socket.read_exact(&mut [0; 1024]).expect("a request");
        let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 8\r\n\r\ntoo long";
        socket.write_all(answer).expect("the client listens");
    });
    let mut request = request(0);
    request.prompt = domain::Prompt::Text("x".repeat(16 << 20).into());
    let outcome = send(&provider(target_at(&format!("http://{address}"))), &request).await;
    server.join().expect("the server is done");
    check(outcome.failure(), FailureKind::Rejected, false, "too long");
}

#[tokio::test]
async fn secrets_stay_out_of_messages_and_debug_output() {
    let echo = "no user for sk-secret-1 or token-secret-2";
    let server = FakeServer::start([error(401, echo, "x"), hello()]).await;
    let mut target = target(&server);
    target.key = Some(Secret::new("sk-secret-1"));
    target.headers = vec![("x-proxy-auth".into(), "Bearer token-secret-2".into())];
    let provider = provider(target.clone());
    let outcome = send(&provider, &request(0)).await;
    check(outcome.failure(), FailureKind::Unauthorized, false, "no user for [redacted] or [red");
    send(&provider, &request(1)).await.is_hello();
    let shown = format!("{target:?} {provider:?}");
    assert!(!shown.contains("secret-"), "{shown}");
    assert!(shown.contains("x-proxy-auth"), "{shown}");
}

#[tokio::test]
async fn a_refusal_however_long_is_a_refusal() {
    let long = format!("{}{}", r#"{"error":{"message":"slow down"}}"#, " ".repeat(200_000));
    let failure = ask([Reply::json(429, &[], &long)]).await.failure().clone();
    check(&failure, FailureKind::RateLimited, true, "slow down");
    let failure = ask([Reply::status(503).bytes("x".repeat(200_000))]).await.failure().clone();
    check(&failure, FailureKind::Overloaded, true, "xxx");
}
