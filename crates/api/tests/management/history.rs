//! What was: rollups over any time, and the runs and requests of a benchmark.

use analysis::Origin;
use analysis::rollup::{Resolution, Roller, coarsen};
use archive::samples::{Name, Sight, Source};
use archive::{SampleKeeper, rollup, series};
use control::{Round, RoundOutcome, Tally};
use domain::{
    Arrival, Chunks, CountSource, Exchange, Failure, FailureKind, FinishReason, Outcome, RequestId,
    Timeline, Timestamp, Tokens, Usage, Vantage,
};
use serde_json::json;
use store::RunLabel;
use store::durable::{Provenance, RollupRow, Run, RunStatus, STORED_ANCHOR, StoredRecord};

use super::*;

/// The start of 2026, in seconds since 1970.
const START_S: u64 = 1_767_225_600;

/// Request `index` of run 0: it starts that many seconds after the start of 2026, and its four tokens
/// come 100 ms apart. Every fifth fails.
pub(super) fn record(benchmark: &str, index: u64) -> StoredRecord {
    let started = Timestamp::from_nanos((START_S + index) * 1_000_000_000);
    let mut chunks = Chunks::default();
    for chunk in 1..=4 {
        chunks.push(started, Arrival::at(started + Duration::from_millis(100 * chunk)));
    }
    let failure = Failure {
        kind: FailureKind::Overloaded,
        status: Some(503),
        message: "busy".into(),
        retry_after: None,
        retryable: true,
    };
    let is_failed = index % 5 == 4;
    let provenance = Provenance {
        run: Some(benchmark.into()),
        label: RunLabel { run: 0, load: "concurrency=1".into(), origin: Origin::Started },
        provider: "scripted".into(),
        target_region: "here".into(),
        vantage_region: "".into(),
        source: "bench".into(),
    };
    let exchange = Exchange {
        id: RequestId { run: 0xab, index },
        server_request_id: None,
        user: 0,
        turn: 0,
        model: "fast".into(),
        scenario: "short_queries".into(),
        vantage: Vantage::Client,
        warmup: false,
        streamed: true,
        failed_attempts: Vec::new(),
        timeline: Timeline {
            planned: started,
            held: None,
            started,
            connection: None,
            sent: None,
            headers: None,
            chunks,
            finished: Arrival::at(started + Duration::from_millis(500)),
        },
        usage: Usage { input: Tokens(12), output: Tokens(4), ..Usage::default() },
        input_source: CountSource::Server,
        output_source: CountSource::Server,
        max_tokens: None,
        outcome: if is_failed {
            Outcome::Failure(failure)
        } else {
            Outcome::Success(FinishReason::Stop)
        },
    };
    StoredRecord { provenance: Arc::new(provenance), exchange }
}

/// Keeps what was seen beside it: a second after the other, half a core and three requests waiting.
fn see(desk: &Desk, benchmark: &str) {
    let row = Run {
        id: benchmark.to_owned(),
        name: String::new(),
        status: RunStatus::Running,
        request: "{}".to_owned(),
        summary: None,
        labels: BTreeMap::new(),
        created_unix_ns: 1,
        started_unix_ns: None,
        finished_unix_ns: None,
    };
    desk.store.create_run(&row).expect("room");
    let mut keeper = SampleKeeper::new(Arc::clone(&desk.store), benchmark);
    let name = |what: &str| Name { what: what.to_owned(), gpu: None };
    let server = |place| Source::Server { target: "fast".to_owned(), place };
    for second in 0..=10 {
        let unix_nanos = (START_S + second) * 1_000_000_000;
        let values = vec![
            (name("cpu_seconds"), 0.5 * second as f64),
            (name("memory_bytes"), 3.0 * 1_048_576.0),
        ];
        keeper.see(Source::Prony, Sight { unix_nanos, values });
        let values = vec![(name("requests_waiting"), 3.0)];
        keeper.see(server(0), Sight { unix_nanos, values });
        keeper.miss(server(1), unix_nanos, "cannot connect: refused".to_owned());
    }
    keeper.finish().expect("room");
}

