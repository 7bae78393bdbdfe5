//! Plans carried out against a scripted model in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use domain::{
    BoxFuture, ChunkKind, Clock, Completion, ConnectStage, CountSource, Exchange, FailedAttempt,
    Failure, FailureKind, Model, Outcome, Progress, Request, Sampling, Seed, Sink, Tokenizer,
    Tokens, Usage, WireFormat,
};
use load::workload::{Scenario, Workload};
use load::{
    Arrivals, Closed, Control, Intake, Live, Load, Open, Parts, Plan, Report, RunError, Stop,
    StopCause, Template, run,
};
use pace::Time;
use testkit::{Script, ScriptedModel, VirtualClock};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn plan(load: Load, stop: Stop) -> Plan {
    Plan {
        run: 7,
        load,
        ramp: Duration::ZERO,
        stop,
        warmup: 0,
        prepare: true,
        seed: Seed(1),
        template: Template {
            model: "m".into(),
            max_tokens: None,
            ignore_eos: false,
            stream: true,
            sampling: Sampling::default(),
            stop: Arc::from([]),
        },
    }
}

fn closed(users: u64) -> Load {
    Load::Closed(Closed { users, think: Duration::ZERO, requests_per_user: None })
}

fn open(rate_per_s: f64, in_flight_max: Option<u64>) -> Load {
    Load::Open(Open { rate_per_s, arrivals: Arrivals::Constant, in_flight_max })
}

fn requests(count: u64) -> Stop {
    Stop { requests: Some(count), ..Stop::default() }
}

/// Two tokens, the first after 100 ms and the second 100 ms later.
fn answer() -> Script {
    Script::tokens(2).ttft(100 * MS).itl(100 * MS)
}

struct Stage {
    clock: Arc<VirtualClock>,
    model: Arc<ScriptedModel>,
    control: Control,
    intake: Arc<Intake>,
    tokenizer: Option<Arc<dyn Tokenizer>>,
}

impl Stage {
    fn new(script: impl FnOnce(Arc<VirtualClock>) -> ScriptedModel) -> Self {
        let clock = Arc::new(VirtualClock::new());
        let model = Arc::new(script(Arc::clone(&clock)));
        let intake = Arc::new(Intake::new(1_000));
        Self { clock, model, control: Control::default(), intake, tokenizer: None }
    }

    fn always(script: Script) -> Self {
        Self::new(|clock| ScriptedModel::always(clock, script))
    }

    async fn try_run(&self, plan: Plan) -> Result<(Report, Vec<Exchange>), RunError> {
        self.run_against(Arc::clone(&self.model) as Arc<dyn Model>, plan).await
    }

    async fn run_against(
        &self,
        model: Arc<dyn Model>,
        plan: Plan,
    ) -> Result<(Report, Vec<Exchange>), RunError> {
        plan.check().expect("a plan that can be run");
        let parts = Parts {
            model,
            workload: Arc::new(Workload::scenario(Scenario::ShortQueries, Seed(0))),
            time: Time::Runtime(Arc::clone(&self.clock) as Arc<dyn Clock>),
            intake: Arc::clone(&self.intake),
            live: Arc::new(Live::default()),
            tokenizer: self.tokenizer.clone(),
        };
        let report = run(plan, parts, self.control.clone()).await?;
        Ok((report, self.intake.take(Vec::new())))
    }

    async fn run(&self, plan: Plan) -> (Report, Vec<Exchange>) {
        self.try_run(plan).await.expect("the run takes place")
    }
}

/// When each record was planned, in milliseconds after the window began, sorted.
fn planned_ms(report: &Report, records: &[Exchange]) -> Vec<u128> {
    let mut times: Vec<u128> = records
        .iter()
        .map(|record| record.timeline.planned.since(report.window_start).as_millis())
        .collect();
    times.sort_unstable();
    times
}

fn failures(records: &[Exchange], wanted: FailureKind) -> usize {
    let is_wanted = |record: &&Exchange| matches!(&record.outcome, Outcome::Failure(failure) if failure.kind == wanted);
    records.iter().filter(is_wanted).count()
}

