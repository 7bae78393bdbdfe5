//! What the API says of itself.

use std::collections::BTreeSet;

use api::management::form::BenchmarkForm;

use super::access::ring;

use super::*;

/// Every reference in the document, wherever it stands.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) if key == "$ref" => {
                        found.insert(text.clone());
                    }
                    value => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_document_describes_every_path() {
    let desk = Desk::new().await;
    let document = desk.get("/api/v1/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut paths = String::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(operation["summary"].is_string(), "{name} says what it does");
            let responses = operation["responses"].as_object().expect("responses");
            let statuses = responses.keys().cloned().collect::<Vec<_>>().join(" ");
            paths.push_str(&format!("{method} {path}: {name} {statuses}\n"));
        }
    }
    insta::assert_snapshot!(paths, @r#"
    get /api/v1/alert-rules: list_alert_rules 200 401 403 429 500 503
    get /api/v1/alerts: list_alerts 200 401 403 429 500 503
    get /api/v1/availability: get_availability 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks: list_benchmarks 200 400 401 403 429 500 503
    post /api/v1/benchmarks: create_benchmark 202 400 401 403 409 413 415 422 429 500 503
    delete /api/v1/benchmarks/{id}: delete_benchmark 204 400 401 403 404 409 429 500 503
    get /api/v1/benchmarks/{id}: get_benchmark 200 400 401 403 404 429 500 503
    post /api/v1/benchmarks/{id}/cancel: cancel_benchmark 202 400 401 403 404 409 429 500 503
    get /api/v1/benchmarks/{id}/content: list_content 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/content/{request_id}: get_content 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/distribution: get_distribution 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/heatmap: get_heatmap 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/records: list_records 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/records/{request_id}: get_record 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/resources: get_resources 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/results: get_results 200 400 401 403 404 429 500 503
    get /api/v1/benchmarks/{id}/timeline: get_timeline 200 400 401 403 404 429 500 503
    get /api/v1/live: watch 200 401 403 429 500 503
    get /api/v1/rollups: get_rollups 200 400 401 403 429 500 503
    get /api/v1/scenarios: list_scenarios 200 401 403 429 500 503
    get /api/v1/silences: list_silences 200 401 403 429 500 503
    post /api/v1/silences: create_silence 201 400 401 403 409 413 415 422 429 500 503
    delete /api/v1/silences/{id}: delete_silence 204 400 401 403 404 429 500 503
    get /api/v1/status: get_status 200 401 403 429 500 503
    get /api/v1/targets: list_targets 200 401 403 429 500 503
    "#);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    desk.close().await;
}

/// What an operation answers a request with, its address filled in.
async fn provoked(desk: &Desk, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    // So that no limit of requests comes first.
    desk.clock.advance(Duration::from_secs(60));
    desk.call(&method.to_ascii_uppercase(), path, headers, body).await
}

#[tokio::test]
async fn every_problem_that_comes_is_one_that_the_document_lists() {
    let desk = Desk::with(ring(), None).await;
    let document = desk.get("/api/v1/openapi.json").await.json();
    let key = |role| format!("authorization: Bearer key of the {role}\r\n");
    let (viewer, admin) = (key("viewer"), key("admin"));
    let json = format!("content-type: application/json\r\n{admin}");
    let huge = format!("[\"{}\"]", "x".repeat(1 << 20));
    let mut came = String::new();
    for (template, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let name = operation["operationId"].as_str().expect("a name");
            let unknown =
                template.replace("{id}", "00000000000000ab").replace("{request_id}", "0-1");
            let illegal = template.replace("{id}", "%FF").replace("{request_id}", "x");
            let odd = format!("{unknown}?no_such_parameter=1");
            let mut statuses = BTreeSet::new();
            for (path, headers, body) in [
                (&unknown, "", ""),
                (&unknown, &*viewer, ""),
                (&unknown, &json, "{"),
                (&unknown, &admin, "{}"),
                (&unknown, &json, &huge),
                (&unknown, &json, "{\"x\": 1}"),
                (&illegal, &admin, ""),
                (&odd, &admin, ""),
            ] {
                // A stream that is let through has no end.
                if name == "watch" && !headers.is_empty() {
                    continue;
                }
                let answer = provoked(&desk, method, path, headers, body).await;
                if answer.status < 400 {
                    continue;
                }
                statuses.insert(answer.status);
                let listed = &operation["responses"][&answer.status.to_string()];
                let media_type = answer.header("content-type").expect("a media type");
                let schema = &listed["content"][media_type]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{name} {}", answer.status);
                let needs = [(401, "WWW-Authenticate"), (429, "Retry-After"), (503, "Retry-After")];
                for (_, header) in needs.into_iter().filter(|(status, _)| *status == answer.status)
                {
                    assert!(listed["headers"][header].is_object(), "{name} {header}");
                    assert!(
                        answer.header(&header.to_ascii_lowercase()).is_some(),
                        "{name} {header}"
                    );
                }
            }
            came.push_str(&format!("{name} {statuses:?}\n"));
        }
    }
    // Over its limit, any operation answers the same.
    for _ in 0..300 {
        assert_eq!(desk.call("GET", "/api/v1/status", &viewer, "").await.status, 200);
    }
    let refused = desk.call("GET", "/api/v1/status", &viewer, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    let listed = &document["paths"]["/api/v1/status"]["get"]["responses"]["429"];
    assert!(listed["headers"]["Retry-After"].is_object());
    desk.close().await;
    insta::assert_snapshot!(came, @r#"
    list_alert_rules {401}
    list_alerts {401}
    get_availability {400, 401}
    list_benchmarks {400, 401}
    create_benchmark {400, 401, 403, 413, 415, 422}
    delete_benchmark {400, 401, 403, 404}
    get_benchmark {400, 401, 404}
    cancel_benchmark {400, 401, 403, 404}
    list_content {400, 401, 403, 404}
    get_content {400, 401, 403, 404}
    get_distribution {400, 401, 404}
    get_heatmap {400, 401, 404}
    list_records {400, 401, 404}
    get_record {400, 401, 404}
    get_resources {400, 401, 404}
    get_results {400, 401, 404}
    get_timeline {400, 401, 404}
    watch {401}
    get_rollups {400, 401}
    list_scenarios {401}
    list_silences {401}
    create_silence {400, 401, 403, 413, 415, 422}
    delete_silence {400, 401, 403, 404}
    get_status {401}
    list_targets {401}
    "#);
}

#[tokio::test]
async fn the_form_s_keys_are_the_documented_ones() {
    let desk = Desk::new().await;
    let document = desk.get("/api/v1/openapi.json").await.json();
    let form = &document["components"]["schemas"]["BenchmarkForm"];
    let properties = form["properties"].as_object().expect("properties");
    let documented: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(documented, BTreeSet::from(BenchmarkForm::KEYS));
    assert_eq!(form["required"], serde_json::json!(["models"]));
    for (key, schema) in properties {
        let described = [schema, &schema["oneOf"][0]].map(|of| of["description"].is_string());
        assert!(described.contains(&true), "{key} is described");
    }
    desk.close().await;
}

#[tokio::test]
async fn the_page_for_readers_loads_nothing_from_elsewhere() {
    let desk = Desk::new().await;
    let page = desk.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "all of it is here");
    assert!(page.body.contains("/api/v1/openapi.json"));
    desk.close().await;
}
