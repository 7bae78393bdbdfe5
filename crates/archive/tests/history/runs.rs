//! One run of a benchmark as a whole, and its requests.

use analysis::{Convention, Figures};
use archive::history::{Latency, Order, Outcomes, RecordQuestion};
use archive::samples::{Name, Sight, Source};
use serde_json::Value;
use store::Content;
use store::content::Said;
use store::durable::{Run, RunStatus};

use super::*;

/// The records of a run that count, of all or of those that succeeded.
fn counted(kept: &Kept, run: u64) -> Vec<&StoredRecord> {
    let counts = |r: &&StoredRecord| r.provenance.label.run == run && !r.exchange.warmup;
    kept.records.iter().filter(counts).collect()
}

fn values(records: &[&StoredRecord], latency: Latency) -> Vec<f64> {
    let succeeded = records.iter().filter(|record| record.exchange.outcome.is_success());
    let values = succeeded.flat_map(|record| {
        let exchange = &record.exchange;
        let figures = Figures::of(exchange, Origin::Planned, Convention::Prony);
        match latency {
            Latency::Ttft => figures.ttft_ms.into_iter().collect(),
            Latency::Tpot => figures.tpot_ms.into_iter().collect(),
            Latency::E2e => vec![figures.e2e_ms],
            Latency::Itl => {
                let chunks = exchange.timeline.chunks.arrived_nanos();
                chunks.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 1e6).collect()
            }
        }
    });
    values.collect()
}

#[test]
fn a_view_shows_what_every_record_says() {
    let kept = Kept::new(requests(2_000, 700));
    for run in 0..2 {
        let view = kept.history.run(BENCHMARK, run, false).expect("a view");
        let records = counted(&kept, run);
        assert_eq!(view.requests, records.len() as u64);

        let timeline = &view.timeline;
        let seconds = timeline.step_ms as f64 / 1e3;
        assert!(timeline.requests_per_second.len() <= 300 && timeline.step_ms >= 1_000);
        let sum = |column: &[f64]| column.iter().sum::<f64>() * seconds;
        let failed = records.iter().filter(|record| !record.exchange.outcome.is_success());
        let [mut tokens, mut busy] = [0.0; 2];
        for StoredRecord { exchange, .. } in &records {
            let moments = &exchange.timeline;
            busy += moments.finished.arrived.since(moments.started).as_secs_f64();
            if exchange.outcome.is_success() {
                tokens += exchange.usage.output.count() as f64;
            }
        }
        for (got, expected) in [
            (sum(&timeline.requests_per_second), records.len() as f64),
            (sum(&timeline.errors_per_second), failed.count() as f64),
            (sum(&timeline.output_tokens_per_second), tokens),
            (sum(&timeline.in_flight), busy),
        ] {
            assert!((got - expected).abs() < 1e-6 * expected, "{got} for {expected}");
        }
        for place in 0..timeline.requests_per_second.len() {
            let start = (timeline.start_unix_ms + place as u64 * timeline.step_ms) * 1_000_000;
            let inside = start..start + timeline.step_ms * 1_000_000;
            let ended = records.iter().filter(|r| inside.contains(&r.finished_unix_nanos()));
            let ended: Vec<&StoredRecord> = ended.copied().collect();
            let rate = timeline.requests_per_second[place] * seconds;
            assert!((rate - ended.len() as f64).abs() < 1e-6, "{rate} for {}", ended.len());
            assert_close(timeline.ttft_ms.p95[place], exact(values(&ended, Latency::Ttft), 0.95));
            assert_close(timeline.e2e_ms.p50[place], exact(values(&ended, Latency::E2e), 0.5));
        }
        for latency in Latency::ALL {
            shapes_agree(&view, latency, &values(&records, latency));
        }
    }
}

fn shapes_agree(view: &archive::history::RunView, latency: Latency, values: &[f64]) {
    let distribution = view.distribution(latency);
    assert!(distribution.counts.len() <= 60);
    assert_eq!(distribution.bounds_ms.len(), distribution.counts.len() + 1);
    assert_eq!(distribution.counts.iter().sum::<u64>(), values.len() as u64);
    for (share, value) in distribution.shares.iter().zip(&distribution.values_ms) {
        assert_close(*value, exact(values.to_vec(), *share));
    }
    let heatmap = view.heatmap(latency);
    assert!(heatmap.counts.len() <= 120 && heatmap.bounds_ms.len() <= 41);
    assert!(heatmap.counts.iter().all(|step| step.len() + 1 == heatmap.bounds_ms.len()));
    assert_eq!(heatmap.counts.iter().flatten().sum::<u64>(), values.len() as u64);
}

