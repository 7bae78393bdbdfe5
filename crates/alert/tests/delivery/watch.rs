//! The watch as a whole, in virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::notify::Surroundings;
use alert::{
    AlertBook, Dispatch, Moment, Question, Reading, RuleSettings, Saved, SharedBook, Watch,
};
use domain::{Clock, Seed};
use testkit::{Ending, FakeServer, Reply, VirtualClock};
use tokio_util::sync::CancellationToken;

use crate::{START, receiver};

/// Fires from the second evaluation on that finds it bad.
const RULE: &str = "name = 'Errors'\nmetric = 'error_rate'\nabove = '5%'\nwindow = '1m'\n\
                    for = '10s'\nseverity = 'critical'\n";

/// How many models there are where they are told apart.
const MODELS: usize = 20;

const GROUPING: &str = "group_wait = '0s'\ngroup_interval = '10s'\n";

/// What a watch is made of, and what came of it.
struct Stage {
    book: SharedBook,
    clock: Arc<VirtualClock>,
    asked_at: Arc<Mutex<Vec<u64>>>,
    kept: Arc<Mutex<Option<Saved>>>,
    stop: CancellationToken,
}

impl Stage {
    fn new(receivers: &[&str]) -> (Self, Watch) {
        Self::of(RULE, receivers)
    }

    fn of(rule: &str, receivers: &[&str]) -> (Self, Watch) {
        let receivers: Vec<_> = receivers.iter().map(|toml| receiver(toml)).collect();
        let rule: RuleSettings = toml::from_str(rule).expect("its form");
        let routes = receivers.iter().map(|receiver| receiver.route.clone()).collect();
        let book = AlertBook::new(vec![rule.check().expect("it is sound")], routes, Seed(7));
        let book = SharedBook::new(book);
        let clock = Arc::new(VirtualClock::new());
        let surroundings = Arc::new(Surroundings::new(None, None).expect("it is sound"));
        let shared: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&clock);
        let dispatch = Dispatch::start(receivers, &surroundings, &shared);
        let interval = Duration::from_secs(5);
        let watch = Watch { book: book.clone(), dispatch, clock: shared, interval };
        let stage = Self {
            book,
            clock,
            asked_at: Arc::default(),
            kept: Arc::default(),
            stop: CancellationToken::new(),
        };
        (stage, watch)
    }

    /// Runs `watch` until `until`, in seconds after the start. The error rate of every model is 10 % at
    /// first, and none from `good_from` on.
    async fn run(&self, watch: Watch, good_from: u64, until: u64) {
        let ask = |questions: Vec<Question>, now: Moment| {
            assert_eq!(questions.len(), 1);
            let second = now.since(START).as_secs();
            self.asked_at.lock().expect("no panic").push(second);
            let value = if second < good_from { 0.1 } else { 0.0 };
            let models = if questions[0].group_by.is_empty() { 0..1 } else { 0..MODELS };
            let readings = models.map(|model| {
                let groups = questions[0].group_by.iter();
                let labels = groups.map(|dimension| (*dimension, format!("m{model}"))).collect();
                Reading { labels, value }
            });
            std::future::ready(Ok(vec![readings.collect()]))
        };
        let keep = |saved| {
            *self.kept.lock().expect("no panic") = Some(saved);
            std::future::ready(())
        };
        let stop = async {
            tokio::time::sleep(Duration::from_secs(until)).await;
            self.stop.cancel();
        };
        tokio::join!(watch.run(ask, keep, self.stop.cancelled()), stop);
    }
}

fn webhook(name: &str, server: &FakeServer) -> String {
    format!("name = '{name}'\nkind = 'webhook'\nurl = '{}/{name}'\n{GROUPING}", server.url())
}

