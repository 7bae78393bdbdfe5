//! What a server says of itself, asked over either HTTP.

use std::sync::Arc;
use std::time::Duration;

use domain::{FailureKind, Secret, SystemClock};
use provider::HttpVersion;
use provider::probe::{ProbeError, Probed, probe};
use testkit::{FakeServer, Reply, server::unused_address};

use crate::check::{target, target_at};

async fn ask(http: HttpVersion, secure: bool, reply: Reply) -> Result<Probed, ProbeError> {
    let mut builder = FakeServer::builder().on("GET", "/v1/models", reply);
    if http == HttpVersion::Http2 {
        builder = builder.http2();
    }
    let server = if secure { builder.tls() } else { builder }.start().await;
    let mut target = target(&server);
    target.http = http;
    target.key = Some(Secret::new("sk-secret"));
    let answer = probe(&target, Arc::new(SystemClock)).await;
    let received = server.finish().remove(0);
    assert_eq!(received.header("authorization"), Some("Bearer sk-secret"));
    assert!(received.body.is_empty());
    answer
}

#[tokio::test]
async fn a_server_is_asked_for_its_models() {
    let list = r#"{"object":"list","data":[{"id":"tiny","max_model_len":4096}]}"#;
    for http in [HttpVersion::Http1, HttpVersion::Http2] {
        for secure in [false, true] {
            let reply = Reply::json(200, &[("server", "vllm")], list);
            let probed = ask(http, secure, reply).await.expect("it answers");
            let models = probed.models.expect("it lists them");
            assert_eq!((models[0].id.as_str(), models[0].max_model_len), ("tiny", Some(4096)));
            assert_eq!(probed.server.as_deref(), Some("vllm"));

            let none = ask(http, secure, Reply::status(404)).await.expect("it is reachable");
            assert_eq!(none.models, None);

            let refusal = Reply::json(401, &[], r#"{"error":{"message":"bad key sk-secret"}}"#);
            match ask(http, secure, refusal).await {
                Err(ProbeError::Failure(failure)) => {
                    assert_eq!(failure.kind, FailureKind::Unauthorized);
                    assert!(failure.message.contains("[redacted]"), "{failure}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_server_may_be_given_any_time_to_answer() {
    let reply = Reply::json(200, &[], r#"{"data":[]}"#);
    let server = FakeServer::builder().on("GET", "/v1/models", reply).start().await;
    let mut target = target(&server);
    target.timeouts.connect = Duration::MAX;
    probe(&target, Arc::new(SystemClock)).await.expect("it answers");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let target = target_at(&format!("http://{}", unused_address()));
    let failed = probe(&target, Arc::new(SystemClock)).await;
    assert!(
        matches!(failed, Err(ProbeError::Failure(failure)) if matches!(failure.kind, FailureKind::Connect(_)))
    );
}
