//! What benchmarks do while all goes well.

use super::*;

#[tokio::test(start_paused = true)]
async fn every_target_is_asked_under_every_scenario_and_load() {
    let clock = Arc::new(VirtualClock::new());
    let slow = Script::tokens(3).ttft(ms(400)).itl(ms(10));
    let slow = target("slow", Arc::new(ScriptedModel::always(clock, slow)));
    let desk = Desk::with(vec![slow]);
    let mut spec = spec(&["fast", "slow"], &[1, 2], requests(6));
    spec.scenarios.push("code_generation".to_owned());
    let id = desk.submit(spec);
    let done = desk.work_off(id).await;
    assert_eq!((done.status, done.problem), (Status::Completed, None));
    assert_eq!((done.progress.runs_done, done.progress.runs_total), (8, 8));
    assert_eq!((done.progress.completed, done.progress.failed), (48, 0));
    let told: Vec<String> = desk
        .runs(id)
        .iter()
        .map(|run| {
            let word = |key: &str| run[key].as_str().expect("a word").to_owned();
            let [target, scenario, load] = ["target", "scenario", "load"].map(word);
            assert_eq!(run["model"], json!(format!("{target}-model")));
            format!("{target} {scenario} {load} {} {}", run["completed"], run["median_ttft_ms"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "fast short_queries concurrency=1 6 50.0",
            "fast short_queries concurrency=2 6 50.0",
            "fast code_generation concurrency=1 6 50.0",
            "fast code_generation concurrency=2 6 50.0",
            "slow short_queries concurrency=1 6 400.0",
            "slow short_queries concurrency=2 6 400.0",
            "slow code_generation concurrency=1 6 400.0",
            "slow code_generation concurrency=2 6 400.0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn benchmarks_run_one_at_a_time_in_the_order_they_came() {
    let desk = Desk::new();
    // 70 ms a request.
    let ids: Vec<BenchmarkId> =
        (0..3).map(|_| desk.submit(spec(&["fast"], &[1], requests(10)))).collect();
    let mut seen = Vec::new();
    desk.work(async {
        loop {
            let now: String =
                ids.iter().map(|id| desk.status(*id).as_str().chars().next().unwrap()).collect();
            if seen.last() != Some(&now) {
                seen.push(now);
            }
            if desk.status(ids[2]).is_final() {
                break;
            }
            tokio::time::sleep(ms(1)).await;
        }
    })
    .await;
    assert_eq!(seen, ["rqq", "crq", "ccr", "ccc"]);
    let [first, second] = [0, 1].map(|place: usize| desk.get(ids[place]));
    assert!(first.finished_unix_nanos <= second.started_unix_nanos);
    assert!(first.created_unix_nanos <= first.started_unix_nanos.unwrap());
}

#[tokio::test(start_paused = true)]
async fn progress_tells_share_and_time_left() {
    let desk = Desk::new();
    let id = desk.submit(spec(&["fast"], &[1, 2], lasting(Duration::from_secs(10))));
    let watch = desk.work(async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let now = desk.get(id).progress;
        assert_eq!((now.runs_done, now.runs_total, now.failed), (0, 2, 0));
        // 70 ms a request, one after another.
        assert_eq!((now.completed, now.in_flight), (71, 1));
        assert!((now.share - 0.25).abs() < 1e-9, "{}", now.share);
        assert_eq!(now.elapsed, Duration::from_secs(5));
        let left = now.remaining.expect("it is under way").as_secs_f64();
        assert!((left - 15.0).abs() < 1e-6, "{left}");
        let current = now.current.expect("a run is under way");
        assert_eq!((&*current.target, &*current.load), ("fast", "concurrency=1"));
        assert_eq!(desk.benchmarks.running(), [(id, desk.get(id).progress)]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let now = desk.get(id).progress;
        assert_eq!((now.runs_done, now.in_flight), (1, 2));
        assert_eq!(now.current.expect("the second one").load, "concurrency=2");
        assert!((0.7..0.75).contains(&now.share), "{}", now.share);
        assert_eq!(desk.runs(id).len(), 1, "what a run came to is there when it has ended");
        desk.ended(id).await
    });
    let done = watch.await;
    assert_eq!((done.status, done.progress.share), (Status::Completed, 1.0));
    assert_eq!((done.progress.current, done.progress.remaining), (None, None));
}

#[tokio::test(start_paused = true)]
async fn runs_of_one_target_do_not_repeat_prompts() {
    let clock = Arc::new(VirtualClock::new());
    let model = Arc::new(ScriptedModel::always(clock, Script::tokens(1)));
    let desk = Desk::with(vec![target("kept", model.clone())]);
    let id = desk.submit(spec(&["kept"], &[1, 2, 3], requests(10)));
    desk.work_off(id).await;
    let asked = model.asked();
    let prompts: std::collections::HashSet<String> =
        asked.iter().map(|asked| asked.request.prompt.text()).collect();
    assert_eq!((asked.len(), prompts.len()), (30, 30));
    let names: std::collections::HashSet<u64> =
        asked.iter().map(|asked| asked.request.id.run).collect();
    assert_eq!(names.len(), 3, "each run names its requests differently");
}