fn statuses(server: FakeServer) -> Vec<String> {
    let received = server.finish();
    let status = |body: &str| {
        let body: serde_json::Value = serde_json::from_str(body).expect("it is JSON");
        body["status"].as_str().expect("a word").to_owned()
    };
    received.iter().map(|one| status(one.text())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_is_told_when_it_is_back_and_shown_until_then() {
    let server = FakeServer::start([
        Reply::status(503).bytes("later"),
        Reply::status(500),
        Reply::status(200),
        Reply::status(200),
    ])
    .await;
    let (stage, watch) = Stage::new(&[&webhook("ops", &server)]);
    let seen = async {
        tokio::time::sleep(Duration::from_secs(11)).await;
        let book = stage.book.lock();
        let (_, _, group) = book.deliveries().next().expect("there is one");
        (group.trouble.failures, group.trouble.error.clone().expect("it failed"))
    };
    let ((failures, error), ()) = tokio::join!(seen, stage.run(watch, 60, 90));
    assert_eq!(failures, 1);
    assert!(error.ends_with(": HTTP 503 Service Unavailable: later"), "{error}");
    assert_eq!(statuses(server), ["firing", "firing", "firing", "resolved"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_delays_neither_the_rules_nor_the_others() {
    let hanging =
        FakeServer::builder().otherwise(Reply::status(200).ending(Ending::Stall)).start().await;
    let quick = FakeServer::start([Reply::status(200), Reply::status(200)]).await;
    let (stage, watch) = Stage::new(&[&webhook("slow", &hanging), &webhook("quick", &quick)]);
    stage.run(watch, 20, 33).await;
    let every_five: Vec<u64> = (0..=30).step_by(5).collect();
    assert_eq!(*stage.asked_at.lock().expect("no panic"), every_five);
    assert_eq!(statuses(quick), ["firing", "resolved"]);
    let book = stage.book.lock();
    let mut deliveries = book.deliveries();
    let (route, _, group) = deliveries.next().expect("the one that hangs");
    assert_eq!(route.receiver, "slow");
    let error = group.trouble.error.as_deref();
    assert_eq!(error, Some("no answer within 15s"));
    assert_eq!(group.told.len(), 1, "it may know, so the end is told to it too");
    assert!(deliveries.next().is_none(), "the other has been told all there is");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_known_after_a_restart() {
    let before = FakeServer::start([Reply::status(200)]).await;
    let (stage, watch) = Stage::new(&[&webhook("ops", &before)]);
    stage.run(watch, 1_000, 30).await;
    assert_eq!(statuses(before), ["firing"]);
    let saved = stage.kept.lock().expect("no panic").clone().expect("it was kept");

    let after = FakeServer::start([Reply::status(200)]).await;
    let (stage, watch) = Stage::new(&[&webhook("ops", &after)]);
    stage.clock.set_unix_nanos((START + Duration::from_secs(60)).unix_ms() * 1_000_000);
    stage.book.lock().restore(&saved).expect("it is sound");
    stage.run(watch, 75, 60).await;
    assert_eq!(statuses(after), ["resolved"], "that it fires was told before");
}

#[tokio::test(start_paused = true)]
async fn what_found_no_room_is_told_once_there_is_room() {
    let mut server = FakeServer::builder().reply(Reply::status(200).ending(Ending::Stall));
    for _ in 0..MODELS {
        server = server.reply(Reply::status(200));
    }
    let server = server.start().await;
    let receiver = format!("{}group_by = ['model']\n", webhook("ops", &server));
    let (stage, watch) = Stage::of(&format!("{RULE}group_by = ['model']\n"), &[&receiver]);
    stage.run(watch, 1_000, 90).await;
    let told = statuses(server);
    assert_eq!(told, vec!["firing"; MODELS + 1], "each once, and again the one not answered");
}

#[tokio::test(start_paused = true)]
async fn what_waits_at_the_end_is_still_told_and_no_longer_waited_for() {
    let server = FakeServer::start([Reply::status(200), Reply::status(500)]).await;
    let virtual_clock = Arc::new(VirtualClock::new());
    let clock: Arc<dyn Clock> = Arc::<VirtualClock>::clone(&virtual_clock);
    let surroundings = Arc::new(Surroundings::new(None, None).expect("it is sound"));
    let receivers = vec![receiver(&webhook("ops", &server))];
    let mut dispatch = Dispatch::start(receivers, &surroundings, &clock);
    for _ in 0..2 {
        dispatch.offer(crate::message()).expect("there is room");
    }
    let outcomes = dispatch.close(Duration::from_secs(20)).await;
    let arrived: Vec<bool> = outcomes.iter().map(|outcome| outcome.result.is_ok()).collect();
    assert_eq!(arrived, [true, false]);
    assert!(virtual_clock.elapsed() < Duration::from_secs(1), "{:?}", virtual_clock.elapsed());
    assert_eq!(server.finish().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_counts() {
    let hanging =
        FakeServer::builder().otherwise(Reply::status(200).ending(Ending::Stall)).start().await;
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::new());
    let surroundings = Arc::new(Surroundings::new(None, None).expect("it is sound"));
    let receivers = vec![receiver(&webhook("ops", &hanging))];
    let mut dispatch = Dispatch::start(receivers, &surroundings, &clock);
    let mut taken = 0;
    while dispatch.offer(crate::message()).is_ok() {
        taken += 1;
    }
    assert_eq!((taken, dispatch.refused()), (8, 1));
    // Those that wait are given up when the time is over, not waited for.
    let outcomes = dispatch.close(Duration::from_secs(20)).await;
    assert_eq!(outcomes.len(), 1);
}
