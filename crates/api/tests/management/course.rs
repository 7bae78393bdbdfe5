//! From a benchmark's creation to what it came to.

use control::Status;
use serde_json::json;

use super::*;

fn path(created: &Answer) -> String {
    created.header("location").expect("where to follow it").to_owned()
}

#[tokio::test]
async fn a_benchmark_is_created_followed_and_read() {
    let mut desk = Desk::new().await;
    let body = json!({
        "models": ["fast"],
        "concurrent_users": [1, 2],
        "num_requests": 5,
        "test_scenarios": ["short_queries", "code_generation"],
        "labels": { "commit": "abc" },
    });
    let created = desk.create(&body).await;
    assert_eq!(created.status, 202);
    let told = created.json();
    let id = told["id"].as_str().expect("an id").to_owned();
    assert_eq!(path(&created), format!("/api/v1/benchmarks/{id}"));
    let mut wanted = json!({
        "id": id,
        "name": "fast: short_queries, code_generation (concurrency=1, concurrency=2)",
        "status": "queued",
        "created_at": "2026-01-01T00:00:00.000Z",
        "started_at": null,
        "finished_at": null,
        "request": body,
        "progress": {
            "share": 0.0, "runs_done": 0, "runs_total": 4, "elapsed_seconds": 0.0,
            "remaining_seconds": null, "current": null, "completed": 0, "failed": 0, "in_flight": 0,
        },
        "error": null,
        "links": {
            "self": format!("/api/v1/benchmarks/{id}"),
            "results": format!("/api/v1/benchmarks/{id}/results"),
            "timeline": format!("/api/v1/benchmarks/{id}/timeline"),
            "records": format!("/api/v1/benchmarks/{id}/records"),
            "content": format!("/api/v1/benchmarks/{id}/content"),
        },
    });
    // Drawn anew for each benchmark that names none: microseconds since 1970.
    wanted["request"]["seed"] = json!(1_767_225_600_000_000_u64);
    // As the server's configuration says where the body does not.
    wanted["request"]["store_content"] = json!(false);
    assert_eq!(told, wanted);
    assert_eq!(desk.get(&path(&created)).await.json(), wanted);

    desk.work();
    let done = desk.until(&path(&created), |status| status == Status::Completed).await;
    assert_eq!(done["started_at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(
        (&done["progress"]["share"], &done["progress"]["completed"]),
        (&json!(1.0), &json!(20))
    );
    let results = desk.get(done["links"]["results"].as_str().expect("a link")).await.json();
    assert_eq!((&results["id"], &results["status"]), (&done["id"], &json!("completed")));
    let runs = results["runs"].as_array().expect("runs");
    let told: Vec<String> = runs
        .iter()
        .map(|run| format!("{} {} {}", run["target"], run["scenario"], run["completed"]))
        .collect();
    let of = |scenario: &str| format!("\"fast\" \"{scenario}\" 5");
    let [short, code] = ["short_queries", "code_generation"].map(of);
    assert_eq!(told, [short.clone(), short, code.clone(), code]);
    assert!(runs[0]["p99_ttft_ms"].is_number(), "an entry of summary.json");
    desk.close().await;
}

#[tokio::test]
async fn the_same_key_gives_the_same_benchmark() {
    let desk = Desk::new().await;
    let body = json!({ "models": ["fast"], "concurrent_users": 1, "num_requests": 5 });
    let other = json!({ "models": ["fast"], "concurrent_users": 2, "num_requests": 5 });
    let send = |key: &'static str, body: Value| {
        let desk = &desk;
        async move {
            let headers = format!("idempotency-key: {key}\r\n");
            desk.post("/api/v1/benchmarks", &headers, &body).await
        }
    };
    let first = send("one", body.clone()).await.json();
    desk.clock.advance(Duration::from_secs(1));
    assert_eq!(send("one", body.clone()).await.json(), first, "though a new seed would be drawn");
    assert_ne!(send("two", body).await.json()["id"], first["id"]);
    let refused = send("one", other).await;
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (409, &json!("urn:prony:problem:conflict"))
    );
    desk.close().await;
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_parts() {
    let desk = Desk::new().await;
    let mut ids = Vec::new();
    for (model, scenario) in
        [("fast", "short_queries"), ("endless", "short_queries"), ("fast", "long_documents:300")]
    {
        let body = json!({
            "models": [model], "test_scenarios": [scenario],
            "request_rate": 20.0, "duration_minutes": 0.5,
        });
        ids.push(desk.create(&body).await.json()["id"].clone());
    }
    let list = |query: &'static str| {
        let (desk, ids) = (&desk, &ids);
        async move {
            let told = desk.get(&format!("/api/v1/benchmarks?{query}")).await.json();
            let place = |item: &Value| ids.iter().position(|id| *id == item["id"]).expect("known");
            let places = told["items"].as_array().expect("items").iter().map(place);
            (places.collect::<Vec<usize>>(), told["next_cursor"].as_str().map(str::to_owned))
        }
    };
    assert_eq!(list("").await, (vec![2, 1, 0], None));
    assert_eq!(list("model=fast").await, (vec![2, 0], None));
    assert_eq!(list("model=fast&scenario=short_queries").await, (vec![0], None));
    assert_eq!(list("status=running").await, (vec![], None));
    let (first, cursor) = list("limit=2").await;
    assert_eq!(first, [2, 1]);
    let next = format!("/api/v1/benchmarks?limit=2&cursor={}", cursor.expect("there is more"));
    let next = desk.get(&next).await.json();
    assert_eq!((&next["items"][0]["id"], &next["next_cursor"]), (&ids[0], &Value::Null));
    desk.close().await;
}

