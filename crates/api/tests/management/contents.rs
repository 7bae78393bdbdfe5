//! What requests asked and were answered: listed, shown, and not to everybody.

use domain::RequestId;
use insta::assert_snapshot;
use serde_json::json;
use store::Content;
use store::content::{Called, Said};

use super::access::ring;
use super::history::desk;
use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// Keeps what the first requests of a benchmark asked and were answered.
fn keep(desk: &Desk, path: &str, requests: std::ops::Range<u64>) {
    let benchmark = path.rsplit_once('/').expect("it ends in the id").1;
    let contents = requests.map(|index| Content {
        id: RequestId { run: 0xab, index },
        prompt: vec![
            Said { role: Some("system".to_owned()), content: "Be brief.".to_owned() },
            Said { role: Some("user".to_owned()), content: format!("question {index}") },
        ],
        answer: format!("answer {index}"),
        reasoning: String::new(),
        tool_calls: vec![Called { name: "look".to_owned(), arguments: "{}".to_owned() }],
        is_cut: index == 1,
    });
    let contents: Vec<Content> = contents.collect();
    desk.store.keep_content(contents.iter().map(|one| (benchmark, one)), DAY).expect("room");
}

#[tokio::test]
async fn texts_are_listed_page_by_page_and_shown_one_by_one() {
    let (desk, path) = desk().await;
    keep(&desk, &path, 0..3);
    let id = |index: u64| format!("00000000000000ab-{index}");
    let first = desk.get(&format!("{path}/content?limit=2&run=0")).await.json();
    let ids = |told: &Value| {
        let items = told["items"].as_array().expect("items").clone();
        items.iter().map(|item| item["request_id"].as_str().expect("an id").to_owned()).collect()
    };
    let listed: Vec<String> = ids(&first);
    assert_eq!(listed, [id(0), id(1)]);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let rest = desk.get(&format!("{path}/content?limit=8&run=0&cursor={cursor}")).await.json();
    let listed: Vec<String> = ids(&rest);
    assert_eq!((listed, &rest["next_cursor"]), (vec![id(2)], &Value::Null));

    let shown = desk.get(&format!("{path}/content/{}", id(1))).await.json();
    assert_eq!(shown, first["items"][1]);
    assert_eq!(
        shown,
        json!({
            "request_id": id(1),
            "prompt": [
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "question 1" },
            ],
            "answer": "answer 1",
            "reasoning": "",
            "tool_calls": [{ "name": "look", "arguments": "{}" }],
            "is_cut": true,
        })
    );
    let known = desk.get(&path).await.json();
    assert_eq!(known["links"]["content"], json!(format!("{path}/content")));
    desk.close().await;
}

#[tokio::test]
async fn what_is_not_kept_says_why_and_how_to_ask_for_it() {
    let (desk, silent) = desk().await;
    let body = json!({ "models": ["fast"], "concurrent_users": 1, "num_requests": 1, "store_content": true });
    let created = desk.create(&body).await.json();
    assert_eq!(created["request"]["store_content"], true);
    let asked = created["links"]["self"].as_str().expect("a link").to_owned();
    let mut told = String::new();
    for path in [
        format!("{silent}/content"),
        format!("{silent}/content/00000000000000ab-1"),
        format!("{silent}/content/00000000000000ab-77"),
        format!("{asked}/content"),
        format!("{asked}/content?run=1"),
        format!("{asked}/content?outcome=lost"),
        "/api/v1/benchmarks/00000000000000ab/content".to_owned(),
    ] {
        let answer = desk.get(&path).await;
        let problem = answer.json();
        let word = |key: &str| problem[key].as_str().expect("text").to_owned();
        told.push_str(&format!("{} {}\n", answer.status, word("type")));
        told.push_str(&format!("  {}\n  {}\n", word("detail"), word("hint")));
    }
    assert_snapshot!(told, @r#"
    404 urn:prony:problem:content-not-kept
      prompts and answers of this benchmark were not asked to be kept
      create a benchmark with `"store_content": true`, or write `content = true` under [store] in prony.toml
    404 urn:prony:problem:content-not-kept
      prompts and answers of request 00000000000000ab-1 were not asked to be kept
      create a benchmark with `"store_content": true`, or write `content = true` under [store] in prony.toml
    404 urn:prony:problem:not-found
      the benchmark has no request 00000000000000ab-77
      GET /api/v1/benchmarks/{id}/records lists those there are
    404 urn:prony:problem:content-not-kept
      prompts and answers of this benchmark are not kept any more, or not yet
      they stay as long as `content_retention` under [store] says, 7 days where it is silent
    404 urn:prony:problem:not-found
      the benchmark has no run 1
      it has 1, counted from 0
    400 urn:prony:problem:bad-request
      outcome cannot be `lost`
      use one of all, succeeded, failed
    404 urn:prony:problem:not-found
      there is no benchmark 00000000000000ab
      GET /api/v1/benchmarks lists those there are
    "#);
    keep(&desk, &silent, 0..1);
    let other = desk.get(&format!("{silent}/content/00000000000000ab-1")).await.json();
    assert_eq!(other["type"], "urn:prony:problem:content-not-kept");
    desk.close().await;
}

#[tokio::test]
async fn texts_are_for_operators_and_admins_alone() {
    let desk = Desk::with(ring(), None).await;
    let path = "/api/v1/benchmarks/00000000000000ab/content";
    for path in [path.to_owned(), format!("{path}/00000000000000ab-0")] {
        for (role, status) in [("viewer", 403), ("operator", 404), ("admin", 404)] {
            let key = format!("authorization: Bearer key of the {role}\r\n");
            let answer = desk.call("GET", &path, &key, "").await;
            assert_eq!(answer.status, status, "{role}: {}", answer.body);
            if status == 403 {
                let hint = &answer.json()["hint"];
                assert_eq!(hint, "use a key whose role is operator or more");
            }
        }
    }
    desk.close().await;
}
