//! Canaries: when targets are asked, and what is made of it.

use control::{Beside, Canaries, LeftOut, Round, RoundOutcome, Schedule, Tally};
use domain::{FailureKind, Seed};

use super::*;

/// What canaries told so far.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Round>>>);

impl Told {
    fn of(&self, target: &str) -> Vec<Round> {
        let rounds = self.0.lock().expect("nobody panicked");
        rounds.iter().filter(|round| *round.target == *target).cloned().collect()
    }

    async fn wait(&self, target: &str, count: usize) -> Vec<Round> {
        while self.of(target).len() < count {
            tokio::time::sleep(ms(50)).await;
        }
        self.of(target)
    }
}

fn schedule(target: &str, every: Duration) -> Schedule {
    let spec = spec(&[target], &[1], requests(1));
    let protocol = Protocol { seed: Seed(3), prepare: false, ..spec.protocol };
    Schedule {
        name: "canary".into(),
        target: target.into(),
        scenario: "short_queries".to_owned(),
        every,
        timeout: every,
        load: spec.loads[0].clone(),
        protocol,
        beside: Beside::Skip,
        objective: 0.999,
    }
}

/// Works by `schedules`, and whatever is queued, while `watch` looks on.
async fn work<T>(
    desk: &Desk,
    schedules: Vec<Schedule>,
    told: &Told,
    watch: impl Future<Output = T>,
) -> T {
    let note = told.clone();
    let canaries = Canaries {
        schedules,
        catalogue: Arc::clone(&desk.workshop.catalogue),
        benchmarks: Arc::clone(&desk.benchmarks),
        region: "".into(),
        time: Time::Runtime(desk.clock.clone()),
        records: None,
        note: Arc::new(move |round| note.0.lock().expect("nobody panicked").push(round)),
    };
    let stop = CancellationToken::new();
    tokio::select! {
        biased;
        () = canaries.work(&stop) => panic!("nobody said stop"),
        watched = desk.work(watch) => watched,
    }
}

fn tally(round: &Round) -> Tally {
    match &round.outcome {
        RoundOutcome::Asked { tally, .. } => *tally,
        RoundOutcome::LeftOut { .. } => panic!("it was left out: {round:?}"),
    }
}

const GOOD: Tally = Tally { good: 1, failed: 0, excluded: 0 };
const BAD: Tally = Tally { good: 0, failed: 1, excluded: 0 };

fn scripted(script: Script) -> Arc<ScriptedModel> {
    Arc::new(ScriptedModel::always(Arc::new(VirtualClock::new()), script))
}

