//! When it is said.

use super::*;
use crate::{End, Slots};

#[tokio::test(start_paused = true)]
async fn tokens_leave_on_the_timetable_and_the_log_says_so() {
    let mut stage = Stage::new(timed());
    let mut client = stage.connect();
    tokio::time::sleep(ms(7)).await;
    client.send(&chat()).await;
    let reply = client.reply().await;
    // The role at once, three tokens, and the end with the last of them.
    assert_eq!(reply.times(), [7, 57, 67, 77, 77].map(ms));

    let clock = Arc::clone(&stage.clock);
    drop(client);
    let log = stage.finish().await;
    let moment = |after| clock.moment(ms(after));
    assert_eq!(log[0].received, moment(7));
    assert_eq!(log[0].head.unwrap().after, moment(7));
    let times: Vec<_> = log[0].tokens.iter().map(|token| (token.due, token.write.after)).collect();
    assert_eq!(times, [57, 67, 77].map(|after| (moment(after), moment(after))));
    assert_eq!((log[0].finished, log[0].end), (moment(77), End::Complete));
    assert_eq!(log[0].first_token().unwrap().before, moment(57));
}

/// A client that does not read for a while makes tokens late, but only those.
#[tokio::test(start_paused = true)]
async fn lateness_does_not_add_up_and_is_logged() {
    let config = SimConfig { output_tokens: Draw::Fixed(domain::Tokens(8)), ..timed() };
    let mut stage = Stage::new(config);
    let mut client = stage.connect_narrow(700);
    client.send(&chat()).await;
    tokio::time::sleep(ms(95)).await;
    let reply = client.reply().await;
    assert_eq!(reply.times()[5..], [95, 100, 110, 120, 120].map(ms));
    let clock = Arc::clone(&stage.clock);
    drop(client);
    for (k, token) in (0..).zip(&stage.finish().await[0].tokens) {
        assert_eq!(token.due, clock.moment(ms(50 + 10 * k)));
        let lateness = token.write.after.since(token.due);
        let blocked = k > 0 && token.due < clock.moment(ms(95));
        assert!(lateness == ms(0) || blocked && token.write.after == clock.moment(ms(95)));
    }
}

fn one_slot(queue_limit: usize) -> SimConfig {
    SimConfig {
        service: Service::Slots(Slots {
            slots: 1,
            queue_limit: Some(queue_limit),
            // The prompt of four tokens takes 20 ms, each further token 10 ms.
            prefill_tokens_per_s: 200.0,
            decode_tokens_per_s: 100.0,
            contention: 0.0,
        }),
        ..timed()
    }
}

#[tokio::test(start_paused = true)]
async fn requests_wait_for_a_slot_or_are_refused() {
    let mut stage = Stage::new(one_slot(1));
    let mut clients = [stage.connect(), stage.connect(), stage.connect(), stage.connect()];
    let [first, second, third, fourth] = &mut clients;
    first.send(&chat()).await;
    tokio::task::yield_now().await;
    second.send(&chat()).await;
    tokio::time::sleep(ms(1)).await;
    third.send(&chat()).await;
    let refused = third.reply().await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 1"));
    fourth.send(&post("/v1/messages", &STREAMED.replace("true", "true,\"max_tokens\":2"))).await;
    assert_eq!(fourth.reply().await.status, 529);
    let (first, second) = tokio::join!(first.reply(), second.reply());
    // Both heads came at once, and were read a millisecond later.
    assert_eq!(first.times(), [1, 20, 30, 40, 40].map(ms));
    assert_eq!(second.times(), [1, 60, 70, 80, 80].map(ms));
    drop(clients);
    assert_eq!(stage.finish().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_frees_its_slot_and_its_place_in_line() {
    let mut stage = Stage::new(one_slot(2));
    let [mut serving, mut waiting, mut last] = [stage.connect(), stage.connect(), stage.connect()];
    for client in [&mut serving, &mut waiting, &mut last] {
        client.send(&chat()).await;
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(ms(5)).await;
    drop(waiting);
    tokio::time::sleep(ms(20)).await;
    drop(serving);
    let reply = last.reply().await;
    assert_eq!(reply.times(), [25, 45, 55, 65, 65].map(ms));
    drop(last);
    let log = stage.finish().await;
    let ends: Vec<_> = log.iter().map(|served| (served.index, served.end)).collect();
    assert_eq!(ends, [(1, End::ClientGone), (0, End::ClientGone), (2, End::Complete)]);
    assert_eq!(log[1].tokens.len(), 1, "what was written before the client left is logged");
}

#[tokio::test(start_paused = true)]
async fn an_answer_under_way_at_the_end_is_logged() {
    let mut stage = Stage::new(timed());
    let mut client = stage.connect();
    client.send(&chat()).await;
    tokio::time::sleep(ms(65)).await;
    stage.tasks.shutdown().await;
    let log = stage.finish().await;
    assert_eq!((log[0].end, log[0].tokens.len()), (End::ShutDown, 2));
}
