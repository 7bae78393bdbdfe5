//! The fake server: what it puts on the wire byte for byte, and what it does not let pass.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::{Ending, FakeServer, Framing, Gate, Reply};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

const MS: Duration = Duration::from_millis(1);

fn post(server: &FakeServer, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.address(),
        body.len()
    )
}

async fn connect(server: &FakeServer) -> TcpStream {
    TcpStream::connect(server.address()).await.expect("it listens")
}

/// The reads that `bytes` get as an answer, until the server closes or resets.
async fn exchange(server: &FakeServer, bytes: &str) -> (Vec<String>, bool) {
    let mut socket = connect(server).await;
    socket.write_all(bytes.as_bytes()).await.expect("it reads");
    let mut reads = Vec::new();
    let mut buffer = vec![0; 4096];
    loop {
        match socket.read(&mut buffer).await {
            Ok(0) => return (reads, false),
            Ok(length) => reads.push(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(_) => return (reads, true),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_framing_and_ending_reaches_the_wire() {
    let sse = || Reply::sse(&["data: 1", "data: [DONE]"]).paced(MS);
    let chunks = ["9\r\ndata: 1\n\n\r\n", "e\r\ndata: [DONE]\n\n\r\n"];
    let closing = Reply::status(200).bytes("whole").framing(Framing::UntilClose);
    for (reply, want, reset) in [
        (sse().ending(Ending::Close), [&chunks[..], &["0\r\n\r\n"]].concat(), false),
        (sse().ending(Ending::Truncate), chunks.to_vec(), false),
        (sse().ending(Ending::Reset), chunks.to_vec(), true),
        (closing.paced(MS), vec!["whole"], false),
        (
            Reply::status(200).bytes("é").cut(1).paced(MS).ending(Ending::Close),
            vec!["\u{fffd}"; 2],
            false,
        ),
    ] {
        let server = FakeServer::start([reply]).await;
        let (reads, was_reset) = exchange(&server, &post(&server, "{}")).await;
        let all = reads.concat();
        let (head, first) = all.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200 Scripted"), "{head}");
        assert!(first.starts_with(want[0]), "{first}");
        assert_eq!(reads[1..], want[1..], "pieces come one read each");
        assert_eq!(was_reset, reset);
        assert_eq!(server.finish()[0].text(), "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_and_routes_answer_beside_the_list() {
    let server = FakeServer::builder()
        .on("GET", "/v1/models", Reply::json(200, &[], "[]"))
        .reply(Reply::json(429, &[("retry-after", "2")], "{}"))
        .reply(
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nshort").ending(Ending::Close),
        )
        .start()
        .await;
    let models = format!("GET /v1/models?limit=1 HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
    let mut socket = connect(&server).await;
    let mut answer = vec![0; 4096];
    let mut statuses = Vec::new();
    for request in [&models, &post(&server, "1"), &models, &post(&server, "22")] {
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let length = socket.read(&mut answer).await.expect("it answers");
        statuses.push(String::from_utf8_lossy(&answer[9..12]).into_owned());
        assert!(length > 12);
    }
    assert_eq!(statuses, ["200", "429", "200", "200"]);
    assert_eq!(server.connections(), 1);
    let received = server.finish();
    assert_eq!(received[0].target, "/v1/models?limit=1");
    assert_eq!(received[3].header("CONTENT-length"), Some("2"));
    assert!(received[3].raw_head.ends_with(b"Content-Length: 2\r\n\r\n"));
}

#[tokio::test]
async fn a_gate_holds_and_leaving_early_is_counted() {
    let gate = Gate::new();
    let reply = Reply::sse(&["data: 1"]).hold(&gate).event("data: 2").ending(Ending::Stall);
    let server = FakeServer::start([reply]).await;
    let mut socket = connect(&server).await;
    socket.write_all(post(&server, "{}").as_bytes()).await.expect("it reads");
    let mut seen = String::new();
    let mut buffer = vec![0; 4096];
    for (want, open) in [("data: 1\n", true), ("data: 2\n", false)] {
        while !seen.contains(want) {
            let length = socket.read(&mut buffer).await.expect("it answers");
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        assert!(!open || !seen.contains("data: 2"));
        gate.open();
    }
    drop(socket);
    while server.abandoned() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_is_found_out() {
    let long = |head: &str| head.replace('\n', "\r\n");
    for (request, want) in [
        (long("POST / HTTP/1.1\nHost: H\ncontent-type: application/json\n\n"), "without a length"),
        (long("POST / HTTP/1.1\nHost: H\nContent-Length: 0\n\n"), "content-type"),
        (long("GET / HTTP/1.1\nHost: elsewhere\n\n"), "elsewhere is not"),
        (long("GET / HTTP/1.1\n\n"), "no host"),
        (long("GET / HTTP/1.0\nHost: H\n\n"), "not HTTP/1.1"),
        (long("GET / HTTP/1.1\nHost: H\nhost: H\n\n"), "2 times"),
        (long("GET / HTTP/1.1\nHost: H\nno colon\n\n"), "malformed"),
        ("GET / HTTP/1.1\nHost: H\r\n\r\n".to_owned(), "bare line feed"),
        (
            long("GET / HTTP/1.1\nHost: H\nContent-Length: 1\nTransfer-Encoding: chunked\n\n"),
            "both",
        ),
        (long("GET / HTTP/1.1\nHost: H\nContent-Length: +1\n\n1"), "content-length"),
        (long("GET / HTTP/1.1\nHost: H\nTransfer-Encoding: chunked\n\n1\nab\n"), "chunk"),
        (long("GET / HTTP/1.1\nHost: H\n\nGET /"), "after the request"),
    ] {
        let server = FakeServer::builder().start().await;
        let request = request.replace("Host: H", &format!("Host: {}", server.address()));
        exchange(&server, &request).await;
        let violations = server.take_violations();
        assert!(violations.len() == 1 && violations[0].contains(want), "{request}: {violations:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "no reply for GET /")]
async fn dropping_the_server_reports_what_was_broken() {
    let server = FakeServer::builder().start().await;
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
    let mut socket = connect(&server).await;
    socket.write_all(request.as_bytes()).await.expect("it reads");
    socket.read_u8().await.expect("it answers");
}

#[tokio::test]
async fn a_body_in_chunks_comes_whole_after_the_client_is_told_to_continue() {
    let server = FakeServer::start([Reply::status(204).ending(Ending::Close)]).await;
    let mut socket = connect(&server).await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json; charset=utf-8\r\n\
         transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n",
        server.address()
    );
    socket.write_all(head.as_bytes()).await.expect("it reads");
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).await.expect("it answers");
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"2\r\n{\"\r\n3\r\na\"}\r\n0\r\n\r\n").await.expect("it reads");
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.expect("it closes");
    assert!(rest.starts_with("HTTP/1.1 204 "), "{rest}");
    assert_eq!(server.finish()[0].text(), "{\"a\"}");
}

#[tokio::test]
async fn the_first_connections_can_be_hung_up_on() {
    let server = FakeServer::builder().hang_up(1).otherwise(Reply::status(200)).start().await;
    let mut first = connect(&server).await;
    assert_eq!(first.read(&mut [0]).await.expect("an orderly close"), 0);
    let mut second = connect(&server).await;
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", server.address());
    second.write_all(request.as_bytes()).await.expect("it reads");
    second.read_u8().await.expect("it answers");
    assert_eq!((server.connections(), server.received().len()), (2, 1));
}

#[tokio::test]
async fn http2_over_tls_answers_resets_and_says_goodbye() {
    let server = FakeServer::builder()
        .http2()
        .tls()
        .reply(Reply::sse(&["data: 1", "data: 2"]))
        .reply(Reply::sse(&["data: 1"]).ending(Ending::Reset))
        .reply(Reply::json(200, &[], "{}").ending(Ending::Close))
        .start()
        .await;
    let mut roots = RootCertStore::empty();
    let pem = server.certificate_pem().expect("it speaks TLS");
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring serves them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, connect(&server).await)
        .await
        .expect("the certificate is trusted");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let request = http::Request::post(format!("{}/v1/x", server.url()))
            .body(Full::<bytes::Bytes>::from("{}"))
            .expect("a valid request");
        let answer = sender.send_request(request).await.expect("a head");
        let body = answer.into_body().collect().await.map(|body| body.to_bytes());
        bodies.push(body.ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    assert_eq!(bodies, [Some("data: 1\n\ndata: 2\n\n".to_owned()), None, Some("{}".to_owned())]);
    tasks.join_next().await.expect("one task").expect("no panic").expect("an orderly end");
    let received = server.finish();
    assert_eq!((received[2].target.as_str(), received[2].text()), ("/v1/x", "{}"));
}