#[test]
fn views_of_what_is_over_are_kept_and_others_made_anew() {
    let mut kept = Kept::new(requests(9_000, 60));
    let view = kept.history.run(BENCHMARK, 0, false).expect("a view");
    let more = requests(10, 60);
    append(&kept.store, &more);
    kept.records.extend(more);
    let grown = kept.history.run(BENCHMARK, 0, true).expect("a view");
    assert_eq!(grown.requests, counted(&kept, 0).len() as u64);
    assert!(grown.requests > view.requests);
    let again = kept.history.run(BENCHMARK, 0, true).expect("a view");
    assert!(Arc::ptr_eq(&grown, &again));
    assert_eq!(kept.history.run("00000000000000ff", 0, true).expect("an empty view").requests, 0);
}

/// Every page's records in their order, by their index.
fn pages(kept: &Kept, question: &RecordQuestion) -> Vec<u64> {
    let mut question = question.clone();
    let mut indices = Vec::new();
    loop {
        let page = kept.history.records(&question).expect("a page");
        assert!(page.items.len() <= question.limit);
        for item in &page.items {
            let record: Value = serde_json::from_str(item.get()).expect("JSON");
            assert!(record["chunk_ns"].is_null() && record["ttft_ms"] != 0);
            let id = record["request_id"].as_str().expect("an id");
            indices.push(id.rsplit('-').next().expect("an index").parse().expect("a number"));
        }
        match page.next {
            Some(cursor) => question.after = Some(cursor),
            None => return indices,
        }
    }
}

#[test]
fn pages_list_every_record_once_in_order() {
    let kept = Kept::new(requests(400, 600));
    let figure = |record: &StoredRecord, order: Order| {
        let exchange = &record.exchange;
        let figures = Figures::of(exchange, Origin::Planned, Convention::Prony);
        let figures = exchange.outcome.is_success().then_some(figures);
        match order {
            Order::Started => exchange.timeline.started.as_nanos() as f64,
            Order::SlowestTtft => -figures.and_then(|f| f.ttft_ms).unwrap_or(0.0),
            Order::SlowestE2e => -figures.map_or(0.0, |f| f.e2e_ms),
        }
    };
    for order in Order::ALL {
        for (outcomes, run, limit) in [
            (Outcomes::All, None, 7),
            (Outcomes::Succeeded, Some(1), 500),
            (Outcomes::Failed, Some(0), 1),
        ] {
            let takes = |record: &&StoredRecord| {
                let is_success = record.exchange.outcome.is_success();
                run.is_none_or(|run| record.provenance.label.run == run)
                    && (outcomes == Outcomes::All
                        || (outcomes == Outcomes::Succeeded) == is_success)
            };
            let mut expected: Vec<&StoredRecord> = kept.records.iter().filter(takes).collect();
            expected.sort_by(|one, other| {
                let by_figure = figure(one, order).total_cmp(&figure(other, order));
                by_figure.then(one.exchange.id.index.cmp(&other.exchange.id.index))
            });
            let expected: Vec<u64> = expected.iter().map(|r| r.exchange.id.index).collect();
            let question = RecordQuestion {
                benchmark: BENCHMARK.to_owned(),
                run,
                outcomes,
                order,
                after: None,
                limit,
            };
            assert_eq!(pages(&kept, &question), expected, "{question:?}");
        }
    }
}

#[test]
fn one_record_has_its_chunks() {
    let kept = Kept::new(requests(50, 60));
    for record in &kept.records {
        let found = kept.history.record(BENCHMARK, record.exchange.id).expect("it is read");
        let found: Value = serde_json::from_str(found.expect("it is there").get()).expect("JSON");
        let chunks: Vec<u64> =
            serde_json::from_value(found["chunk_ns"].clone()).expect("a list of numbers");
        assert_eq!(chunks, record.exchange.timeline.chunks.arrived_nanos());
    }
    let other = RequestId { run: 0xab, index: 50 };
    assert!(kept.history.record(BENCHMARK, other).expect("it is read").is_none());
    assert!(
        kept.history
            .record("00000000000000ff", kept.records[0].exchange.id)
            .is_ok_and(|found| found.is_none())
    );
}

