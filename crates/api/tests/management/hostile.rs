//! Requests that nobody sends in good faith, or everybody once by mistake.

use insta::assert_snapshot;
use serde_json::json;

use super::*;

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn figures_beyond_all_measure_are_refused() {
    let desk = Desk::new().await;
    let mut told = String::new();
    for (key, value) in [
        ("concurrent_users", "1000000000000"),
        ("concurrent_users", "18446744073709551616"),
        ("concurrent_users", "0"),
        ("concurrent_users", "[]"),
        ("concurrent_users", "[4, 8, 4]"),
        ("concurrent_users", "null"),
        ("concurrent_users", "100.0"),
        ("request_rate", "1e308"),
        ("request_rate", "-1"),
        ("request_rate", "1e-300"),
        ("request_rate", "[1, 1.0]"),
        ("duration_minutes", "0"),
        ("duration_minutes", "-0.0"),
        ("duration_minutes", "1e-300"),
        ("duration_minutes", "1e308"),
        ("duration_minutes", "1e400"),
        ("duration_minutes", "NaN"),
        ("num_requests", "0"),
        ("num_requests", "18446744073709551615"),
        ("max_tokens", "18446744073709551615"),
        ("burstiness", "0"),
        ("seed", "-1"),
        ("name", "\"\\u001b[2J\""),
        ("name", "\"\""),
        ("labels", "{\"a\": \"\\n\"}"),
        ("test_scenarios", "[\"short_queries:0\"]"),
        ("test_scenarios", "[\"short_queries:18446744073709551615\"]"),
        ("test_scenarios", "[\"short_queries\", \"short_queries\"]"),
    ] {
        let end = if key.starts_with("duration") || key.starts_with("num") {
            ""
        } else {
            ",\"num_requests\":1"
        };
        let load = if key == "concurrent_users" || key == "request_rate" {
            ""
        } else if key == "burstiness" {
            ",\"request_rate\":1"
        } else {
            ",\"concurrent_users\":1"
        };
        let body = format!("{{\"models\":[\"fast\"],\"{key}\":{value}{end}{load}}}");
        let answer = desk.call("POST", "/api/v1/benchmarks", JSON, &body).await;
        told.push_str(&format!("{key}={value}: {}\n", answer.status));
        told.extend(answer.json()["detail"].as_str().map(|text| format!("  {text}\n")));
        if let Some(link) = answer.header("location") {
            assert_eq!(desk.call("POST", &format!("{link}/cancel"), "", "").await.status, 202);
        }
    }
    desk.close().await;
    assert_snapshot!(told, @r#"
    concurrent_users=1000000000000: 422
      concurrent_users: must lie between 1 and 1000000
    concurrent_users=18446744073709551616: 422
      concurrent_users: invalid value: floating point `1.8446744073709552e+19`, expected a whole number above zero or a list of them
    concurrent_users=0: 422
      concurrent_users: must lie between 1 and 1000000
    concurrent_users=[]: 422
      concurrent_users: is empty
    concurrent_users=[4, 8, 4]: 422
      concurrent_users/2: `concurrency=4` is named twice
    concurrent_users=null: 422
      the body: has no load: give `concurrent_users` or `request_rate`
    concurrent_users=100.0: 422
      concurrent_users: invalid value: floating point `100.0`, expected a whole number above zero or a list of them
    request_rate=1e308: 422
      request_rate: must lie between 0.000001 and 1000000
    request_rate=-1: 422
      the body: under rate=-1/s: the request rate is not above zero; give a rate such as 20/s
    request_rate=1e-300: 422
      request_rate: must lie between 0.000001 and 1000000
    request_rate=[1, 1.0]: 422
      request_rate/1: `rate=1/s` is named twice
    duration_minutes=0: 422
      the body: under concurrency=1: the run would last no time; give a duration such as 30s
    duration_minutes=-0.0: 422
      the body: under concurrency=1: the run would last no time; give a duration such as 30s
    duration_minutes=1e-300: 422
      the body: under concurrency=1: the run would last no time; give a duration such as 30s
    duration_minutes=1e308: 422
      duration_minutes: is no time of at most seven days
    duration_minutes=1e400: 400
      the body is no JSON: see line 1, column 43
    duration_minutes=NaN: 400
      the body is no JSON: see line 1, column 39
    num_requests=0: 422
      the body: under concurrency=1: the run would send no request; give at least 1
    num_requests=18446744073709551615: 202
    max_tokens=18446744073709551615: 202
    burstiness=0: 422
      the body: under rate=1/s: burstiness is not above zero; 1 gives Poisson arrivals
    seed=-1: 422
      seed: invalid value: integer `-1`, expected u64
    name="\u001b[2J": 422
      name: has control characters
    name="": 422
      name: must have 1 to 200 bytes
    labels={"a": "\n"}: 422
      labels/a: has control characters
    test_scenarios=["short_queries:0"]: 422
      test_scenarios/0: no scenario is called `short_queries:0`; there are: short_queries, long_documents, code_generation
    test_scenarios=["short_queries:18446744073709551615"]: 422
      test_scenarios/0: no scenario is called `short_queries:18446744073709551615`; there are: short_queries, long_documents, code_generation
    test_scenarios=["short_queries", "short_queries"]: 422
      test_scenarios/1: `short_queries` is named twice
    "#);
}

#[tokio::test]
async fn parameters_that_cannot_be_are_told_by_name() {
    let desk = Desk::new().await;
    let rollups = "/api/v1/rollups?from_unix_ms=0";
    let long = format!("/api/v1/benchmarks?status={}", "é".repeat(100));
    let max = u64::MAX;
    let mut told = String::new();
    for path in [
        "/api/v1/benchmarks?limit=x".to_owned(),
        "/api/v1/benchmarks?limit=".to_owned(),
        "/api/v1/benchmarks?limit=-1".to_owned(),
        "/api/v1/benchmarks?limit=501".to_owned(),
        "/api/v1/benchmarks?limit=99999999999999999999".to_owned(),
        "/api/v1/benchmarks?limit=1&limit=2".to_owned(),
        "/api/v1/benchmarks?cursor=%00".to_owned(),
        "/api/v1/benchmarks?status=%F0%9F%A6%80".to_owned(),
        long,
        rollups.to_owned(),
        format!("{rollups}&to_unix_ms=2026-01-01"),
        format!("{rollups}&to_unix_ms=0"),
        format!("{rollups}&to_unix_ms=1000&step_seconds=0"),
        format!("{rollups}&to_unix_ms={max}&step_seconds=1"),
        format!("{rollups}&to_unix_ms=1000&points=1001"),
        format!("{rollups}&to_unix_ms=1000&points=1&step_seconds=1"),
        format!("{rollups}&to_unix_ms=1000&group_by=modle"),
        format!("/api/v1/rollups?from_unix_ms={max}&to_unix_ms=0"),
        "/metrics?format=json".to_owned(),
        "/metrics?format=json&format=text".to_owned(),
        "/api/v1/benchmarks/%FF".to_owned(),
        "/api/v1/benchmarks/%FF/records/x".to_owned(),
    ] {
        let answer = desk.get(&path).await;
        let problem = answer.json();
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        told.push_str(&format!("{} {path}\n", answer.status));
        for key in ["detail", "hint"] {
            told.extend(problem[key].as_str().map(|text| format!("  {text}\n")));
        }
    }
    let silence = desk.call("DELETE", "/api/v1/silences/%FF", "", "").await;
    assert_eq!(silence.header("content-type"), Some("application/problem+json"));
    assert_eq!(silence.status, 400);
    desk.close().await;
    assert_snapshot!(told, @r#"
    400 /api/v1/benchmarks?limit=x
      limit cannot be `x`: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    400 /api/v1/benchmarks?limit=
      limit cannot be ``: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    400 /api/v1/benchmarks?limit=-1
      limit cannot be `-1`: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    400 /api/v1/benchmarks?limit=501
      limit cannot be `501`
      give a whole number from 1 to 500
    400 /api/v1/benchmarks?limit=99999999999999999999
      limit cannot be `99999999999999999999`: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    400 /api/v1/benchmarks?limit=1&limit=2
      duplicate field `limit`
      /docs lists what may stand behind the `?`
    400 /api/v1/benchmarks?cursor=%00
      cursor cannot be `�`
      leave it out, or send a `next_cursor` of this list as it came
    400 /api/v1/benchmarks?status=%F0%9F%A6%80
      status cannot be `🦀`
      use one of queued, running, completed, failed, cancelled, interrupted
    400 /api/v1/benchmarks?status=éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
      status cannot be `éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé…`
      use one of queued, running, completed, failed, cancelled, interrupted
    400 /api/v1/rollups?from_unix_ms=0
      missing field `to_unix_ms`
      /docs lists what may stand behind the `?`
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=2026-01-01
      to_unix_ms cannot be `2026-01-01`: a whole number up to 18446744073709551615 is expected
      /docs lists what may stand behind the `?`
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=0
      the time asked for ends before it begins
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=1000&step_seconds=0
      there is no step: take a second at least, or a point
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=18446744073709551615&step_seconds=1
      there would be 5124095576031 points and at most 1000 may be; take steps of 18465209282993 s or more
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=1000&points=1001
      points cannot be `1001`
      give a whole number from 1 to 1000
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=1000&points=1&step_seconds=1
      step_seconds stands beside points
      give one of the two
    400 /api/v1/rollups?from_unix_ms=0&to_unix_ms=1000&group_by=modle
      group_by: `modle` is no label of requests; did you mean `model`?
    400 /api/v1/rollups?from_unix_ms=18446744073709551615&to_unix_ms=0
      the time asked for ends before it begins
      from_unix_ms and to_unix_ms say which time, step_seconds or points how fine
    400 /metrics?format=json
      metrics have no form "json": ask for text, openmetrics or protobuf
      leave `format` out for Prometheus' text
    400 /metrics?format=json&format=text
      duplicate field `format`
      /docs lists what may stand behind the `?`
    400 /api/v1/benchmarks/%FF
      Invalid URL: Invalid UTF-8 in `id`
      write the path in UTF-8, percent-encoded
    400 /api/v1/benchmarks/%FF/records/x
      Invalid URL: Invalid UTF-8 in `id`
      write the path in UTF-8, percent-encoded
    "#);
}

#[tokio::test]
async fn every_path_answers_a_wrong_method_with_a_problem_and_head_like_get() {
    let desk = Desk::new().await;
    for path in
        ["/api/v1/openapi.json", "/docs", "/health", "/metrics", "/api/v1/status", "/api/v1/live"]
    {
        for method in ["PUT", "POST", "PATCH", "OPTIONS", "TRACE"] {
            let answer = desk.call(method, path, "", "").await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json"),
                "{method} {path}"
            );
            assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{method} {path}");
        }
    }
    for path in ["/docs", "/health", "/api/v1/status", "/api/v1/benchmarks/x", "/api/v1/nothing"] {
        let (head, get) = (desk.call("HEAD", path, "", "").await, desk.get(path).await);
        assert_eq!((head.status, &*head.body), (get.status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
    desk.close().await;
}

#[tokio::test]
async fn a_list_is_paged_through_without_gaps_or_repeats_while_it_grows() {
    let mut desk = Desk::new().await;
    desk.work();
    let body = |model: &str| json!({ "models": [model], "concurrent_users": 1, "num_requests": 1 });
    let mut made = Vec::new();
    for _ in 0..7 {
        let created = desk.create(&body("fast")).await;
        let link = created.header("location").expect("a place").to_owned();
        desk.until(&link, Status::is_final).await;
        made.insert(0, created.json()["id"].as_str().expect("an id").to_owned());
    }
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/api/v1/benchmarks?status=completed&model=fast&limit=2".to_owned();
    loop {
        let page = desk.get(&path).await.json();
        let ids = page["items"].as_array().expect("items").iter();
        seen.extend(ids.map(|item| item["id"].as_str().expect("an id").to_owned()));
        // What is new stands before what was seen.
        assert_eq!(
            desk.create(&body("endless")).await.status / 100,
            if seen.len() <= 8 { 2 } else { 5 }
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => {
                path = format!(
                    "/api/v1/benchmarks?status=completed&model=fast&limit=2&cursor={cursor}"
                );
            }
            None => break,
        }
    }
    assert_eq!(seen, made);
    let none = desk.get("/api/v1/benchmarks?model=gone").await.json();
    assert_eq!(none, json!({ "items": [], "next_cursor": null }));
    desk.close().await;
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_body() {
    let desk = Desk::new().await;
    let body =
        |users: u64| json!({ "models": ["fast"], "concurrent_users": users, "num_requests": 5 });
    let with = |key: &str| format!("idempotency-key: {key}\r\n");
    let path = "/api/v1/benchmarks";
    let first = desk.post(path, &with("k"), &body(1)).await;
    let again = desk.post(path, &with("k"), &body(1)).await;
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.json()["id"], again.json()["id"]);
    // The order of keys makes no other body, nor does one that says what is meant anyway.
    let turned = "{\"num_requests\":5,\"models\":[\"fast\"],\"concurrent_users\":[1]}";
    let headers = format!("{JSON}{}", with("k"));
    let turned = desk.call("POST", path, &headers, turned).await;
    assert_eq!(turned.json()["id"], first.json()["id"]);
    assert_eq!(desk.post(path, &with("k"), &body(2)).await.status, 409);
    for bad in ["", &"k".repeat(256), "\u{e9}"] {
        assert_eq!(desk.post(path, &with(bad), &body(1)).await.status, 400, "{bad}");
    }
    // One that was refused has taken no key.
    assert_eq!(desk.post(path, &with("new"), &json!({ "models": [] })).await.status, 422);
    assert_eq!(desk.post(path, &with("new"), &body(3)).await.status, 202);
    desk.close().await;
}

#[tokio::test]
async fn odd_bodies_are_refused_in_order() {
    let desk = Desk::new().await;
    for (body, status) in [
        (String::new(), 400),
        ("null".to_owned(), 422),
        ("{}{}".to_owned(), 400),
        (format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), 400),
        ("{\"models\":\"fast\"}".to_owned(), 422),
        ("\u{feff}{}".to_owned(), 400),
    ] {
        for path in ["/api/v1/benchmarks", "/api/v1/silences"] {
            let answer = desk.call("POST", path, JSON, &body).await;
            assert_eq!(answer.status, status, "{path} {}", answer.body);
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        }
    }
    let charset = "content-type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(desk.call("POST", "/api/v1/benchmarks", charset, "{}").await.status, 422);
    desk.close().await;
}