#[tokio::test]
async fn a_benchmark_is_cancelled_and_deleted() {
    let mut desk = Desk::new().await;
    let body = json!({ "models": ["endless"], "concurrent_users": 2, "num_requests": 5 });
    let running = path(&desk.create(&body).await);
    let waiting = path(&desk.create(&body).await);
    desk.work();
    let told = desk.until(&running, |status| status == Status::Running).await;
    assert_eq!(told["progress"]["runs_total"], 1);

    let early = desk.call("DELETE", &running, "", "").await;
    assert_eq!((early.status, &early.json()["detail"]), (409, &json!("the benchmark is running")));
    let cancelled = desk.post(&format!("{waiting}/cancel"), "", &Value::Null).await;
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (202, &json!("cancelled")));
    let again = desk.post(&format!("{waiting}/cancel"), "", &Value::Null).await;
    assert_eq!(again.status, 409);
    let deleted = desk.call("DELETE", &waiting, "", "").await;
    assert_eq!((deleted.status, &*deleted.body), (204, ""));
    assert_eq!(desk.get(&waiting).await.status, 404);
    // What is in flight never ends here, so that this one waits for its grace.
    desk.tasks.abort_all();
}

#[tokio::test]
async fn what_benchmarks_may_name_is_listed() {
    let desk = Desk::new().await;
    let targets = desk.get("/api/v1/targets").await.json();
    assert_eq!(
        targets["items"][0],
        json!({
            "name": "fast", "provider": "scripted", "model": "fast-model",
            "url_host": "127.0.0.1", "region": "here", "labels": { "team": "search" },
            "availability": null,
        })
    );
    let scenarios = desk.get("/api/v1/scenarios").await.json();
    assert_eq!(
        scenarios["items"][1],
        json!({ "name": "long_documents", "description": "what long_documents are", "prompts": null })
    );
    desk.clock.advance(Duration::from_millis(90_500));
    let status = desk.get("/api/v1/status").await.json();
    assert_eq!((&status["uptime_seconds"], &status["store"]["records"]), (&json!(90), &json!(7)));
    assert_eq!((&status["auth"], &status["role"]), (&json!("none"), &json!("operator")));
    assert_eq!(
        desk.get("/metrics").await.body,
        "# HELP llm_requests_total Requests.\n# TYPE llm_requests_total counter\nllm_requests_total 3\n"
    );
    assert_eq!(desk.get("/health").await.body, r#"{"status":"ok"}"#);
    desk.close().await;
}
