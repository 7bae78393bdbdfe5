//! What clients are told when something is wrong.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

#[tokio::test]
async fn everything_that_is_wrong_with_a_body_is_told_at_once() {
    let desk = Desk::new().await;
    let mut told = String::new();
    for body in [
        json!({}),
        json!([]),
        json!({ "model": ["fast"], "concurent_users": 1, "duration_minutes": 1 }),
        json!({ "models": ["fast"], "concurrent_users": "many", "duration_minutes": 1 }),
        json!({ "models": ["fast"], "concurrent_users": [1, 2.5], "duration_minutes": 1 }),
        json!({ "models": ["fast"], "concurrent_users": -1, "duration_minutes": 1 }),
        json!({ "models": ["fast"], "request_rate": 1, "slo": { "ttfb_ms": 1 } }),
        json!({ "models": [] }),
        json!({
            "models": ["fats", "fast", "fast"], "test_scenarios": ["short_query"],
            "concurrent_users": [0], "request_rate": 20, "duration_minutes": 1, "duration_seconds": 60,
            "slo": { "ttft_ms": 0 }, "max_tokens": 0, "labels": { "": "x" },
        }),
        json!({
            "models": ["fast"], "concurrent_users": 1, "num_requests": 5, "arrivals": "poisson",
            "burstiness": 2, "ramp_up_seconds": -1, "slo": {},
        }),
        json!({ "models": ["fast"], "request_rate": [20, 0], "duration_minutes": 20_000 }),
        json!({ "models": ["fast"], "request_rate": [20, 0], "duration_minutes": 1 }),
        json!({
            "models": ["fast"], "request_rate": 20, "num_requests": 5, "arrivals": "constant",
            "burstiness": 2,
        }),
        json!({
            "models": ["fast"], "concurrent_users": 5, "duration_seconds": 10, "ramp_up_seconds": 10,
        }),
        json!({
            "models": ["fast"], "concurrent_users": (1..=1_001).collect::<Vec<_>>(), "num_requests": 1,
        }),
    ] {
        let answer = desk.create(&body).await;
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem = answer.json();
        told.push_str(&format!(
            "{} {}\n",
            answer.status,
            problem["detail"].as_str().expect("text")
        ));
        for fault in problem["errors"].as_array().into_iter().flatten() {
            told.push_str(&format!("  {}: {}\n", fault["pointer"], fault["detail"]));
        }
    }
    assert_snapshot!(told, @r#"
    422 the body: missing field `models`
      "": "missing field `models`"
    422 the body: is no JSON object
      "": "is no JSON object"
    422 2 things are wrong with the body
      "/concurent_users": "is no key of a benchmark; the nearest is `concurrent_users`"
      "/model": "is no key of a benchmark; the nearest is `models`"
    422 concurrent_users: invalid type: string "many", expected a whole number above zero or a list of them
      "/concurrent_users": "invalid type: string \"many\", expected a whole number above zero or a list of them"
    422 concurrent_users/1: invalid value: floating point `2.5`, expected a whole number above zero
      "/concurrent_users/1": "invalid value: floating point `2.5`, expected a whole number above zero"
    422 concurrent_users: invalid value: integer `-1`, expected a whole number above zero or a list of them
      "/concurrent_users": "invalid value: integer `-1`, expected a whole number above zero or a list of them"
    422 slo/ttfb_ms: unknown field `ttfb_ms`, expected one of `ttft_ms`, `tpot_ms`, `e2e_ms`
      "/slo/ttfb_ms": "unknown field `ttfb_ms`, expected one of `ttft_ms`, `tpot_ms`, `e2e_ms`"
    422 3 things are wrong with the body
      "/models": "name at least one target"
      "": "does not say when runs end: give `duration_minutes` or `num_requests`"
      "": "has no load: give `concurrent_users` or `request_rate`"
    422 8 things are wrong with the body
      "/models/0": "no target is called `fats`; there are: fast, endless"
      "/models/2": "`fast` is named twice"
      "/test_scenarios/0": "no scenario is called `short_query`; there are: short_queries, long_documents, code_generation"
      "/labels/": "must have 1 to 200 bytes"
      "/duration_seconds": "stands beside `duration_minutes`: give one of the two"
      "/request_rate": "stands beside `concurrent_users`: give one of the two"
      "/slo/ttft_ms": "must be above zero"
      "/max_tokens": "must be at least 1"
    422 4 things are wrong with the body
      "/arrivals": "is about `request_rate`; users ask when they are answered"
      "/burstiness": "is about `request_rate`"
      "/slo": "gives no limit"
      "/ramp_up_seconds": "is no time of at most seven days"
    422 duration_minutes: is no time of at most seven days
      "/duration_minutes": "is no time of at most seven days"
    422 the body: under rate=0/s: the request rate is not above zero; give a rate such as 20/s
      "": "under rate=0/s: the request rate is not above zero; give a rate such as 20/s"
    422 burstiness: shapes `gamma` arrivals only
      "/burstiness": "shapes `gamma` arrivals only"
    422 the body: under concurrency=5: the ramp lasts as long as the run; make the duration longer than the ramp
      "": "under concurrency=5: the ramp lasts as long as the run; make the duration longer than the ramp"
    422 the body: makes 1001 runs; a benchmark has at most 1000
      "": "makes 1001 runs; a benchmark has at most 1000"
    "#);
    assert_eq!(desk.get("/api/v1/benchmarks").await.json()["items"], json!([]));
    desk.close().await;
}

#[tokio::test]
async fn requests_that_fit_nothing_are_told_why() {
    let desk = Desk::new().await;
    let json_type = "content-type: application/json\r\n";
    let long = format!("[\"{}\"]", "x".repeat(1 << 20));
    let mut told = String::new();
    for (method, path, headers, body) in [
        ("GET", "/api/v1/nothing", "", ""),
        ("GET", "/api/v1/benchmarks/18867251edfa0000", "", ""),
        ("GET", "/api/v1/benchmarks/latest", "", ""),
        ("GET", "/api/v1/benchmarks/18867251edfa0000/results", "", ""),
        ("PUT", "/api/v1/benchmarks", "", ""),
        ("POST", "/api/v1/targets", "", ""),
        ("POST", "/api/v1/benchmarks", "", "{}"),
        ("POST", "/api/v1/benchmarks", "content-type: text/plain\r\n", "{}"),
        ("POST", "/api/v1/benchmarks", json_type, "{\"a\": sk-secret}"),
        ("POST", "/api/v1/benchmarks", json_type, &long),
        ("GET", "/api/v1/benchmarks?status=done", "", ""),
        ("GET", "/api/v1/benchmarks?modle=fast", "", ""),
        ("GET", "/api/v1/benchmarks?limit=0", "", ""),
        ("GET", "/api/v1/benchmarks?limit=x", "", ""),
        ("GET", "/api/v1/benchmarks?cursor=x", "", ""),
        ("POST", "/api/v1/benchmarks/18867251edfa0000/cancel", "", ""),
        ("DELETE", "/api/v1/benchmarks/18867251edfa0000", "", ""),
    ] {
        let answer = desk.call(method, path, headers, body).await;
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status);
        told.push_str(&format!("{method} {path} {}\n", answer.status));
        for key in ["detail", "hint"] {
            told.extend(problem[key].as_str().map(|text| format!("  {text}\n")));
        }
    }
    assert_snapshot!(told, @r#"
    GET /api/v1/nothing 404
      nothing stands at this path
      /docs lists every path
    GET /api/v1/benchmarks/18867251edfa0000 404
      there is no benchmark 18867251edfa0000
      GET /api/v1/benchmarks lists those there are
    GET /api/v1/benchmarks/latest 404
      there is no benchmark latest
      GET /api/v1/benchmarks lists those there are
    GET /api/v1/benchmarks/18867251edfa0000/results 404
      there is no benchmark 18867251edfa0000
      GET /api/v1/benchmarks lists those there are
    PUT /api/v1/benchmarks 405
      the path exists, but not with this method
      /docs lists what each path takes
    POST /api/v1/targets 405
      the path exists, but not with this method
      /docs lists what each path takes
    POST /api/v1/benchmarks 415
      the content-type is not application/json
      send `Content-Type: application/json`
    POST /api/v1/benchmarks 415
      the content-type is not application/json
      send `Content-Type: application/json`
    POST /api/v1/benchmarks 400
      the body is no JSON: see line 1, column 7
      send a JSON object
    POST /api/v1/benchmarks 413
      a body may have 1048576 bytes
    GET /api/v1/benchmarks?status=done 400
      status cannot be `done`
      use one of queued, running, completed, failed, cancelled, interrupted
    GET /api/v1/benchmarks?modle=fast 400
      unknown field `modle`, expected one of `status`, `model`, `scenario`, `limit`, `cursor`
      /docs lists what may stand behind the `?`
    GET /api/v1/benchmarks?limit=0 400
      limit cannot be `0`
      give a whole number from 1 to 500
    GET /api/v1/benchmarks?limit=x 400
      limit cannot be `x`: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    GET /api/v1/benchmarks?cursor=x 400
      cursor cannot be `x`
      leave it out, or send a `next_cursor` of this list as it came
    POST /api/v1/benchmarks/18867251edfa0000/cancel 404
      there is no benchmark 18867251edfa0000
      GET /api/v1/benchmarks lists those there are
    DELETE /api/v1/benchmarks/18867251edfa0000 404
      there is no benchmark 18867251edfa0000
      GET /api/v1/benchmarks lists those there are
    "#);
    desk.close().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let desk = Desk::new().await;
    let allowed = async |path| {
        let answer = desk.call("PUT", path, "", "").await;
        assert_eq!(answer.status, 405);
        answer.header("allow").map(str::to_owned)
    };
    assert_eq!(allowed("/api/v1/targets").await.as_deref(), Some("GET,HEAD"));
    assert_eq!(allowed("/api/v1/benchmarks").await.as_deref(), Some("GET,HEAD,POST"));
    desk.close().await;
}

#[tokio::test]
async fn a_full_queue_is_told() {
    let desk = Desk::new().await;
    let body = json!({ "models": ["fast"], "concurrent_users": 1, "num_requests": 5 });
    for _ in 0..3 {
        assert_eq!(desk.create(&body).await.status, 202);
    }
    let refused = desk.create(&body).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(refused.json()["detail"], "3 benchmarks wait already, and no more may");
    desk.close().await;
}
