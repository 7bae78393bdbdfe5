//! Servers that a benchmark describes, where it could have named a target.

use api::management::Role;
use insta::assert_snapshot;
use serde_json::json;

use super::access::ring;
use super::*;

fn described() -> Value {
    json!({
        "models": ["fast", { "url": "http://127.0.0.1:8000/v1", "model": "llama", "key_env": "LAB_KEY" }],
        "concurrent_users": 1, "num_requests": 5,
    })
}

#[tokio::test]
async fn only_an_admin_describes_servers() {
    let desk = Desk::with(ring(), None).await;
    let mut told = String::new();
    for role in Role::ALL.map(Role::as_str) {
        let key = format!("authorization: Bearer key of the {role}\r\n");
        let answer = desk.post("/api/v1/benchmarks", &key, &described()).await;
        told.push_str(&format!("{role} {}\n", answer.status));
        for key in ["detail", "hint"] {
            told.extend(answer.json()[key].as_str().map(|text| format!("  {text}\n")));
        }
    }
    desk.close().await;
    let desk = Desk::new().await;
    let answer = desk.create(&described()).await;
    told.push_str(&format!("without keys {}\n", answer.status));
    for key in ["detail", "hint"] {
        told.extend(answer.json()[key].as_str().map(|text| format!("  {text}\n")));
    }
    assert_eq!(desk.get("/api/v1/benchmarks").await.json()["items"], json!([]));
    desk.close().await;
    let desk = Desk::with(KeyRing::without_keys(Role::Admin), None).await;
    assert_eq!(desk.create(&described()).await.status, 202);
    assert_eq!(desk.get("/api/v1/status").await.json()["role"], "admin");
    let origin = "origin: https://evil.example\r\n";
    assert_eq!(desk.post("/api/v1/benchmarks", origin, &described()).await.status, 403);
    desk.close().await;
    assert_snapshot!(told, @r#"
    viewer 403
      the key's role is viewer
      use a key whose role is operator or more
    operator 403
      only an admin may describe servers; the key's role is operator
      name a target of the configuration, or use a key whose role is admin
    admin 202
    without keys 403
      without keys, benchmarks name targets of the configuration
      name one, or write `ad_hoc_targets = true` under [server] in prony.toml
    "#);
}

#[tokio::test]
async fn a_described_server_is_asked_and_can_be_read_back_and_found() {
    let mut desk = Desk::with(KeyRing::without_keys(Role::Admin), None).await;
    let created = desk.create(&described()).await;
    assert_eq!(created.status, 202, "{}", created.body);
    let request = created.json()["request"].clone();
    assert_eq!(
        request["models"],
        json!(["fast", {
            "url": "http://127.0.0.1:8000/v1", "model": "llama", "name": "llama@127.0.0.1:8000",
            "key_env": "LAB_KEY",
        }])
    );
    let spec = form::read_back(&request, &desk.catalogue).expect("it can be carried out again");
    assert_eq!(spec.targets, ["fast", "llama@127.0.0.1:8000"]);
    assert_eq!(spec.ad_hoc.len(), 1);

    desk.work();
    let link = created.header("location").expect("a place").to_owned();
    let ended = desk.until(&link, Status::is_final).await;
    assert_eq!(ended["status"], "completed");
    let runs = desk.get(&format!("{link}/results")).await.json()["runs"].clone();
    let asked: Vec<&Value> =
        runs.as_array().expect("runs").iter().map(|run| &run["target"]).collect();
    assert_eq!(asked, ["fast", "llama@127.0.0.1:8000"]);
    let found = desk.get("/api/v1/benchmarks?model=llama@127.0.0.1:8000").await.json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(1));
    let listed = desk.get("/api/v1/targets").await.json();
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2), "it is no target of others");
    desk.close().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_description_is_told() {
    let desk = Desk::with(KeyRing::without_keys(Role::Admin), None).await;
    let good = json!({ "url": "http://127.0.0.1:8000", "model": "m" });
    let with = |key: &str, value: Value| {
        let mut model = good.clone();
        model[key] = value;
        model
    };
    let mut told = String::new();
    for models in [
        json!([1]),
        json!([{ "url": "http://127.0.0.1" }]),
        json!([with("key", json!("sk-secret"))]),
        json!([with("endpoint", json!("chats"))]),
        json!([with("url", json!("http://169.254.169.254/latest/meta-data"))]),
        json!([with("key_env", json!("sk-secret"))]),
        json!([with("name", json!("fast"))]),
        json!([
            with("name", json!("a b")),
            with("name", json!("")),
            with("model", json!("a\u{1b}[2J"))
        ]),
        json!([with("model", json!(""))]),
        json!([good, good, "m@127.0.0.1:8000", with("name", json!("other"))]),
        json!([with("region", json!("x".repeat(201)))]),
        json!([with("url", json!("http://user:sk-secret@h"))]),
    ] {
        let body = json!({ "models": models, "concurrent_users": 1, "num_requests": 5 });
        let answer = desk.create(&body).await;
        assert_eq!(answer.status, 422, "{}", answer.body);
        assert!(!answer.body.contains("sk-secret"), "{}", answer.body);
        for fault in answer.json()["errors"].as_array().into_iter().flatten() {
            told.push_str(&format!("{}: {}\n", fault["pointer"], fault["detail"]));
        }
        told.push('\n');
    }
    desk.close().await;
    assert_snapshot!(told, @r#"
    "/models/0": "invalid type: integer `1`, expected a target's name, or an object with `url` and `model`"

    "/models/0": "missing field `model`"

    "/models/0/key": "unknown field `key`, expected one of `url`, `model`, `name`, `provider`, `endpoint`, `region`, `key_env`"

    "/models/0/endpoint": "unknown variant `chats`, expected one of `chat`, `completions`, `messages`"

    "/models/0/url": "cannot be used here"

    "/models/0/key_env": "is not listed"

    "/models/0/name": "`fast` is a target of the configuration: use another"

    "/models/0/name": "has spaces or commas; give it a name that has none"
    "/models/1/name": "must have 1 to 200 bytes"
    "/models/2/name": "has control characters"
    "/models/2/model": "has control characters"

    "/models/0/model": "must have 1 to 200 bytes"

    "/models/1": "`m@127.0.0.1:8000` is named twice"
    "/models/2": "no target is called `m@127.0.0.1:8000`; there are: fast, endless"

    "/models/0/region": "must have 1 to 200 bytes"

    "/models/0/url": "cannot be used here"
    "#);
}
