//! What the API says of itself.

use std::collections::BTreeSet;

use api::management::form::BenchmarkForm;

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
    get /api/v1/alert-rules: list_alert_rules 200
    get /api/v1/alerts: list_alerts 200
    get /api/v1/benchmarks: list_benchmarks 200 400
    post /api/v1/benchmarks: create_benchmark 202 409 422 503
    delete /api/v1/benchmarks/{id}: delete_benchmark 204 404 409
    get /api/v1/benchmarks/{id}: get_benchmark 200 404
    post /api/v1/benchmarks/{id}/cancel: cancel_benchmark 202 404 409
    get /api/v1/benchmarks/{id}/distribution: get_distribution 200 400 404
    get /api/v1/benchmarks/{id}/heatmap: get_heatmap 200 400 404
    get /api/v1/benchmarks/{id}/records: list_records 200 400 404
    get /api/v1/benchmarks/{id}/records/{request_id}: get_record 200 404
    get /api/v1/benchmarks/{id}/resources: get_resources 200 400 404
    get /api/v1/benchmarks/{id}/results: get_results 200 404
    get /api/v1/benchmarks/{id}/timeline: get_timeline 200 400 404
    get /api/v1/live: watch 200 503
    get /api/v1/rollups: get_rollups 200 400
    get /api/v1/scenarios: list_scenarios 200
    get /api/v1/silences: list_silences 200
    post /api/v1/silences: create_silence 201 409 422
    delete /api/v1/silences/{id}: delete_silence 204 404
    get /api/v1/status: get_status 200
    get /api/v1/targets: list_targets 200
    "#);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    desk.close().await;
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
