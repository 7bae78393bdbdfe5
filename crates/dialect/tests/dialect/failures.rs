//! Answers with an error status, in the shape of each server.

use std::time::Duration;

use dialect::failure::from_response;
use domain::{Failure, FailureKind};

use FailureKind::{Overloaded, RateLimited, Rejected, ServerError, Timeout, Unauthorized};

fn respond(status: u16, headers: &[(&str, &str)], body: &str) -> Failure {
    let header = |name: &str| headers.iter().find(|(own, _)| *own == name).map(|(_, value)| *value);
    from_response(status, header, body.as_bytes(), 784_111_777)
}

#[test]
fn the_server_s_message_is_found_in_every_shape() {
    let check = |body: &str, expected: &str| {
        assert_eq!(respond(400, &[], body).message, expected, "{body}");
    };
    // OpenAI, and vLLM with a number for a code.
    check(r#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#, "m");
    check(r#"{"error":{"message":"m","type":"BadRequestError","code":400}}"#, "m");
    // Anthropic.
    check(r#"{"type":"error","error":{"type":"t","message":"m"},"request_id":"r"}"#, "m");
    // Older vLLM, SGLang; Bedrock; Ollama; TGI.
    check(r#"{"object":"error","message":"m","type":"t","param":null,"code":400}"#, "m");
    check(r#"{"message":"m"}"#, "m");
    check(r#"{"error":"m"}"#, "m");
    check(r#"{"error":"m","error_type":"validation"}"#, "m");
    // FastAPI, whose `input` would echo the request.
    check(r#"{"detail":"m"}"#, "m");
    check(r#"{"detail":[{"type":"missing","loc":["body"],"msg":"m","input":"prompt"}]}"#, "m");
    // Plain text; but no web page, and nothing from an empty body.
    check("no healthy\n  upstream\r\n", "no healthy upstream");
    check("<html><body>oops</body></html>", "the server answered with status 400");
    check("", "the server answered with status 400");
    check(r#"{"error":{"message":""}}"#, "the server answered with status 400");
    // One line without control characters, and of bounded length.
    check("{\"error\":\"a\\n\\tb\\u0007c\\u001b[31m\"}", "a b c [31m");
    let long = respond(400, &[], &format!(r#"{{"error":"{}"}}"#, "é ".repeat(400))).message;
    assert_eq!((long.chars().count(), long.ends_with('…')), (301, true));
}

#[test]
fn the_status_decides_the_kind_and_whether_to_try_again() {
    let check = |status, kind, retryable| {
        let failure = respond(status, &[], r#"{"error":{"message":"m"}}"#);
        let got = (failure.kind, failure.retryable, failure.status);
        assert_eq!(got, (kind, retryable, Some(status)), "{status}");
    };
    check(400, Rejected, false);
    check(401, Unauthorized, false);
    check(403, Unauthorized, false);
    check(404, Rejected, false);
    check(408, Timeout, true);
    check(409, Rejected, true);
    check(413, Rejected, false);
    check(422, Rejected, false);
    check(429, RateLimited, true);
    check(500, ServerError, true);
    check(502, ServerError, true);
    check(503, Overloaded, true);
    check(504, ServerError, true);
    check(529, Overloaded, true);
    check(302, ServerError, false);
    // The server's own word wins, but money does not come back by itself.
    assert!(!respond(500, &[("x-should-retry", "false")], "").retryable);
    assert!(respond(400, &[("x-should-retry", "true")], "").retryable);
    let spent =
        r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let failure = respond(429, &[("x-should-retry", "true")], spent);
    assert_eq!((failure.kind, failure.retryable), (RateLimited, false));
    let unpaid = r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#;
    assert!(!respond(429, &[], unpaid).retryable);
}

#[test]
fn a_hint_says_what_to_check() {
    let check = |status, hint: &str| {
        let message = respond(status, &[], r#"{"error":{"message":"no"}}"#).message;
        assert!(message.starts_with("no (") && message.contains(hint), "{message}");
    };
    check(401, "check the API key");
    check(403, "may not do this");
    check(404, "GET /v1/models lists the models");
}

#[test]
fn the_wait_asked_for_is_read_in_every_form() {
    let check = |headers: &[(&str, &str)], expected: Option<u64>| {
        let got = respond(429, headers, "").retry_after;
        assert_eq!(got, expected.map(Duration::from_millis), "{headers:?}");
    };
    check(&[], None);
    check(&[("retry-after", "7")], Some(7_000));
    check(&[("retry-after", " 0.25 ")], Some(250));
    check(&[("retry-after", "7"), ("retry-after-ms", "1200")], Some(1_200));
    check(&[("retry-after", "7"), ("retry-after-ms", "soon")], Some(7_000));
    // The clock stands at Sun, 06 Nov 1994 08:49:37 GMT.
    check(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60_000));
    check(&[("retry-after", "Tue, 29 Feb 2000 00:00:00 GMT")], Some(167_670_623_000));
    check(&[("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT")], Some(0));
    // A limit that is used up says when it starts anew: the last of them counts.
    let requests =
        |left| [("x-ratelimit-remaining-requests", left), ("x-ratelimit-reset-requests", "6m0.5s")];
    let tokens = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "120ms")];
    check(&requests("0"), Some(360_500));
    check(&requests("1"), None);
    check(&tokens, Some(120));
    check(&[requests("0"), tokens].concat(), Some(360_500));
    check(&[requests("1"), tokens].concat(), Some(120));
    check(&[&tokens[..], &[("retry-after", "7")]].concat(), Some(7_000));
    for nonsense in ["", "soon", "5", "s", "1x", "-1s", "1s2"] {
        check(&[tokens[0], ("x-ratelimit-reset-tokens", nonsense)], None);
    }
    check(
        &[
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "1994-11-06T08:50:00Z"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "1994-11-06T08:59:00Z"),
        ],
        Some(23_000),
    );
    assert_eq!(respond(503, &tokens, "").retry_after, None, "another matter than the limit");
    // Google says it in the body, which may be a list.
    let google = r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.Help"},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}"#;
    for body in [google.to_owned(), format!("[{google}]")] {
        let failure = respond(429, &[], &body);
        assert_eq!(failure.retry_after, Some(Duration::from_millis(34_400)));
        assert_eq!((failure.kind, &*failure.message), (RateLimited, "m"));
    }
    // Anthropic, overloaded, may say so too.
    assert_eq!(respond(529, &[("retry-after", "3")], "").retry_after, Some(Duration::from_secs(3)));
    let nonsense = ["", "soon", "-1", "nan", "1e400", "Sun, 06 Nov 1994 08:49:37 PST"];
    for value in nonsense.into_iter().chain(["Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994"]) {
        check(&[("retry-after", value)], None);
    }
}
