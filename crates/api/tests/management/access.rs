//! Who gets in.

use api::management::key::KeyDigest;
use api::management::{CertificateError, Key, Role};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio_rustls::TlsConnector;

use super::*;

/// A key for each role: `key of the ROLE`.
pub(super) fn ring() -> KeyRing {
    let key = |role: Role| {
        let digest = KeyDigest::of(&format!("key of the {}", role.as_str()));
        Key { name: role.as_str().to_owned(), role, digest }
    };
    KeyRing::new(Role::ALL.map(key).into())
}

#[tokio::test]
async fn each_role_may_do_its_part() {
    let desk = Desk::with(ring(), None).await;
    let body = json!({ "models": ["fast"], "concurrent_users": 1, "num_requests": 5 }).to_string();
    let id = "/api/v1/benchmarks/00000000000000ab";
    let [cancel, timeline, resources] =
        ["cancel", "timeline", "resources"].map(|part| format!("{id}/{part}"));
    for (method, path, statuses) in [
        // Without a key, then as viewer, operator, admin.
        ("GET", "/api/v1/status", [401, 200, 200, 200]),
        ("GET", "/api/v1/benchmarks", [401, 200, 200, 200]),
        ("GET", "/api/v1/targets", [401, 200, 200, 200]),
        ("GET", "/api/v1/rollups?from_unix_ms=0&to_unix_ms=1000", [401, 200, 200, 200]),
        ("GET", "/api/v1/availability", [401, 200, 200, 200]),
        ("GET", "/api/v1/alerts", [401, 200, 200, 200]),
        ("GET", &timeline, [401, 404, 404, 404]),
        ("GET", &resources, [401, 404, 404, 404]),
        ("DELETE", "/api/v1/silences/1", [401, 403, 404, 404]),
        ("GET", "/metrics", [401, 200, 200, 200]),
        ("POST", "/api/v1/benchmarks", [401, 403, 202, 202]),
        ("POST", &cancel, [401, 403, 404, 404]),
        ("DELETE", id, [401, 403, 404, 404]),
        ("GET", "/health", [200; 4]),
        ("GET", "/docs", [200; 4]),
        ("GET", "/api/v1/openapi.json", [200; 4]),
        ("GET", "/api/v1/nothing", [404; 4]),
    ] {
        let keys = [None, Some("viewer"), Some("operator"), Some("admin")];
        for (role, status) in keys.into_iter().zip(statuses) {
            let bearer = |role| format!("authorization: Bearer key of the {role}\r\n");
            let key = role.map(bearer).unwrap_or_default();
            let headers = format!("content-type: application/json\r\n{key}");
            let sent = if method == "POST" { &*body } else { "" };
            let answer = desk.call(method, path, &headers, sent).await;
            assert_eq!(answer.status, status, "{method} {path} as {role:?}");
        }
    }
    let viewer = "authorization: Bearer key of the viewer\r\n";
    let status = desk.call("GET", "/api/v1/status", viewer, "").await.json();
    assert_eq!((&status["auth"], &status["role"]), (&json!("key"), &json!("viewer")));
    let refused = desk.call("DELETE", id, viewer, "").await.json();
    assert_eq!(refused["detail"], "the key's role is viewer");
    assert_eq!(refused["hint"], "use a key whose role is operator or more");
    desk.close().await;
}

#[tokio::test]
async fn without_keys_other_sites_pages_get_nothing() {
    let desk = Desk::new().await;
    let body = json!({ "models": ["fast"], "concurrent_users": 1, "num_requests": 5 });
    let foreign = desk.post("/api/v1/benchmarks", "origin: https://evil.example\r\n", &body).await;
    assert_eq!(foreign.status, 403);
    let own = format!("origin: http://{}\r\n", desk.address);
    assert_eq!(desk.post("/api/v1/benchmarks", &own, &body).await.status, 202);
    let rebound =
        "GET /api/v1/benchmarks HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(Answer::read(desk.send(rebound).await).await.status, 403);
    desk.close().await;
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_slowed_down() {
    let desk = Desk::new().await;
    let request = format!("GET /api/v1/status HTTP/1.1\r\nhost: {}\r\n", desk.address);
    // The clock stands still, so that nothing is saved up meanwhile.
    let many = format!("{request}\r\n").repeat(300) + &request + "connection: close\r\n\r\n";
    let mut socket = desk.send(&many).await;
    let mut text = String::new();
    socket.read_to_string(&mut text).await.expect("it closes in order");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 300);
    assert_eq!(text.matches("HTTP/1.1 429 Too Many Requests").count(), 1);
    assert!(text.contains("retry-after: 1"));
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(desk.get("/api/v1/status").await.status, 200);
    desk.close().await;
}

/// A certificate for `localhost` and its key, as PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is legal");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test]
async fn it_is_served_over_tls() {
    let (chain, key) = certificate();
    let shown = Certificate::read(chain.as_bytes(), key.as_bytes()).expect("they go together");
    let desk = Desk::with(KeyRing::default(), Some(shown)).await;

    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(chain.as_bytes()).expect("PEM");
    roots.add(root).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the defaults are safe")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(desk.address).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, socket).await.expect("it is trusted");
    let request = "GET /api/v1/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("it closes in order");
    assert_eq!(Answer::parse(&text).status, 200);

    let plain = desk.send(request).await;
    let mut bytes = Vec::new();
    let mut plain = plain;
    let _ = plain.read_to_end(&mut bytes).await;
    assert!(!bytes.starts_with(b"HTTP"), "nothing is answered in the clear");
    drop(stream);
    desk.close().await;
}

#[test]
fn certificates_that_cannot_be_used_say_why() {
    let ((chain, key), (_, other_key)) = (certificate(), certificate());
    for (chain, key, error) in [
        ("", &*key, CertificateError::NoCertificate),
        ("no PEM", &key, CertificateError::NoCertificate),
        (&key, &key, CertificateError::NoCertificate),
        (&chain, &chain, CertificateError::NoKey),
    ] {
        let read = Certificate::read(chain.as_bytes(), key.as_bytes());
        assert_eq!(read.expect_err("unusable"), error);
    }
    let mixed = Certificate::read(chain.as_bytes(), other_key.as_bytes());
    assert!(matches!(mixed, Err(CertificateError::Unusable(_))), "{mixed:?}");
}
