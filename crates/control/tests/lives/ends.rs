//! What benchmarks end in where not all goes well.

use control::{CancelError, Opening, Records, RecordsError};
use domain::{ConnectStage, Exchange, Failure, FailureKind, Timestamp};
use store::RunLabel;

use super::*;

fn model(script: Script) -> Arc<ScriptedModel> {
    Arc::new(ScriptedModel::always(Arc::new(VirtualClock::new()), script))
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_is_cancelled_at_once() {
    let desk = Desk::new();
    let [first, second] = [1, 2].map(|users| desk.submit(spec(&["fast"], &[users], requests(5))));
    let cancelled = desk.benchmarks.cancel(second).expect("it waits");
    assert_eq!(cancelled.status, Status::Cancelled);
    assert!(cancelled.finished_unix_nanos.is_some());
    assert_eq!(desk.work_off(first).await.status, Status::Completed);
    assert_eq!(desk.runs(second), Vec::<Value>::new());
    let again = desk.benchmarks.cancel(second).expect_err("it has ended");
    assert!(matches!(again, CancelError::Ended(Status::Cancelled)), "{again}");
}

#[tokio::test(start_paused = true)]
async fn one_that_runs_ends_with_what_was_measured() {
    let desk = Desk::new();
    let id = desk.submit(spec(&["fast"], &[1, 2], lasting(Duration::from_secs(60))));
    let watch = async {
        tokio::time::sleep(ms(7_030)).await;
        desk.benchmarks.cancel(id).expect("it runs");
        desk.ended(id).await
    };
    let ended = desk.work(watch).await;
    assert_eq!((ended.status, ended.problem), (Status::Cancelled, None));
    // One every 70 ms, and the one in flight is awaited.
    assert_eq!(ended.progress.completed, 101);
    let runs = desk.runs(id);
    assert_eq!((runs.len(), &runs[0]["completed"]), (1, &json!(101)));
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_given_up_after_a_while() {
    let hanging = model(Script::tokens(1).hanging());
    let desk = Desk::with(vec![target("hanging", hanging.clone())]);
    let id = desk.submit(spec(&["hanging"], &[3], requests(5)));
    let watch = async {
        tokio::time::sleep(ms(100)).await;
        desk.benchmarks.cancel(id).expect("it runs");
        tokio::time::sleep(ms(9_900)).await;
        assert_eq!((desk.status(id), hanging.in_flight()), (Status::Running, 3));
        desk.ended(id).await
    };
    assert_eq!(desk.work(watch).await.status, Status::Cancelled);
    assert_eq!((hanging.in_flight(), hanging.cancelled()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_process_interrupts_what_runs_and_leaves_what_waits() {
    let desk = Desk::new();
    let running = desk.submit(spec(&["fast"], &[1], lasting(Duration::from_secs(60))));
    let waiting = desk.submit(spec(&["fast"], &[1], requests(2)));
    let stopping = async {
        tokio::time::sleep(ms(7_030)).await;
        desk.stop.cancel();
    };
    tokio::join!(desk.benchmarks.work(&desk.workshop, &desk.stop), stopping);
    let statuses = [running, waiting].map(|id| desk.status(id));
    assert_eq!(statuses, [Status::Interrupted, Status::Queued]);
    assert_eq!(desk.runs(running)[0]["completed"], json!(101));
}

#[tokio::test(start_paused = true)]
async fn after_a_death_what_ran_is_interrupted_and_what_waited_is_carried_out() {
    let desk = Desk::new();
    let running = desk.submit(spec(&["fast"], &[1, 2], lasting(Duration::from_secs(10))));
    let waiting = desk.submit(spec(&["fast"], &[1], requests(2)));
    let unreadable = Submission {
        request: json!("from another version"),
        ..submission(spec(&["fast"], &[1], requests(2)))
    };
    let Ok(Submitted::New(unreadable)) = desk.benchmarks.submit(unreadable) else {
        panic!("there is room");
    };
    desk.work(tokio::time::sleep(Duration::from_secs(15))).await;

    let desk = Desk { benchmarks: Arc::new(desk.after_death()), ..desk };
    let found = desk.get(running);
    assert_eq!(found.status, Status::Interrupted);
    assert!(found.finished_unix_nanos.is_some());
    assert_eq!((found.progress.runs_done, found.progress.runs_total), (1, 2));
    assert_eq!(desk.runs(running).len(), 1, "the run that had ended");
    let failed = desk.get(unreadable.id);
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.problem.expect("a reason").title, "The request cannot be read");
    assert_eq!(desk.work_off(waiting).await.status, Status::Completed);
    assert_eq!(desk.runs(waiting)[0]["completed"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn a_dead_target_fails_the_benchmark_and_the_others_are_measured() {
    let refused = Failure::new(FailureKind::Connect(ConnectStage::Tcp), "connection refused");
    let dead = ScriptedModel::always(Arc::new(VirtualClock::new()), Script::tokens(1))
        .preparing([Err(refused)]);
    let locked = model(Script::failure_of(FailureKind::Unauthorized));
    let desk = Desk::with(vec![target("dead", Arc::new(dead)), target("locked", locked)]);
    let id = desk.submit(spec(&["dead", "locked", "fast"], &[1], requests(5)));
    let ended = desk.work_off(id).await;
    assert_eq!(ended.status, Status::Failed);
    let problem = ended.problem.expect("a reason");
    assert_eq!(problem.title, "A run could not take place");
    assert_eq!(problem.detail, "dead with short_queries under concurrency=1: connection refused");
    let runs = desk.runs(id);
    let came: Vec<(&Value, &Value)> =
        runs.iter().map(|run| (&run["target"], &run["completed"])).collect();
    assert_eq!(came, [(&json!("locked"), &json!(0)), (&json!("fast"), &json!(5))]);
}

#[tokio::test(start_paused = true)]
async fn a_benchmark_without_any_answer_has_failed() {
    let locked = model(Script::failure_of(FailureKind::Unauthorized));
    let desk = Desk::with(vec![target("locked", locked)]);
    let id = desk.submit(spec(&["locked"], &[1], requests(5)));
    let ended = desk.work_off(id).await;
    assert_eq!((ended.status, ended.progress.failed), (Status::Failed, 5));
    let problem = ended.problem.expect("a reason");
    assert!(problem.detail.ends_with("all 5 requests failed, most often: unauthorized"));
    assert_eq!(problem.hint, "give the right key");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_cannot_be_made_ready_says_why() {
    let mut broken = target("broken", model(Script::tokens(1)));
    broken.open = Arc::new(|| Box::pin(async { Err(problem("The model file is damaged")) }));
    let desk = Desk::with(vec![broken]);
    let id = desk.submit(spec(&["broken", "gone"], &[1], requests(5)));
    let ended = desk.work_off(id).await;
    assert_eq!(ended.status, Status::Failed);
    assert_eq!(ended.problem.expect("a reason").title, "The model file is damaged");
    assert_eq!((ended.progress.runs_done, desk.runs(id).len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_this_program_does_not_stop_the_next_benchmark() {
    let faulty = ScriptedModel::new(Arc::new(VirtualClock::new()), |_, _| panic!("a mistake"));
    let desk = Desk::with(vec![target("faulty", Arc::new(faulty))]);
    let id = desk.submit(spec(&["faulty"], &[1], requests(5)));
    let next = desk.submit(spec(&["fast"], &[1], requests(5)));
    assert_eq!(desk.work_off(next).await.status, Status::Completed);
    let failed = desk.get(id);
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.problem.expect("a reason").title, "Prony made a mistake");
}

/// Keeps records until its device is full.
struct Full {
    room: usize,
    kept: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Records for Full {
    fn begin(&mut self, _: &Opening) -> Result<(), RecordsError> {
        Ok(())
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        let mut kept = self.kept.lock().expect("no panic");
        if kept.len() == self.room {
            return Err(RecordsError { problem: "no space left".into(), hint: "make some".into() });
        }
        kept.push((label.run, exchange.model.to_string()));
        Ok(())
    }

    fn tick(&mut self, _: Timestamp) -> Result<(), RecordsError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn every_record_is_kept_and_a_full_device_ends_the_benchmark() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let mut desk = Desk::new();
    let shared = Arc::clone(&kept);
    desk.workshop.records =
        Some(Box::new(move |_, _| Ok(Box::new(Full { room: 8, kept: Arc::clone(&shared) }))));
    let id = desk.submit(spec(&["fast"], &[1, 2, 3], requests(5)));
    let ended = desk.work_off(id).await;
    assert_eq!(ended.status, Status::Failed);
    let problem = ended.problem.expect("a reason");
    assert_eq!((&*problem.detail, &*problem.hint), ("no space left", "make some"));
    let runs: Vec<u64> = kept.lock().expect("no panic").iter().map(|(run, _)| *run).collect();
    assert_eq!(runs, [0, 0, 0, 0, 0, 1, 1, 1]);
    assert_eq!(desk.runs(id).len(), 2, "the figures of what was measured stand");
}
