//! Clients that leave, and servers that stop.

use super::*;

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    for script in [Script::tokens(1).hanging(), Script::tokens(0).hanging()] {
        let server = Fixture::start(script).await;
        for stream in [true, false] {
            let body = format!(r#"{{"model":"tiny","stream":{stream},"prompt":"Hi"}}"#);
            let socket = server.send("POST", COMPLETIONS, "", &body).await;
            server.in_flight(1).await;
            drop(socket);
            server.in_flight(0).await;
        }
        assert_eq!(server.model.cancelled(), 2);
    }
}

#[tokio::test]
async fn stopping_lets_answers_under_way_end() {
    let gate = Gate::new();
    let mut server = Fixture::start(Script::tokens(2).hold(&gate)).await;
    let body = r#"{"model":"tiny","stream":true,"prompt":"Hi"}"#;
    let socket = server.send("POST", COMPLETIONS, "", body).await;
    server.in_flight(1).await;
    server.stop.cancel();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    gate.open();
    assert!(Answer::read(socket).await.body.ends_with("data: [DONE]\n\n"));
    assert_eq!(server.stopped().await, Stopped { cut_off: 0 });
}

#[tokio::test]
async fn what_outlasts_the_grace_is_cut_off_and_counted() {
    let mut server = Fixture::start_with(Script::tokens(1).hanging(), Duration::ZERO).await;
    let body = r#"{"model":"tiny","stream":true,"prompt":"Hi"}"#;
    let mut socket = server.send("POST", COMPLETIONS, "", body).await;
    socket.read_u8().await.expect("it answers");
    assert_eq!(server.stopped().await, Stopped { cut_off: 1 });
    assert_eq!(server.model.cancelled(), 1);
    let mut rest = Vec::new();
    // Cut off in order or with a reset, but without an end mark.
    let _ = socket.read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("[DONE]"));
}