/// A benchmark of one run that waits, with ten requests in the store and in the rollups.
pub(super) async fn desk() -> (Desk, String) {
    let desk = Desk::new().await;
    let body = json!({ "models": ["fast"], "concurrent_users": 1, "num_requests": 10 });
    let created = desk.create(&body).await.json();
    let id = created["id"].as_str().expect("an id").to_owned();
    let records: Vec<StoredRecord> = (0..10).map(|index| record(&id, index)).collect();
    let ticket = desk.store.append(records.iter().map(StoredRecord::entry)).expect("room");
    desk.store.wait(ticket).expect("they are kept");

    let mut roller = Roller::new(STORED_ANCHOR);
    records.iter().for_each(|record| roller.record(&record.exchange, Origin::Started));
    let seconds = roller.drain();
    let series = series::write(&series::of(&records[0]).expect("a known source"));
    let rows = Resolution::ALL.into_iter().flat_map(|resolution| {
        let series = series.clone();
        coarsen(&seconds, resolution).into_iter().map(move |delta| RollupRow {
            series: series.clone(),
            resolution_s: u32::try_from(resolution.seconds()).expect("an hour at most"),
            start_unix_s: delta.window.start_unix_seconds(),
            data: rollup::encode(&delta.rollup),
        })
    });
    let rows: Vec<RollupRow> = rows.collect();
    desk.store.add_rollups(&rows, ticket, |_, _| Err("there is one".into())).expect("kept");
    (desk, format!("/api/v1/benchmarks/{id}"))
}

#[tokio::test]
async fn rollups_come_in_steps() {
    let (desk, _) = desk().await;
    let from = START_S * 1_000;
    let path = |rest: &str| format!("/api/v1/rollups?from_unix_ms={from}&{rest}");
    let whole = path(&format!("to_unix_ms={}&step_seconds=5&group_by=model,region", from + 10_000));
    let told = desk.get(&whole).await.json();
    let quantiles = |ms: f64| json!({ "p50": [ms, ms], "p95": [ms, ms], "p99": [ms, ms] });
    assert_eq!(
        told,
        json!({
            "step_seconds": 5,
            "times_unix_ms": [from, from + 5_000],
            "series": [{
                "labels": { "model": "fast", "region": "here" },
                "requests": [5, 5], "errors": [1, 1],
                "input_tokens": [60, 60], "output_tokens": [20, 20],
                "cost_usd": [null, null], "in_flight": [0.5, 0.5],
                "ttft_ms": quantiles(100.0), "tpot_ms": quantiles(100.0),
                "e2e_ms": quantiles(500.0),
            }],
        })
    );
    let filtered =
        path(&format!("to_unix_ms={}&points=1&model=slow,fast&source=bench", from + 10_000));
    assert_eq!(desk.get(&filtered).await.json()["series"][0]["requests"], json!([10]));
    let other = path(&format!("to_unix_ms={}&points=1&model=slow", from + 10_000));
    assert_eq!(desk.get(&other).await.json()["series"], json!([]));
    desk.close().await;
}

#[tokio::test]
async fn a_run_is_seen_as_a_whole() {
    let (desk, path) = desk().await;
    let timeline = desk.get(&format!("{path}/timeline?run=0")).await.json();
    assert_eq!(
        (&timeline["start_unix_ms"], &timeline["step_ms"]),
        (&json!(START_S * 1_000), &json!(1_000))
    );
    assert_eq!(timeline["requests_per_second"], json!(vec![1.0; 10]));
    assert_eq!(timeline["in_flight"], json!(vec![0.5; 10]));
    assert_eq!(timeline["output_tokens_per_second"], json!(vec![4.0; 10]));
    assert_eq!(timeline["errors_per_second"][4], json!(1.0));
    assert_eq!(timeline["ttft_ms"]["p95"][4], Value::Null, "none succeeded then");
    assert_eq!(timeline["cpu_percent"], json!(vec![Value::Null; 10]));
    let resources = desk.get(&format!("{path}/resources")).await.json();
    assert_eq!(
        resources,
        json!({ "start_unix_ms": START_S * 1_000, "step_ms": 1_000, "sources": [] })
    );

    let shape = desk.get(&format!("{path}/distribution?metric=itl")).await.json();
    assert_eq!((&shape["metric"], &shape["unit"]), (&json!("itl"), &json!("ms")));
    assert_eq!(shape["counts"], json!([24]));
    assert_eq!(shape["bounds"].as_array().map(Vec::len), Some(2));
    assert_eq!(shape["percentiles"]["value"][0], json!(100.0));
    let heatmap = desk.get(&format!("{path}/heatmap")).await.json();
    assert_eq!(heatmap["counts"][0], json!([1]));
    assert_eq!(heatmap["counts"][4], json!([0]));
    desk.close().await;
}

