//! What goes wrong when it should.

use super::*;
use crate::{End, Faults};

/// What a client sees of an answer of eight tokens with this fault.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    /// The text's tokens.
    tokens: usize,
    /// Whether the body ended as HTTP should.
    whole: bool,
    /// Whether the answer said that it ended.
    finished: bool,
    error: bool,
    /// Whether the connection serves another request.
    alive: bool,
    /// When the answer was over.
    took: Duration,
}

async fn check(faults: Faults, streamed: bool, see: impl Fn(usize) -> Seen) {
    let config = SimConfig { faults, output_tokens: Draw::Fixed(domain::Tokens(8)), ..timed() };
    let mut stage = Stage::new(config);
    let mut client = stage.connect();
    let body = if streamed { STREAMED.to_owned() } else { STREAMED.replace("true", "false") };
    client.send(&post("/v1/chat/completions", &body)).await;
    let reply = client.reply().await;
    let took = stage.clock.elapsed();
    let ended = tokio::time::timeout(ms(1), client.ended()).await;
    let text = reply.text();
    let tokens = text.matches(r#""delta":{"content""#).count();
    let got = Seen {
        status: reply.status,
        tokens,
        whole: reply.whole,
        finished: text.contains(r#""finish_reason":"stop""#),
        error: text.contains(r#"{"error":"#),
        alive: ended.is_err(),
        took,
    };
    drop(client);
    let log = stage.finish().await;
    let fault = log[0].fault.expect("a rate of 1");
    let at = fault.at().map_or(0, |at| usize::try_from(at).unwrap());
    assert_eq!(got, see(at), "{fault:?}");
    assert_eq!(log[0].end, End::Complete);
    if streamed {
        assert_eq!(log[0].output_tokens.count(), tokens as u64);
    }
}

fn none() -> Faults {
    Faults { stall_duration: ms(500), ..Faults::default() }
}

const FINE: Seen = Seen {
    status: 200,
    tokens: 8,
    whole: true,
    finished: true,
    error: false,
    alive: true,
    took: ms(120),
};

#[tokio::test(start_paused = true)]
async fn streams_break_in_each_way() {
    let until = |at: usize| ms(50 + 10 * at as u64);
    let broken = |at| Seen { tokens: at, finished: false, took: until(at), ..FINE };
    let refused = Faults { status: vec![(429, 1.0)], ..none() };
    let error = Seen { status: 429, tokens: 0, finished: false, error: true, took: ms(0), ..FINE };
    check(refused, true, |_| Seen { ..error }).await;
    let stalled = Faults { stall: 1.0, ..none() };
    check(stalled, true, |_| Seen { took: ms(620), ..FINE }).await;
    let malformed = Faults { malformed: 1.0, ..none() };
    check(malformed, true, |_| Seen { tokens: 7, ..FINE }).await;
    check(Faults { truncate: 1.0, ..none() }, true, broken).await;
    let cut = |at| Seen { whole: false, alive: false, ..broken(at) };
    check(Faults { disconnect: 1.0, ..none() }, true, cut).await;
    check(Faults { reset: 1.0, ..none() }, true, cut).await;
    let reported = |at| Seen { error: true, ..broken(at) };
    check(Faults { in_stream_error: 1.0, ..none() }, true, reported).await;
}

#[tokio::test(start_paused = true)]
async fn answers_in_one_piece_break_in_each_way() {
    const WHOLE: Seen = Seen { tokens: 0, ..FINE };
    let stalled = Faults { stall: 1.0, ..none() };
    check(stalled, false, |_| Seen { took: ms(620), ..WHOLE }).await;
    let half = |_| Seen { finished: false, ..WHOLE };
    check(Faults { malformed: 1.0, ..none() }, false, half).await;
    check(Faults { truncate: 1.0, ..none() }, false, half).await;
    let cut = |_| Seen { whole: false, finished: false, alive: false, ..WHOLE };
    check(Faults { disconnect: 1.0, ..none() }, false, cut).await;
    check(Faults { reset: 1.0, ..none() }, false, cut).await;
    let error = |_| Seen { status: 500, finished: false, error: true, ..WHOLE };
    check(Faults { in_stream_error: 1.0, ..none() }, false, error).await;
}