#[tokio::test(start_paused = true)]
async fn users_of_a_closed_loop_ask_again_once_answered() {
    let stage = Stage::always(answer());
    let (report, records) = stage.run(plan(closed(3), requests(9))).await;
    assert_eq!(report.cause, StopCause::Requests);
    assert_eq!((report.requests, stage.model.in_flight_max()), (9, 3));
    assert_eq!(planned_ms(&report, &records), [0, 0, 0, 200, 200, 200, 400, 400, 400]);
    assert_eq!(report.window_end.since(report.window_start), 400 * MS, "the last was due then");
    let mut ids: Vec<u64> = records.iter().map(|record| record.id.index).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..9).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.timeline.schedule_lag() < 2 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_ramp_spreads_the_users_and_opens_their_connections_ahead() {
    let stage = Stage::always(answer());
    let ramped = Plan { ramp: 4 * SECOND, ..plan(closed(4), requests(4)) };
    let (report, records) = stage.run(ramped).await;
    assert_eq!(planned_ms(&report, &records), [0, 200, 400, 600]);
    let each = Load::Closed(Closed { users: 4, think: Duration::ZERO, requests_per_user: Some(1) });
    let ramped = Plan { ramp: 4 * SECOND, ..plan(each, Stop::default()) };
    let (report, records) = stage.run(ramped).await;
    assert_eq!(planned_ms(&report, &records), [0, 1000, 2000, 3000]);
    assert_eq!(stage.model.prepared(), 2 * 4 - 1, "the first run ended before its last user");
}

#[tokio::test(start_paused = true)]
async fn users_think_and_leave_when_they_have_asked_enough() {
    let stage = Stage::always(answer());
    let load = Load::Closed(Closed { users: 1, think: 300 * MS, requests_per_user: Some(3) });
    let (report, records) = stage.run(plan(load, Stop::default())).await;
    assert_eq!(planned_ms(&report, &records), [0, 500, 1000]);
    assert_eq!(records.iter().map(|record| record.turn).collect::<Vec<_>>(), [0, 1, 2]);
}