#[tokio::test]
async fn what_was_seen_meanwhile_stands_beside_the_timeline() {
    let (desk, path) = desk().await;
    see(&desk, path.rsplit_once('/').expect("it ends in the id").1);
    let timeline = desk.get(&format!("{path}/timeline")).await.json();
    assert_eq!(timeline["cpu_percent"], json!(vec![50.0; 10]));
    assert_eq!(timeline["memory_mib"], json!(vec![3.0; 10]));
    let resources = desk.get(&format!("{path}/resources?run=0")).await.json();
    let figure = |name: &str, unit: &str, value: f64| json!({ "name": name, "unit": unit, "gpu": null, "values": vec![value; 10] });
    assert_eq!(
        resources["sources"],
        json!([
            {
                "kind": "prony", "target": null, "place": 0, "problem": null,
                "figures": [figure("cpu", "percent", 50.0), figure("memory", "MiB", 3.0)],
            },
            {
                "kind": "server", "target": "fast", "place": 0, "problem": null,
                "figures": [figure("requests_waiting", "count", 3.0)],
            },
            {
                "kind": "server", "target": "fast", "place": 1,
                "problem": "cannot connect: refused", "figures": [],
            },
        ])
    );
    desk.close().await;
}

#[tokio::test]
async fn requests_are_listed_and_shown_one_by_one() {
    let (desk, path) = desk().await;
    let list = async |query: &str| {
        let told = desk.get(&format!("{path}/records?{query}")).await.json();
        let items = told["items"].as_array().expect("items");
        let ids = items.iter().map(|item| item["request_id"].as_str().expect("an id").to_owned());
        (ids.collect::<Vec<String>>(), told["next_cursor"].as_str().map(str::to_owned))
    };
    let id = |index: u64| format!("00000000000000ab-{index}");
    assert_eq!(list("outcome=failed").await, (vec![id(4), id(9)], None));
    let (first, cursor) = list("limit=6&run=0").await;
    assert_eq!(first, (0..6).map(id).collect::<Vec<_>>());
    let next = format!("limit=6&run=0&cursor={}", cursor.expect("there is more"));
    assert_eq!(list(&next).await, ((6..10).map(id).collect(), None));
    assert_eq!(list("sort=-e2e&limit=1").await.0, [id(0)]);

    let listed = desk.get(&format!("{path}/records?limit=1")).await.json()["items"][0].clone();
    let shown = desk.get(&format!("{path}/records/{}", id(0))).await.json();
    assert_eq!(shown["chunk_ns"], json!([100_000_000, 200_000_000, 300_000_000, 400_000_000]));
    for (key, value) in listed.as_object().expect("an object") {
        assert_eq!(shown[key], *value, "{key}");
    }
    assert_eq!((&listed["chunk_ns"], &listed["e2el_ms"]), (&Value::Null, &json!(500.0)));
    desk.close().await;
}

#[tokio::test]
async fn the_documented_record_is_the_one_that_is_told() {
    let (desk, path) = desk().await;
    let document = desk.get("/api/v1/openapi.json").await.json();
    let listed = desk.get(&format!("{path}/records?limit=1")).await.json()["items"][0].clone();
    let schema = &document["components"]["schemas"]["RequestRecord"]["properties"];
    let keys = |value: &Value| {
        value.as_object().expect("an object").keys().cloned().collect::<Vec<String>>()
    };
    assert_eq!(keys(schema), keys(&listed));
    desk.close().await;
}