#[tokio::test(start_paused = true)]
async fn a_target_is_asked_once_an_interval() {
    let desk = Desk::new();
    let told = Told::default();
    let minute = Duration::from_secs(60);
    let rounds = work(&desk, vec![schedule("fast", minute)], &told, told.wait("fast", 5)).await;
    let due: Vec<u64> = rounds.iter().map(|round| round.due_unix_nanos).collect();
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == 60_000_000_000), "{due:?}");
    assert!(rounds.iter().all(|round| tally(round) == GOOD), "{rounds:?}");
    // No request before its time, and the last one 50 ms and two tokens after it.
    let passed = desk.clock.unix_nanos() - due[4];
    assert!((70_000_000..200_000_000).contains(&passed), "{passed}");
    assert!(desk.benchmarks.list(&Default::default(), None, 10).items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_is_given_up_and_keeps_nobody_from_the_others() {
    let hangs = scripted(Script::tokens(1).ttft(Duration::from_secs(3600)));
    let desk = Desk::with(vec![target("hangs", hangs)]);
    let told = Told::default();
    let schedules = ["hangs", "fast"].map(|name| schedule(name, Duration::from_secs(10)));
    let watch = async { (told.wait("hangs", 6).await, told.of("fast")) };
    let (hanging, fast) = work(&desk, schedules.into(), &told, watch).await;
    // A round that is given up at its successor's time does not cost that one's.
    assert!(hanging.iter().all(|round| tally(round) == BAD), "{hanging:?}");
    let RoundOutcome::Asked { problem: Some(problem), .. } = &hanging[0].outcome else {
        panic!("it says why: {hanging:?}")
    };
    assert!(problem.detail.contains("all 1 requests failed"), "{problem}");
    assert!(fast.len() >= 5 && fast.iter().all(|round| tally(round) == GOOD), "{fast:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_counts_against_its_target_and_one_of_this_machine_against_nobody() {
    let fails = |kind| scripted(Script::failure_of(kind));
    let desk = Desk::with(vec![
        target("busy", fails(FailureKind::RateLimited)),
        target("poor", fails(FailureKind::ClientResources)),
    ]);
    let told = Told::default();
    let schedules = ["busy", "poor"].map(|name| schedule(name, Duration::from_secs(1)));
    let watch = async { (told.wait("busy", 1).await, told.wait("poor", 1).await) };
    let (busy, poor) = work(&desk, schedules.into(), &told, watch).await;
    assert_eq!(tally(&busy[0]), BAD);
    assert_eq!(tally(&poor[0]), Tally { excluded: 1, ..Tally::default() });
}

#[tokio::test(start_paused = true)]
async fn a_canary_stays_away_from_a_target_under_a_benchmark() {
    let other = scripted(Script::tokens(1).ttft(ms(5)));
    let desk = Desk::with(vec![target("other", other)]);
    let told = Told::default();
    let beside =
        Schedule { beside: Beside::Run, name: "beside".into(), ..schedule("fast", ms(1_000)) };
    let schedules = vec![schedule("fast", ms(1_000)), schedule("other", ms(1_000)), beside];
    let id = desk.submit(spec(&["fast"], &[2], lasting(Duration::from_secs(10))));
    let watch = async {
        desk.ended(id).await;
        let during = told.0.lock().expect("nobody panicked").clone();
        told.0.lock().expect("nobody panicked").clear();
        (during, told.wait("fast", 4).await)
    };
    let (during, after) = work(&desk, schedules, &told, watch).await;
    assert!(during.len() >= 27, "{}", during.len());
    for round in during {
        if (&*round.schedule, &*round.target) == ("canary", "fast") {
            let left_out = RoundOutcome::LeftOut { rounds: 1, why: LeftOut::Benchmark };
            assert_eq!(round.outcome, left_out);
        } else {
            assert_eq!(tally(&round), GOOD);
        }
    }
    assert!(after.iter().all(|round| tally(round) == GOOD), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn rounds_that_nobody_got_to_are_counted_and_not_made_up_for() {
    let desk = Desk::new();
    let told = Told::default();
    let watch = async {
        let before = told.wait("fast", 1).await;
        // The machine slept; 10 s of waiting are left to it.
        desk.clock.set_unix_nanos(before[0].due_unix_nanos + 95_500_000_000);
        told.wait("fast", 3).await
    };
    let rounds = work(&desk, vec![schedule("fast", Duration::from_secs(10))], &told, watch).await;
    assert_eq!(rounds[1].outcome, RoundOutcome::LeftOut { rounds: 10, why: LeftOut::Late });
    assert_eq!(rounds[1].due_unix_nanos - rounds[0].due_unix_nanos, 10_000_000_000);
    assert_eq!(rounds[2].due_unix_nanos - rounds[0].due_unix_nanos, 110_000_000_000);
    assert_eq!(tally(&rounds[2]), GOOD);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_is_followed() {
    let desk = Desk::new();
    let told = Told::default();
    let hour = 3_600_000_000_000;
    let (set, rounds) =
        work(&desk, vec![schedule("fast", Duration::from_secs(10))], &told, async {
            let before = told.wait("fast", 1).await;
            desk.clock.set_unix_nanos(before[0].due_unix_nanos - hour);
            (desk.clock.elapsed(), told.wait("fast", 2).await)
        })
        .await;
    assert!(desk.clock.elapsed().saturating_sub(set) <= Duration::from_secs(41));
    assert!(rounds[1].due_unix_nanos < rounds[0].due_unix_nanos, "{rounds:?}");
    assert_eq!(tally(&rounds[1]), GOOD);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_process_is_not_the_targets_fault() {
    let hangs = scripted(Script::tokens(1).ttft(Duration::from_secs(3600)));
    let desk = Desk::with(vec![target("hangs", hangs)]);
    let told = Told::default();
    let note = told.clone();
    let canaries = Canaries {
        schedules: vec![schedule("hangs", Duration::from_secs(100))],
        catalogue: Arc::clone(&desk.workshop.catalogue),
        benchmarks: Arc::clone(&desk.benchmarks),
        region: "".into(),
        time: Time::Runtime(desk.clock.clone()),
        records: None,
        note: Arc::new(move |round| note.0.lock().expect("nobody panicked").push(round)),
    };
    let stop = CancellationToken::new();
    let stopping = async {
        // A round of 100 s is under way at some moment of every 100 s.
        tokio::time::sleep(Duration::from_secs(150)).await;
        stop.cancel();
        desk.clock.elapsed()
    };
    let ((), stopped) = tokio::join!(canaries.work(&stop), stopping);
    assert!(desk.clock.elapsed() - stopped < Duration::from_millis(1_100));
    let rounds = told.of("hangs");
    let last = rounds.last().expect("one was under way");
    assert_eq!(tally(last), Tally { excluded: 1, ..Tally::default() });
}