/// However long its users think: they leave with the time, or with the last request.
#[tokio::test(start_paused = true)]
async fn a_run_ends_while_its_users_think() {
    let thinking = |requests_per_user| {
        Load::Closed(Closed { users: 2, think: 60 * SECOND, requests_per_user })
    };
    let second = Stop { duration: Some(SECOND), ..Stop::default() };
    let failures = Stop { failures: Some(2), ..requests(100) };
    for (load, stop, script, cause, after) in [
        (thinking(None), second, answer(), StopCause::Duration, SECOND),
        (thinking(None), requests(2), answer(), StopCause::Requests, 200 * MS),
        (thinking(Some(1)), Stop::default(), answer(), StopCause::Requests, 200 * MS),
        (
            thinking(None),
            failures,
            Script::failure_of(FailureKind::Overloaded).ttft(10 * MS),
            StopCause::Failures,
            10 * MS,
        ),
    ] {
        let stage = Stage::always(script);
        let (report, records) = stage.run(plan(load, stop)).await;
        assert_eq!((report.cause, records.len()), (cause, 2));
        let took = stage.clock.now().since(report.window_start);
        assert!(took < after + 2 * MS, "{cause:?} after {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn users_who_get_no_connection_wait_longer_each_time() {
    for kind in [FailureKind::Connect(ConnectStage::Tcp), FailureKind::ClientResources] {
        let stage = Stage::new(|clock| {
            ScriptedModel::new(clock, move |index, _| match index {
                3 => Script::tokens(1),
                _ => Script::failure_of(kind),
            })
        });
        let (report, records) = stage.run(plan(closed(1), requests(13))).await;
        assert_eq!(
            planned_ms(&report, &records),
            [0, 10, 30, 70, 70, 80, 100, 140, 220, 380, 700, 1_340, 2_340],
            "{kind}"
        );
        assert!(records.iter().all(|record| record.timeline.schedule_lag() < 2 * MS));
    }
    for kind in [FailureKind::Overloaded, FailureKind::RateLimited] {
        let stage = Stage::always(Script::failure_of(kind).ttft(MS));
        let (report, records) = stage.run(plan(closed(1), requests(3))).await;
        assert_eq!(planned_ms(&report, &records), [0, 1, 2], "a server that answers is not spared");
    }

    let refused = Script::failure_of(FailureKind::Connect(ConnectStage::Tcp));
    let load = Load::Closed(Closed { users: 1, think: SECOND, requests_per_user: None });
    let (report, records) = Stage::always(refused).run(plan(load, requests(3))).await;
    assert_eq!(planned_ms(&report, &records), [0, 1_000, 2_000], "thinking is waiting too");
}

#[tokio::test(start_paused = true)]
async fn no_more_users_join_than_there_are_requests() {
    let stage = Stage::always(answer());
    let ramped = Plan { ramp: 10 * SECOND, ..plan(closed(1_000), requests(4)) };
    let (report, _) = stage.run(ramped).await;
    assert_eq!((report.requests, stage.model.prepared()), (4, 4));
    let (report, _) = stage.run(plan(closed(u64::MAX), requests(4))).await;
    assert_eq!(report.requests, 4);
}

/// A crowd that joins at once is not made in one go: its first requests need not wait for all of
/// its users, and may end the run before.
#[tokio::test(start_paused = true)]
async fn a_crowd_lets_its_first_users_ask_while_it_gathers() {
    let crowd = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&crowd);
    let stage = Stage::new(move |clock| {
        ScriptedModel::new(clock, move |_, _| {
            let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
            seen.fetch_max(alive, Ordering::Relaxed);
            Script::failure_of(FailureKind::Overloaded)
        })
    });
    let stop = Stop { failures: Some(1), duration: Some(SECOND), ..Stop::default() };
    let (report, _) = stage.run(Plan { prepare: false, ..plan(closed(100_000), stop) }).await;
    assert_eq!(report.cause, StopCause::Failures);
    let crowd = crowd.load(Ordering::Relaxed);
    assert!((1..1_000).contains(&crowd), "{crowd} users before the first asked");
}

#[tokio::test(start_paused = true)]
async fn an_open_loop_keeps_its_schedule_however_slow_the_answers() {
    let stage = Stage::always(Script::tokens(1).ttft(10 * SECOND));
    let (report, records) = stage.run(plan(open(4.0, None), requests(6))).await;
    assert_eq!(planned_ms(&report, &records), [0, 250, 500, 750, 1000, 1250]);
    assert_eq!(report.window_end.since(report.window_start), 1_250 * MS, "the last was due then");
    assert_eq!(stage.model.in_flight_max(), 6);

    let stage = Stage::always(answer());
    let (report, _) = stage.run(plan(open(0.01, None), requests(2))).await;
    let took = stage.clock.now().since(report.window_start);
    assert!(took < 101 * SECOND, "nobody waits for a third: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_limit_in_flight_wait_and_their_wait_shows() {
    let stage = Stage::always(Script::tokens(1).ttft(SECOND));
    let (report, records) = stage.run(plan(open(4.0, Some(1)), requests(3))).await;
    assert_eq!(planned_ms(&report, &records), [0, 250, 500]);
    assert_eq!(stage.model.in_flight_max(), 1);
    let lags: Vec<u128> =
        records.iter().map(|record| record.timeline.schedule_lag().as_millis()).collect();
    assert_eq!(lags, [0, 750, 1500]);
    let waits = |records: &[Exchange]| -> Vec<Option<u128>> {
        let held = records.iter().map(|record| record.timeline.held);
        held.map(|held| held.map(|held| held.as_millis())).collect()
    };
    assert_eq!(waits(&records), [Some(0), Some(750), Some(1500)]);
    assert!(records.iter().all(|record| record.timeline.client_lag() < 2 * MS));
    let (_, records) = stage.run(plan(open(4.0, None), requests(2))).await;
    assert_eq!(waits(&records), [None, None], "there is nothing to wait for");

    // What keeps the client itself from sending is no wait for a place.
    let mut stage = Stage::always(Script::tokens(1).ttft(MS));
    stage.intake = Arc::new(Intake::new(1));
    let intake = Arc::clone(&stage.intake);
    let mut taken = Vec::new();
    let drain = async {
        loop {
            tokio::time::sleep(SECOND).await;
            taken.extend(intake.take(Vec::new()));
        }
    };
    let (_, rest) = tokio::select! {
        ran = stage.run(plan(open(4.0, Some(3)), requests(3))) => ran,
        () = drain => unreachable!("draining never ends"),
    };
    taken.extend(rest);
    assert_eq!(waits(&taken), [Some(0); 3]);
    assert!(taken[1].timeline.client_lag() > 700 * MS, "{:?}", taken[1].timeline);
}

/// The backlog of a stall waits for places too, and is the client's doing all the same.
#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_does_not_blame_the_limit_in_flight() {
    let mut stage = Stage::always(Script::tokens(1).ttft(9 * MS));
    stage.intake = Arc::new(Intake::new(1));
    let intake = Arc::clone(&stage.intake);
    let mut taken = Vec::new();
    // Nothing is sent for a second; then places for twice the rate work the backlog off.
    let drain = async {
        tokio::time::sleep(SECOND).await;
        loop {
            taken.extend(intake.take(Vec::new()));
            tokio::time::sleep(MS / 4).await;
        }
    };
    let (_, rest) = tokio::select! {
        ran = stage.run(plan(open(100.0, Some(2)), requests(300))) => ran,
        () = drain => unreachable!("draining never ends"),
    };
    taken.extend(rest);
    assert_eq!((taken.len(), stage.model.in_flight_max()), (300, 2));
    let held = taken.iter().filter_map(|record| record.timeline.held).max();
    assert!(held.is_some_and(|held| held < 20 * MS), "{held:?}");
    let is_late = |record: &&Exchange| record.timeline.client_lag() > 100 * MS;
    let late = taken.iter().filter(is_late).count();
    assert!((100..200).contains(&late), "{late} of 300 were late by the stall");
}

/// Fails, waits and tries again before each of its answers.
struct Unsteady {
    clock: Arc<VirtualClock>,
    answers: ScriptedModel,
}

impl Model for Unsteady {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(async move {
            for (status, pause) in [(503, 100 * MS), (429, 200 * MS)] {
                let (kind, failed) = (FailureKind::Overloaded, self.clock.now());
                tokio::time::sleep(pause).await;
                let status = Some(status);
                sink.progress(Progress::Attempt(FailedAttempt { kind, status, failed, pause }));
            }
            self.answers.send(request, sink).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_holds_each_failed_try_and_its_latencies_the_pauses() {
    let stage = Stage::always(answer());
    let clock = Arc::clone(&stage.clock);
    let answers = ScriptedModel::always(Arc::clone(&clock) as Arc<dyn Clock>, answer());
    let (report, records) = stage
        .run_against(Arc::new(Unsteady { clock, answers }), plan(closed(1), requests(1)))
        .await
        .expect("the run takes place");
    let record = &records[0];
    let tries: Vec<_> = record
        .failed_attempts
        .iter()
        .map(|failed| (failed.status, failed.failed.since(report.window_start).as_millis()))
        .collect();
    assert_eq!((record.attempts(), tries), (3, vec![(Some(503), 0), (Some(429), 100)]));
    let whole_ms = |time: Duration| (time.as_secs_f64() * 1e3).round();
    assert_eq!(whole_ms(record.retrying()), 300.0);
    let first = record.timeline.first_token().expect("it was answered");
    assert_eq!(whole_ms(first.since(record.timeline.started)), 400.0);
}

#[tokio::test(start_paused = true)]
async fn a_duration_ends_the_offering_and_awaits_what_is_in_flight() {
    for (load, sent) in [(closed(1), 5), (open(10.0, None), 10)] {
        let stage = Stage::always(answer());
        let stop = Stop { duration: Some(SECOND), ..Stop::default() };
        let (report, records) = stage.run(plan(load.clone(), stop)).await;
        assert_eq!(report.cause, StopCause::Duration, "{load}");
        assert_eq!(report.window_end.since(report.window_start), SECOND, "{load}");
        assert_eq!(records.len(), sent, "{load}");
        assert!(records.iter().all(|record| record.outcome.is_success()), "{load}");
    }
}

#[tokio::test(start_paused = true)]
async fn too_many_failures_end_the_run() {
    let stage = Stage::always(Script::failure_of(FailureKind::Overloaded).ttft(10 * MS));
    let stop = Stop { failures: Some(3), ..requests(100) };
    let (report, records) = stage.run(plan(closed(1), stop)).await;
    assert_eq!(report.cause, StopCause::Failures);
    assert_eq!(failures(&records, FailureKind::Overloaded), 3);
}

#[tokio::test(start_paused = true)]
async fn stopping_awaits_what_is_in_flight_and_aborting_records_it_as_cancelled() {
    let stage = Stage::always(answer());
    let (report, records) = tokio::join!(stage.run(plan(closed(2), requests(100))), async {
        tokio::time::sleep(250 * MS).await;
        stage.control.stop.cancel();
    })
    .0;
    assert_eq!((report.cause, records.len()), (StopCause::Interrupted, 4));
    assert!(records.iter().all(|record| record.outcome.is_success()));

    let stage = Stage::always(Script::tokens(1).ttft(MS).hanging());
    let (report, records) = tokio::join!(stage.run(plan(closed(2), requests(100))), async {
        tokio::time::sleep(250 * MS).await;
        stage.control.stop.cancel();
        tokio::time::sleep(250 * MS).await;
        stage.control.abort.cancel();
    })
    .0;
    assert_eq!(report.cause, StopCause::Aborted);
    assert_eq!((records.len(), failures(&records, FailureKind::Cancelled)), (2, 2));
    assert!(records.iter().all(|record| record.timeline.chunks.len() == 1));
    assert_eq!(stage.model.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn aborting_records_what_warms_up_too() {
    let stage = Stage::always(Script::tokens(1).ttft(MS).hanging());
    let warming = Plan { warmup: 8, ..plan(closed(2), requests(100)) };
    let (report, records) = tokio::join!(stage.run(warming), async {
        tokio::time::sleep(250 * MS).await;
        stage.control.stop.cancel();
        tokio::time::sleep(250 * MS).await;
        stage.control.abort.cancel();
    })
    .0;
    assert_eq!((report.cause, report.requests), (StopCause::Aborted, 0));
    assert_eq!((records.len(), failures(&records, FailureKind::Cancelled)), (2, 2));
    assert!(records.iter().all(|record| record.warmup));
}

#[tokio::test(start_paused = true)]
async fn stopping_sends_nothing_that_still_waits_for_its_turn() {
    let stage = Stage::always(Script::tokens(1).ttft(SECOND));
    let (report, records) =
        tokio::join!(stage.run(plan(open(10.0, Some(1)), requests(50))), async {
            tokio::time::sleep(1_500 * MS).await;
            stage.control.stop.cancel();
        })
        .0;
    assert_eq!(report.cause, StopCause::Interrupted);
    assert_eq!((report.requests, records.len()), (2, 2), "one was answered, one was in flight");
    assert_eq!(report.due, Some(16), "the others are not forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_report_tells_how_many_requests_were_due() {
    let within = |duration| Stop { duration: Some(duration), ..Stop::default() };
    let failing = Stop { failures: Some(1), ..requests(50) };
    let refused = Script::failure_of(FailureKind::Overloaded).ttft(250 * MS);
    for (load, stop, script, due) in [
        (closed(1), requests(3), answer(), None),
        (open(10.0, None), requests(30), answer(), Some(30)),
        (open(10.0, Some(1)), within(SECOND), answer(), Some(10)),
        (open(10.0, None), Stop { requests: Some(4), ..within(SECOND) }, answer(), Some(4)),
        (open(10.0, Some(1)), failing, refused, Some(3)),
    ] {
        let (report, _) = Stage::always(script).run(plan(load.clone(), stop)).await;
        assert_eq!(report.due, due, "{load}, {stop:?}");
    }

    let stage = Stage::always(Script::tokens(1).hanging());
    let (report, _) = tokio::join!(stage.run(plan(open(100.0, Some(2)), requests(5_000))), async {
        tokio::time::sleep(2_995 * MS).await;
        stage.control.abort.cancel();
    })
    .0;
    assert_eq!((report.cause, report.requests), (StopCause::Aborted, 2));
    assert_eq!(report.due, Some(300));
}

/// What was due inside the planned time is sent, however late its turn comes.
#[tokio::test(start_paused = true)]
async fn a_backlog_is_worked_off_after_the_planned_time() {
    let stage = Stage::always(Script::tokens(1).ttft(SECOND));
    let stop = Stop { duration: Some(SECOND), ..Stop::default() };
    let (report, records) = stage.run(plan(open(4.0, Some(1)), stop)).await;
    assert_eq!((report.cause, report.requests), (StopCause::Duration, 4));
    assert_eq!(report.window_end.since(report.window_start), SECOND);
    assert_eq!(planned_ms(&report, &records), [0, 250, 500, 750]);
    assert!(records.iter().all(|record| record.outcome.is_success()));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_while_it_connects_ends_at_once() {
    let stage =
        Stage::new(|clock| ScriptedModel::always(clock, answer()).preparing(vec![Ok(()); 100_000]));
    stage.control.stop.cancel();
    let (report, records) = stage.run(plan(closed(50_000), requests(50_000))).await;
    assert_eq!((report.cause, records.len()), (StopCause::Interrupted, 0));
    assert!(stage.model.prepared() < 50_000, "{} connections", stage.model.prepared());
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_where_the_server_takes_no_more() {
    let refused = Failure::new(FailureKind::Timeout, "full");
    let taken = vec![Ok(()); 200].into_iter().chain(vec![Err(refused); 400]);
    let stage = Stage::new(|clock| ScriptedModel::always(clock, answer()).preparing(taken));
    let (report, _) = stage.run(plan(closed(600), requests(600))).await;
    assert_eq!(report.requests, 600, "the run takes place");
    assert!(stage.model.prepared() <= 256, "{} connections", stage.model.prepared());
}

#[tokio::test(start_paused = true)]
async fn warm_up_comes_first_and_is_marked() {
    let stage = Stage::always(answer());
    let warm = Plan { warmup: 4, ..plan(closed(2), requests(2)) };
    let (report, records) = stage.run(warm).await;
    let (warmup, measured): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.warmup);
    assert_eq!((warmup.len(), measured.len(), report.requests), (4, 2, 2));
    let last_warmup = warmup.iter().map(|record| record.timeline.finished.read).max();
    assert!(last_warmup <= Some(report.window_start));
    let asked = stage.model.asked();
    let prompts: Vec<_> = asked.iter().map(|asked| &asked.request.prompt).collect();
    assert!(prompts[..4].iter().all(|warm| !prompts[4..].contains(warm)), "no prompt is warmed up");
}

/// Takes every byte for a token.
struct Letters;

impl Tokenizer for Letters {
    fn encode(&self, text: &str) -> Vec<u32> {
        text.bytes().map(u32::from).collect()
    }
    fn decode(&self, tokens: &[u32]) -> String {
        tokens.iter().filter_map(|&token| char::from_u32(token)).collect()
    }
    fn vocabulary_size(&self) -> usize {
        256
    }
    fn name(&self) -> &str {
        "letters"
    }
}

/// The record of one request that goes by `script`.
async fn record_of(script: Script, tokenizer: Option<Arc<dyn Tokenizer>>) -> Exchange {
    let stage = Stage { tokenizer, ..Stage::always(script) };
    let (_, mut records) = stage.run(plan(closed(1), requests(1))).await;
    records.remove(0)
}

#[tokio::test(start_paused = true)]
async fn tokens_are_counted_by_the_server_else_the_tokenizer_else_estimated() {
    let answer = || Script::answer(["ab", "cde"]);
    let body = || {
        let body = r#"{"choices":[{"message":{"content":"abcdefgh"}}]}"#;
        Script::tokens(0).wire(WireFormat::OpenAiChat, ChunkKind::Content, body).whole()
    };
    let counts = |input, output| {
        let (input, output) = (Tokens(input), Tokens(output));
        Some(Usage { input, output, ..Usage::default() })
    };
    let reported = |input, output| answer().usage(counts(input, output));
    let letters = || Some(Arc::new(Letters) as Arc<dyn Tokenizer>);
    let asked = Workload::scenario(Scenario::ShortQueries, Seed(0)).draft(0).prompt.text().len();
    let (bytes, quarter) = (asked as u64, text::estimate_tokens(&"x".repeat(asked)).count());
    let (server, tokenizer, estimate) =
        (CountSource::Server, CountSource::Tokenizer, CountSource::Estimate);
    for (script, counter, input, output) in [
        (reported(7, 2), letters(), (7, server), (2, server)),
        (answer().usage(None), letters(), (bytes, tokenizer), (5, tokenizer)),
        (answer().usage(None), None, (quarter, estimate), (2, estimate)),
        // A count that is left out, or nothing, is no count; the other one stands.
        (reported(7, 0), letters(), (7, server), (5, tokenizer)),
        (reported(7, 0), None, (7, server), (2, estimate)),
        (reported(0, 2), letters(), (bytes, tokenizer), (2, server)),
        (reported(0, 0), None, (quarter, estimate), (2, estimate)),
        // An empty answer has none.
        (Script::tokens(0), letters(), (1, server), (0, server)),
        // In one piece, as it came over a wire: its text is counted, not the one chunk.
        (body().usage(None), None, (quarter, estimate), (2, estimate)),
        (body().usage(None), letters(), (bytes, tokenizer), (8, tokenizer)),
        (body().usage(counts(7, 3)), letters(), (7, server), (3, server)),
        // In one piece: a chunk that is no token.
        (
            Script::answer(["abcdefgh"]).whole().usage(None),
            None,
            (quarter, estimate),
            (2, estimate),
        ),
    ] {
        let shown = format!("{script:?}");
        let record = record_of(script, counter).await;
        assert_eq!((record.usage.input.count(), record.input_source), input, "{shown}");
        assert_eq!((record.usage.output.count(), record.output_source), output, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_says_whether_the_answer_was_streamed_whatever_was_asked() {
    assert!(record_of(answer(), None).await.streamed);
    assert!(!record_of(answer().whole(), None).await.streamed, "asked for, not given");
}

#[tokio::test(start_paused = true)]
async fn a_full_intake_holds_new_requests_back_and_loses_none() {
    let mut stage = Stage::always(Script::tokens(1).ttft(MS));
    stage.intake = Arc::new(Intake::new(2));
    let intake = Arc::clone(&stage.intake);
    let mut taken = Vec::new();
    let drain = async {
        loop {
            tokio::time::sleep(50 * MS).await;
            taken.extend(intake.take(Vec::new()));
        }
    };
    let (report, rest) = tokio::select! {
        ran = stage.run(plan(closed(1), requests(10))) => ran,
        () = drain => unreachable!("draining never ends"),
    };
    assert_eq!(taken.len() + rest.len(), 10);
    assert!(report.held_back >= 4, "held back {} times", report.held_back);
    let window = report.window_end.since(report.window_start);
    assert!(window >= 180 * MS, "{window:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_be_reached_is_told_before_the_run() {
    let refused = Failure::new(FailureKind::Timeout, "nobody there");
    let stage = Stage::new(|clock| {
        ScriptedModel::always(clock, answer()).preparing([Err(refused.clone())])
    });
    let error = stage.try_run(plan(closed(2), requests(2))).await.expect_err("not run");
    assert!(matches!(error, RunError::Prepare(failure) if failure == refused));
    assert_eq!(stage.model.asked().len(), 0);
}
