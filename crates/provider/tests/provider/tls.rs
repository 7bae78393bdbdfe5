//! Who is trusted, and what is said where one side speaks TLS and the other does not.

use domain::{ConnectStage, FailureKind};
use provider::{HttpVersion, Provider, Target, TargetError};
use testkit::{FakeServer, FakeServerBuilder, Step};

use crate::check::{Outcome, hello, provider, request, send, target};

async fn ask(builder: FakeServerBuilder, change: impl FnOnce(&mut Target)) -> Outcome {
    let server = builder.lenient().otherwise(hello()).start().await;
    let mut target = target(&server);
    change(&mut target);
    send(&provider(target), &request(0)).await
}

fn secure() -> FakeServerBuilder {
    FakeServer::builder().tls()
}

#[tokio::test]
async fn a_certificate_counts_if_its_authority_is_trusted_or_none_is_needed() {
    let trusted = ask(secure(), |_| {}).await;
    trusted.is_hello();
    let handshake = trusted.sink.steps.iter().find_map(|step| match step {
        Step::Connected(cost) => cost.secure,
        _ => None,
    });
    assert!(handshake.is_some_and(|took| !took.is_zero()), "the handshake is timed");

    let untrusted = ask(secure(), |target| target.tls.authorities_pem = None).await;
    let failure = untrusted.failure();
    assert_eq!(failure.kind, FailureKind::Connect(ConnectStage::Tls));
    assert!(failure.message.contains("trust the authority"), "{failure}");

    let insecure = ask(secure(), |target| {
        target.tls.authorities_pem = None;
        target.tls.insecure = true;
    });
    insecure.await.is_hello();

    let misnamed = ask(secure(), |target| target.url.host = "127.0.0.2".into()).await;
    assert!(matches!(misnamed.failure().kind, FailureKind::Connect(_)), "{:?}", misnamed.failure());
}

#[tokio::test]
async fn speaking_past_each_other_gets_a_hint() {
    let plain = || FakeServer::builder();
    let (tls, malformed) = (FailureKind::Connect(ConnectStage::Tls), FailureKind::Malformed);
    let one = HttpVersion::Http1;
    let two = HttpVersion::Http2;
    for (builder, secure, http, kind, part) in [
        (secure(), false, one, malformed, "use https://"),
        (plain().http2(), false, one, malformed, "choose HTTP/2"),
        (plain(), false, two, malformed, "choose HTTP/1.1"),
        (secure().http2(), true, one, tls, "offers no HTTP/1.1, choose HTTP/2"),
        (secure(), true, two, tls, "offers no HTTP/2, choose HTTP/1.1"),
        (plain().http2(), true, one, tls, "TLS on this port"),
    ] {
        let outcome = ask(builder, |target| {
            target.url.secure = secure;
            target.tls.insecure = true;
            target.http = http;
        })
        .await;
        let failure = outcome.failure();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.message.contains(part), "{failure} should mention {part}");
    }
}

#[tokio::test]
async fn a_server_that_answers_tls_with_plain_http_gets_a_hint() {
    // As nginx and its like do: a refusal in plain text.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut socket, _) = listener.accept().expect("a client comes");
        socket.read_exact(&mut [0; 64]).expect("it says hello");
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it listens");
    });
    let target = crate::check::target_at(&format!("https://{address}"));
    let outcome = send(&provider(target), &request(0)).await;
    server.join().expect("the server is done");
    let failure = outcome.failure();
    assert_eq!(failure.kind, FailureKind::Connect(ConnectStage::Tls));
    assert!(failure.message.contains("is it http://?"), "{failure}");
}

#[test]
fn a_file_without_a_certificate_is_refused_at_once() {
    let mut target = crate::check::target_at("https://127.0.0.1:1");
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
        target.tls.authorities_pem = Some(pem.as_bytes().to_vec());
        let made = Provider::new(target.clone(), std::sync::Arc::new(domain::SystemClock));
        assert!(matches!(made, Err(TargetError::Certificate(_))), "{pem}");
    }
}
