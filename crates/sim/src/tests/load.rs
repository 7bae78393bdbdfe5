//! The server on real sockets.

use super::*;
use crate::{End, Faults, Sim};
use tokio::net::TcpStream;

fn start(config: SimConfig) -> crate::RunningSim {
    Sim::bind(config, "127.0.0.1:0".parse().unwrap(), &Time::Machine).unwrap().start()
}

async fn connect(sim: &crate::RunningSim) -> Client<TcpStream> {
    let socket = TcpStream::connect(sim.local_addr()).await.unwrap();
    Client::new(socket, Arc::new(VirtualClock::new()))
}

#[tokio::test]
async fn two_thousand_streams_are_held_and_all_are_logged() {
    const STREAMS: usize = 2_000;
    let config = SimConfig {
        service: Service::Timetable(Timetable {
            ttft: Draw::Fixed(ms(100)),
            itl: Draw::Fixed(ms(50)),
        }),
        output_tokens: Draw::Fixed(domain::Tokens(8)),
        ..SimConfig::default()
    };
    let sim = start(config);
    let begun = domain::SystemClock.now();
    let mut clients = JoinSet::new();
    for index in 0..STREAMS {
        let mut client = connect(&sim).await;
        clients.spawn(async move {
            client.send(&chat().replace("mine-1", &format!("mine-{index}"))).await;
            let reply = client.reply().await;
            assert!(reply.whole && reply.text().contains("[DONE]"));
            assert_eq!(reply.parts.len(), 10);
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    // It takes about a second; the limit leaves room for a machine busy with other tests.
    assert!(domain::SystemClock.now().since(begun) < Duration::from_secs(60));
    assert_eq!((sim.log().lost(), sim.log().unaccepted()), (0, 0));

    let log = sim.stop().await.unwrap();
    let mut ids: Vec<_> = log.iter().map(|served| served.request_id.clone().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), STREAMS);
    for served in &log {
        assert_eq!((served.end, served.tokens.len()), (End::Complete, 8));
        for (k, token) in (0..).zip(&served.tokens) {
            assert_eq!(token.due, served.received + ms(100) + ms(50) * k);
            assert!(token.due <= token.write.before && token.write.before <= token.write.after);
        }
        assert!(served.tokens.is_sorted_by_key(|token| token.write.after));
        assert!(served.finished >= served.last_token().unwrap().after);
    }
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire_and_a_disconnect_is_not() {
    async fn check(faults: Faults, want: Option<std::io::ErrorKind>) {
        let sim = start(SimConfig { faults, ..timed() });
        let mut client = connect(&sim).await;
        client.send(&chat()).await;
        let error = loop {
            match client.socket.read_buf(&mut client.bytes).await {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error.kind()),
            }
        };
        assert_eq!(error, want);
        drop(client);
        assert_eq!(sim.stop().await.unwrap().len(), 1);
    }
    let reset = Some(std::io::ErrorKind::ConnectionReset);
    check(Faults { reset: 1.0, ..Faults::default() }, reset).await;
    check(Faults { disconnect: 1.0, ..Faults::default() }, None).await;
}

#[tokio::test]
async fn an_address_in_use_is_refused() {
    let sim = start(timed());
    let again = Sim::bind(timed(), sim.local_addr(), &Time::Machine).unwrap_err();
    assert!(again.to_string().starts_with("cannot listen on 127.0.0.1:"), "{again}");
    sim.stop().await.unwrap();
}
