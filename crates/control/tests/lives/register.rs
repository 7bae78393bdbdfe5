//! Taking benchmarks in, finding them, and forgetting them.

use control::{DeleteError, Filter, KeeperError, SubmitError};
use domain::Exchange;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded() {
    let desk = Desk::new();
    for _ in 0..3 {
        desk.submit(spec(&["fast"], &[1], requests(1)));
    }
    let refused = desk.benchmarks.submit(submission(spec(&["fast"], &[1], requests(1))));
    assert!(matches!(refused, Err(SubmitError::QueueFull { waiting: 3 })));
}

#[tokio::test(start_paused = true)]
async fn the_same_submission_is_known_again_even_after_a_death() {
    let desk = Desk::new();
    let one = || spec(&["fast"], &[1], requests(1));
    let submitted = desk.benchmarks.submit(with_key(one(), "k", "d")).expect("there is room");
    let Submitted::New(first) = submitted else { panic!("it is new") };
    let known = |benchmarks: &Benchmarks| match benchmarks.submit(with_key(one(), "k", "d")) {
        Ok(Submitted::Known(benchmark)) => benchmark.id,
        other => panic!("{other:?}"),
    };
    assert_eq!(known(&desk.benchmarks), first.id);
    let other = desk.benchmarks.submit(with_key(one(), "k", "another"));
    assert!(matches!(other, Err(SubmitError::KeyReused { by }) if by == first.id));
    assert_eq!(known(&desk.after_death()), first.id);

    desk.work_off(first.id).await;
    assert_eq!(known(&desk.benchmarks), first.id);
    desk.benchmarks.delete(first.id).expect("it has ended");
    let again = desk.benchmarks.submit(with_key(one(), "k", "another")).expect("there is room");
    assert!(matches!(again, Submitted::New(_)), "a key is free again with its benchmark");
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_come_in_parts_the_newest_first() {
    let desk = Desk::new();
    let clock = &desk.clock;
    let mut ids = Vec::new();
    for (target, users) in [("fast", 1), ("slow", 2), ("fast", 3)] {
        ids.push(desk.submit(spec(&[target], &[users], requests(1))));
        // The wall clock is set back meanwhile: ids rise all the same.
        clock.set_unix_nanos(clock.unix_nanos() - 1_000_000);
    }
    desk.benchmarks.cancel(ids[2]).expect("it waits");
    let list = |filter: &Filter, before: Option<usize>, limit: usize| {
        let place = |id: BenchmarkId| ids.iter().position(|known| *known == id).expect("known");
        let page = desk.benchmarks.list(filter, before.map(|place| ids[place]), limit);
        let items: Vec<usize> = page.items.iter().map(|benchmark| place(benchmark.id)).collect();
        (items, page.next.map(place))
    };
    let all = Filter::default();
    assert_eq!(list(&all, None, 10), (vec![2, 1, 0], None));
    assert_eq!(list(&all, None, 2), (vec![2, 1], Some(1)));
    assert_eq!(list(&all, Some(1), 2), (vec![0], None));
    let fast = Filter { target: Some("fast".into()), ..Filter::default() };
    assert_eq!(list(&fast, None, 1), (vec![2], Some(2)));
    assert_eq!(list(&fast, Some(2), 1), (vec![0], None));
    let queued = Filter { status: Some(Status::Queued), ..Filter::default() };
    assert_eq!(list(&queued, None, 10), (vec![1, 0], None));
    let other = Filter { scenario: Some("code_generation".into()), ..Filter::default() };
    assert_eq!(list(&other, None, 10), (vec![], None));
}

#[tokio::test(start_paused = true)]
async fn only_what_has_ended_is_deleted() {
    let desk = Desk::new();
    let id = desk.submit(spec(&["fast"], &[1], requests(1)));
    let refused = desk.benchmarks.delete(id).expect_err("it waits");
    assert!(matches!(refused, DeleteError::Active(Status::Queued)), "{refused}");
    desk.work_off(id).await;
    desk.benchmarks.delete(id).expect("it has ended");
    assert_eq!(desk.benchmarks.get(id), None);
    assert_eq!(desk.benchmarks.runs(id), Ok(None));
    assert_eq!(desk.after_death().get(id), None);
    let unknown = desk.benchmarks.delete(id).expect_err("it is gone");
    assert!(matches!(unknown, DeleteError::Unknown(_)));
}

#[tokio::test(start_paused = true)]
async fn a_benchmark_without_a_name_is_called_by_what_it_does() {
    let desk = Desk::new();
    let id = desk.submit(spec(&["fast", "slow"], &[1, 8, 64, 512, 4_096], requests(1)));
    assert_eq!(
        desk.get(id).name,
        "fast, slow: short_queries (concurrency=1, concurrency=8, concurrency=64 and 2 more)"
    );
}

/// Refuses to be written.
struct ReadOnly;

impl Keeper for ReadOnly {
    fn load(&self) -> Result<Vec<Benchmark>, KeeperError> {
        Ok(Vec::new())
    }

    fn save(&self, _: &Benchmark) -> Result<(), KeeperError> {
        Err(KeeperError { problem: "read-only file system".into(), hint: "remount it".into() })
    }

    fn add_run(&self, _: BenchmarkId, _: &Value) -> Result<(), KeeperError> {
        Ok(())
    }

    fn runs(&self, _: BenchmarkId) -> Result<Vec<Value>, KeeperError> {
        Ok(Vec::new())
    }

    fn records(
        &self,
        _: BenchmarkId,
        _: &mut dyn FnMut(u64, &Exchange),
    ) -> Result<(), KeeperError> {
        Ok(())
    }

    fn remove(&self, _: BenchmarkId) -> Result<(), KeeperError> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_kept_is_not_taken_in() {
    let read = |_: &Value| Err(problem("unreadable"));
    let clock = Arc::new(VirtualClock::new());
    let benchmarks =
        Benchmarks::restore(Arc::new(ReadOnly), clock, 3, &read).expect("there is nothing");
    let refused = benchmarks.submit(submission(spec(&["fast"], &[1], requests(1))));
    assert!(matches!(refused, Err(SubmitError::Keeper(_))));
    assert_eq!(benchmarks.list(&Filter::default(), None, 10).items, []);
}
