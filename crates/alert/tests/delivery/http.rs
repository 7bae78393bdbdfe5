//! The three forms of HTTP message, and what is said where one is not taken.

use std::time::Duration;

use alert::notify::Surroundings;
use alert::{DeliveryError, Message};
use testkit::server::unused_address;
use testkit::{Ending, FakeServer, Received, Reply};

use crate::{START, message, receiver};

fn surroundings(server: Option<&FakeServer>) -> Surroundings {
    let pem = server.and_then(FakeServer::certificate_pem).map(|pem| pem.as_bytes().to_vec());
    Surroundings::new(pem, Some("https://prony.example".into())).expect("it is sound")
}

async fn deliver(settings: &str, message: &Message) -> Result<(), DeliveryError> {
    receiver(settings).channel.deliver(message, &surroundings(None), START).await
}

/// The one request that the receiver of `kind` sends to `url`, and its body in lines.
async fn request_of(kind: &str, rest: &str) -> (Received, String) {
    let server = FakeServer::start([Reply::status(200)]).await;
    let url = format!("{}/hook", server.url());
    deliver(&format!("name = 'ops'\nkind = '{kind}'\nurl = '{url}'\n{rest}"), &message())
        .await
        .expect("it is taken");
    let [received] = server.finish().try_into().expect("one request");
    let body: serde_json::Value = serde_json::from_str(received.text()).expect("it is JSON");
    let body = serde_json::to_string_pretty(&body).expect("it is JSON");
    (received, body)
}

#[tokio::test]
async fn a_webhook_has_the_form_of_alertmanagers() {
    let (received, body) = request_of("webhook", "authorization = { env = 'Bearer key' }").await;
    assert_eq!(received.target, "/hook");
    assert_eq!(received.header("authorization"), Some("Bearer key"));
    insta::assert_snapshot!(body);
}

#[tokio::test]
async fn a_slack_message_is_escaped_and_coloured() {
    let (received, body) = request_of("slack", "").await;
    assert_eq!(received.header("authorization"), None);
    insta::assert_snapshot!(body);
}

#[tokio::test]
async fn an_alertmanager_is_told_until_when_to_believe_it() {
    let (received, body) = request_of("alertmanager", "").await;
    assert_eq!(received.target, "/hook/api/v2/alerts");
    insta::assert_snapshot!(body);
}

#[tokio::test]
async fn long_messages_are_cut_where_slack_would_hide_them() {
    let server = FakeServer::start([Reply::status(200)]).await;
    let mut long = message();
    long.notices = vec![long.notices[0].clone(); 25];
    let settings = format!("name = 'ops'\nkind = 'slack'\nurl = '{}'\n", server.url());
    deliver(&settings, &long).await.expect("it is taken");
    let [received] = server.finish().try_into().expect("one request");
    let body: serde_json::Value = serde_json::from_str(received.text()).expect("it is JSON");
    let attachments = body["attachments"].as_array().expect("a list");
    assert_eq!(attachments.len(), 21);
    assert_eq!(attachments[20]["text"], "and 5 more");
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_checked() {
    let server = FakeServer::builder().reply(Reply::status(204)).tls().start().await;
    let settings = format!("name = 'ops'\nkind = 'webhook'\nurl = '{}/hook'\n", server.url());
    let untrusted = deliver(&settings, &message()).await.expect_err("nobody signed it");
    assert!(untrusted.message.contains("TLS failed: invalid peer certificate"), "{untrusted}");
    let channel = receiver(&settings).channel;
    let trusting = surroundings(Some(&server));
    channel.deliver(&message(), &trusting, START).await.expect("it is trusted");
    assert_eq!(server.finish().len(), 1);
}

#[tokio::test]
async fn what_went_wrong_is_said_without_any_secret() {
    const SECRET: &str = "Bearer hunter2hunter2";
    let quoting = r#"{"error":"no hook /T0/s3cr3t for hunter2hunter2"}"#;
    for (reply, said, retry_after) in [
        (
            Reply::json(403, &[], quoting),
            "HTTP 403 Forbidden: {\"error\":\"no hook [redacted] for [redacted]\"}; check the URL \
             and `authorization`",
            None,
        ),
        (
            Reply::status(429).header("retry-after", "120"),
            "HTTP 429 Too Many Requests",
            Some(Duration::from_secs(120)),
        ),
        (
            Reply::status(301).header("location", "https://elsewhere.example"),
            "HTTP 301 Moved Permanently; redirects are not followed, set the URL it leads to",
            None,
        ),
        (Reply::status(500).bytes("a\n  b"), "HTTP 500 Internal Server Error: a b", None),
        (
            Reply::raw("HTTP/1.1 2000 OK\r\n\r\n"),
            "the connection broke: invalid HTTP status-code parsed",
            None,
        ),
        (Reply::raw("").ending(Ending::Reset), "the connection broke: connection error", None),
    ] {
        let server = FakeServer::start([reply]).await;
        let settings = format!(
            "name = 'ops'\nkind = 'webhook'\nurl = '{}/T0/s3cr3t'\n\
             authorization = {{ env = '{SECRET}' }}\n",
            server.url()
        );
        let error = deliver(&settings, &message()).await.expect_err(said);
        assert_eq!(error.message, format!("{}: {said}", server.url()));
        assert_eq!(error.retry_after, retry_after);
    }
    let nobody = format!("http://{}", unused_address());
    let settings = format!("name = 'ops'\nkind = 'webhook'\nurl = '{nobody}/T0/s3cr3t'\n");
    let error = deliver(&settings, &message()).await.expect_err("nobody listens");
    assert_eq!(
        error.message,
        format!("{nobody}: cannot connect: Connection refused (os error 111)")
    );
}