#[tokio::test]
async fn what_cannot_be_told_says_why() {
    let (desk, path) = desk().await;
    let rollups = "/api/v1/rollups?from_unix_ms=1000&to_unix_ms=";
    let mut told = String::new();
    for path in [
        "/api/v1/rollups?to_unix_ms=5".to_owned(),
        format!("{rollups}1000"),
        format!("{rollups}9000&step_seconds=0"),
        format!("{rollups}9000&points=0"),
        format!("{rollups}9000&points=1001"),
        format!("{rollups}9000&points=1&step_seconds=1"),
        format!("{rollups}3601000&step_seconds=1"),
        format!("{rollups}9000&group_by=model,regoin"),
        format!("{rollups}9000&modle=fast"),
        format!("{path}/timeline?run=1"),
        format!("{path}/timeline?run=x"),
        format!("{path}/resources?run=1"),
        format!("{path}/distribution?metric=e2el"),
        format!("{path}/heatmap?metric=e2e"),
        format!("{path}/records?outcome=lost"),
        format!("{path}/records?sort=slowest"),
        format!("{path}/records?limit=501"),
        format!("{path}/records?cursor=5"),
        format!("{path}/records?run=7"),
        format!("{path}/records/00000000000000ab-10"),
        format!("{path}/records/x"),
        "/api/v1/benchmarks/00000000000000ab/timeline".to_owned(),
    ] {
        let answer = desk.get(&path).await;
        let problem = answer.json();
        told.push_str(&format!(
            "{} {}\n",
            answer.status,
            problem["detail"].as_str().expect("text")
        ));
        if let Some(hint) = problem["hint"].as_str() {
            told.push_str(&format!("  {hint}\n"));
        }
    }
    insta::assert_snapshot!(told, @r#"
    400 missing field `from_unix_ms`
      /docs lists what may stand behind the `?`
    400 the time asked for ends before it begins
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 there is no step: take a second at least, or a point
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 points cannot be `0`
      give a whole number from 1 to 1000
    400 points cannot be `1001`
      give a whole number from 1 to 1000
    400 step_seconds stands beside points
      give one of the two
    400 there would be 3600 points and at most 1000 may be; take steps of 4 s or more
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 group_by: `regoin` is no label of requests; did you mean `region`?
    400 unknown field `modle`, expected one of `from_unix_ms`, `to_unix_ms`, `step_seconds`, `points`, `group_by`, `model`, `provider`, `region`, `vantage`, `vantage_region`, `scenario`, `source`
      /docs lists what may stand behind the `?`
    404 the benchmark has no run 1
      it has 1, counted from 0
    400 run cannot be `x`: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    404 the benchmark has no run 1
      it has 1, counted from 0
    400 metric cannot be `e2el`
      use one of ttft, tpot, itl, e2e
    400 metric cannot be `e2e`
      use one of ttft, itl
    400 outcome cannot be `lost`
      use one of all, succeeded, failed
    400 sort cannot be `slowest`
      use one of started, -ttft, -e2e
    400 limit cannot be `501`
      give a whole number from 1 to 500
    400 cursor cannot be `5`
      leave it out, or send a `next_cursor` of this list as it came
    404 the benchmark has no run 7
      it has 1, counted from 0
    404 the benchmark has no request 00000000000000ab-10
      GET /api/v1/benchmarks/{id}/records lists those there are
    404 the benchmark has no request x
      GET /api/v1/benchmarks/{id}/records lists those there are
    404 there is no benchmark 00000000000000ab
      GET /api/v1/benchmarks lists those there are
    "#);
    desk.close().await;
}

#[tokio::test]
async fn availability_is_what_canaries_found() {
    let desk = Desk::new().await;
    assert_eq!(desk.get("/api/v1/availability").await.json(), json!({ "items": [] }));
    desk.clock.set_unix_nanos((START_S + 3_600) * 1_000_000_000);
    let asked = |minute: u64, good: u64| Round {
        schedule: "canary".into(),
        target: "fast".into(),
        due_unix_nanos: (START_S + 60 * minute) * 1_000_000_000,
        every: Duration::from_secs(60),
        objective: 0.99,
        outcome: RoundOutcome::Asked {
            tally: Tally { good, failed: 1 - good, excluded: 0 },
            problem: None,
        },
    };
    for minute in 0..30 {
        desk.availability.note(&asked(minute, u64::from(minute < 27))).expect("there is room");
    }
    let all = desk.get("/api/v1/availability").await.json();
    let of_fast = desk.get("/api/v1/availability?target=fast").await.json();
    assert_eq!(all, of_fast);
    let [fast] = all["items"].as_array().expect("a list").as_slice() else { panic!("{all}") };
    assert_eq!(fast["target"], "fast");
    let hour = &fast["windows"][0];
    assert_eq!((&hour["window_seconds"], &hour["share"]), (&json!(3_600), &json!(0.9)));
    assert_eq!(
        (&hour["checks"], &hour["failed"], &hour["rounds"]),
        (&json!(30), &json!(3), &json!(30))
    );
    assert_eq!((&hour["measured"], &hour["condition"]), (&json!(0.5), &json!("degraded")));
    let left = hour["budget_left"].as_f64().expect("it was measured");
    assert!((left + 9.0).abs() < 1e-9, "{left}");
    let days = fast["days"].as_array().expect("a list");
    assert_eq!((days.len(), &days[28]["condition"]), (30, &json!("unmeasured")));
    assert_eq!(
        (&days[29]["share"], &days[29]["start_unix_ms"]),
        (&json!(0.9), &json!(START_S * 1_000))
    );
    assert_eq!(
        fast["downtimes"],
        json!([{
            "schedule": "canary", "from": "2026-01-01T00:27:00.000Z", "to": null, "rounds": 3,
            "problem": "",
        }])
    );
    let listed = desk.get("/api/v1/targets").await.json();
    let month = &listed["items"][0]["availability"];
    assert_eq!((&month["window_seconds"], &month["share"]), (&json!(2_592_000), &json!(0.9)));
    assert_eq!(listed["items"][1]["availability"], Value::Null);
    let endless = desk.get("/api/v1/availability?target=endless").await.json();
    assert_eq!(endless, json!({ "items": [] }));
    assert_eq!(desk.get("/api/v1/availability?target=nobody").await.status, 404);
    desk.close().await;
}