#[test]
fn texts_are_listed_as_their_records_are_and_a_page_of_long_ones_ends_early() {
    let kept = Kept::new(requests(60, 60));
    let mut question = RecordQuestion {
        benchmark: BENCHMARK.to_owned(),
        run: None,
        outcomes: Outcomes::All,
        order: Order::Started,
        after: None,
        limit: 20,
    };
    assert!(kept.history.contents(&question).expect("it is read").is_none());
    // Of every third request only, and each of a megabyte.
    let content = |record: &StoredRecord| Content {
        id: record.exchange.id,
        prompt: vec![Said { role: None, content: "why?".to_owned() }],
        answer: "so ".repeat(350_000),
        reasoning: String::new(),
        tool_calls: Vec::new(),
        is_cut: false,
    };
    let mut records: Vec<&StoredRecord> = kept.records.iter().collect();
    records.sort_by_key(|record| (record.exchange.timeline.started, record.exchange.id));
    let contents: Vec<Content> =
        records.iter().map(|r| content(r)).filter(|c| c.id.index.is_multiple_of(3)).collect();
    let day = Duration::from_secs(86_400);
    kept.store.keep_content(contents.iter().map(|c| (BENCHMARK, c)), day).expect("room");

    let mut listed = Vec::new();
    loop {
        let page = kept.history.contents(&question).expect("it is read").expect("texts are kept");
        assert!(page.items.iter().map(Content::bytes).sum::<usize>() < 6 << 20);
        listed.extend(page.items);
        question.after = page.next;
        if question.after.is_none() {
            break;
        }
    }
    assert!(listed == contents, "{} of {}", listed.len(), contents.len());
    let one = kept.history.content(BENCHMARK, contents[5].id).expect("it is read");
    assert!(one.as_ref() == Some(&contents[5]));
    let other = RequestId { run: 0xab, index: 1 };
    assert!(kept.history.content(BENCHMARK, other).expect("it is read").is_none());
    assert!(!kept.history.keeps_content("00000000000000ff").expect("it is read"));
}

#[test]
fn what_was_seen_meanwhile_is_laid_on_the_runs_time() {
    let kept = Kept::new(requests(2_000, 700));
    let bare = kept.history.run(BENCHMARK, 0, false).expect("a view");
    assert_eq!(bare.watched, []);
    let start = bare.timeline.start_unix_ms * 1_000_000;
    let steps = bare.timeline.requests_per_second.len();
    let seconds = bare.timeline.step_ms * steps as u64 / 1_000;

    let Kept { store, history, records, _folder } = kept;
    drop(store);
    let clock = Arc::new(SystemClock);
    let (archive, _) =
        archive::Archive::open(_folder.path(), StoreSettings::default(), clock).expect("it opens");
    archive.store().create_run(&run_row()).expect("a run");
    let server = Source::Server { target: "sim".to_owned(), place: 0 };
    let mut keeper = archive.sample_keeper(BENCHMARK);
    for second in 0..=seconds {
        let unix_nanos = start + second * 1_000_000_000;
        let name = |what: &str| Name { what: what.to_owned(), gpu: None };
        let values = vec![(name("cpu_seconds"), second as f64 / 4.0)];
        keeper.see(Source::Prony, Sight { unix_nanos, values });
        keeper.miss(server.clone(), unix_nanos, format!("out of reach for {second} s"));
        keeper.tick(unix_nanos).expect("there is room");
    }
    keeper.finish().expect("there is room");

    let view = history.run(BENCHMARK, 0, false).expect("a view");
    assert_eq!(view.requests, bare.requests);
    let [prony, missed] = &*view.watched else { panic!("{:?}", view.watched) };
    assert_eq!((&prony.source, &prony.problem), (&Source::Prony, &None));
    let cpu = prony.values("cpu").expect("it was seen");
    assert_eq!(cpu.len(), steps);
    assert!(cpu.iter().all(|value| (value.expect("it was seen") - 25.0).abs() < 1e-6), "{cpu:?}");
    assert_eq!((&missed.source, &*missed.columns), (&server, &[][..]));
    assert_eq!(missed.problem, Some(format!("out of reach for {seconds} s")));
    drop(records);
}

fn run_row() -> Run {
    Run {
        id: BENCHMARK.to_owned(),
        name: String::new(),
        status: RunStatus::Completed,
        request: "{}".to_owned(),
        summary: None,
        labels: BTreeMap::new(),
        created_unix_ns: 1,
        started_unix_ns: None,
        finished_unix_ns: None,
    }
}
