//! Alerts, the rules that raise them, and silences.

use alert::{Dimension, Moment, Reading};
use serde_json::json;

use super::*;

/// What the rules are told: the latency of `small`, and how many requests a second there are.
fn evaluate(desk: &Desk, latency_s: f64, rate: f64) {
    let small = Reading { labels: [(Dimension::Model, "small".into())].into(), value: latency_s };
    let all = Reading { labels: [].into(), value: rate };
    let answers = vec![Ok(vec![vec![small]]), Ok(vec![vec![all]])];
    desk.alerts.lock().evaluate(answers, Moment::now(&*desk.clock));
}

#[tokio::test]
async fn rules_and_alerts_are_listed() {
    let desk = Desk::new().await;
    let nothing = json!({ "items": [], "deliveries": [] });
    assert_eq!(desk.get("/api/v1/alerts").await.json(), nothing);
    let rules = desk.get("/api/v1/alert-rules").await.json();
    assert_eq!(
        rules["items"][0],
        json!({
            "name": "HighLatency", "metric": "e2e_p95", "comparison": "above", "threshold": 2.0,
            "unit": "s", "window_seconds": 300.0, "for_seconds": 300.0, "group_by": ["model"],
            "severity": "critical", "error": null,
            "summary": rules["items"][0]["summary"],
        })
    );
    let summary = rules["items"][0]["summary"].as_str().expect("a sentence");
    assert!(summary.contains("{value}") && summary.contains("{model}"), "{summary}");
    assert_eq!(rules["items"][1]["metric"], "no_traffic");

    evaluate(&desk, 2.5, 0.0);
    desk.clock.advance(Duration::from_secs(60));
    evaluate(&desk, 2.75, 1.0);
    let alerts = desk.get("/api/v1/alerts").await.json();
    let mut wanted = json!({
        "id": alerts["items"][0]["id"], "rule": "HighLatency", "severity": "critical",
        "state": "pending", "value": 2.75, "threshold": 2.0, "unit": "s",
        "labels": { "alertname": "HighLatency", "model": "small", "severity": "critical" },
        "since": "2026-01-01T00:00:00.000Z", "resolved_at": null,
        "summary": summary.replace("{value}", "2.75s").replace("{model}", "small"),
        "silenced_until": null, "silence_id": null,
    });
    assert_eq!(alerts["items"][0], wanted);
    assert_eq!(
        (&alerts["items"][1]["state"], &alerts["items"][1]["resolved_at"]),
        (&json!("resolved"), &json!("2026-01-01T00:01:00.000Z"))
    );
    desk.clock.advance(Duration::from_secs(240));
    evaluate(&desk, 2.75, 1.0);
    wanted["state"] = json!("firing");
    assert_eq!(desk.get("/api/v1/alerts").await.json()["items"][0], wanted);

    desk.alerts.lock().evaluate(vec![Err("the store is gone".into())], Moment::now(&*desk.clock));
    let rules = desk.get("/api/v1/alert-rules").await.json();
    assert_eq!(rules["items"][0]["error"], "the store is gone");
    desk.close().await;
}

#[tokio::test]
async fn a_silence_is_made_kept_and_ended() {
    let desk = Desk::new().await;
    evaluate(&desk, 2.5, 1.0);
    let body = json!({
        "matchers": ["alertname=\"HighLatency\"", "model=~\"sm.*\""],
        "until": "2026-01-01T01:00:00.000Z", "comment": "maintenance",
    });
    let made = desk.post("/api/v1/silences", "", &body).await;
    assert_eq!(made.status, 201);
    let mut wanted = body.clone();
    wanted["id"] = json!("1");
    assert_eq!(made.json(), wanted);
    assert_eq!(desk.get("/api/v1/silences").await.json(), json!({ "items": [wanted] }));
    let told = desk.get("/api/v1/alerts").await.json()["items"][0].clone();
    assert_eq!((&told["silenced_until"], &told["silence_id"]), (&body["until"], &json!("1")));
    let latest = |desk: &Desk| desk.kept.lock().expect("no panic").last().cloned();
    assert_eq!(latest(&desk), Some(desk.alerts.lock().save()));

    let gone = desk.call("DELETE", "/api/v1/silences/1", "", "").await;
    assert_eq!((gone.status, &*gone.body), (204, ""));
    assert_eq!(latest(&desk), Some(desk.alerts.lock().save()));
    assert_eq!(desk.get("/api/v1/silences").await.json(), json!({ "items": [] }));
    assert_eq!(desk.get("/api/v1/alerts").await.json()["items"][0]["silence_id"], Value::Null);
    for id in ["1", "x"] {
        let gone = desk.call("DELETE", &format!("/api/v1/silences/{id}"), "", "").await;
        assert_eq!(
            (gone.status, &gone.json()["detail"]),
            (404, &json!(format!("there is no silence {id}")))
        );
    }

    desk.is_full.store(true, Ordering::Relaxed);
    let refused = desk.post("/api/v1/silences", "", &body).await;
    assert_eq!((refused.status, &refused.json()["detail"]), (500, &json!("the disk is full")));
    assert_eq!(desk.get("/api/v1/silences").await.json(), json!({ "items": [] }));
    desk.close().await;
}

#[tokio::test]
async fn a_silence_that_cannot_be_says_why() {
    let desk = Desk::new().await;
    let until = "2026-01-01T01:00:00Z";
    let mut told = String::new();
    for body in [
        json!({ "matchers": ["model=small"] }),
        json!({ "matchers": [], "until": until }),
        json!({ "matchers": ["modle=small"], "until": until }),
        json!({ "matchers": vec!["model=small"; 21], "until": until }),
        json!({ "matchers": ["model=small"], "until": "tomorrow" }),
        json!({ "matchers": ["model=small"], "until": "2025-12-31T23:59:59Z" }),
        json!({ "matchers": ["model=small"], "until": "2027-01-01T00:00:00Z" }),
        json!({ "matchers": ["model=small"], "until": until, "coment": "x" }),
    ] {
        let answer = desk.post("/api/v1/silences", "", &body).await;
        let problem = answer.json();
        told.push_str(&format!(
            "{} {}\n",
            answer.status,
            problem["detail"].as_str().expect("text")
        ));
    }
    insta::assert_snapshot!(told, @r#"
    422 the body: missing field `until`
    422 matchers: a silence needs a matcher; `alertname=~".+"` matches every alert
    422 matchers/0: `modle` is no label of alerts; did you mean `model`?
    422 matchers: there may be 20
    422 until: is no time; write it as in 2026-01-31T12:00:00Z
    422 until: a silence must end in the future
    422 until: a silence lasts 90 days at most; set an earlier end and renew it then
    422 the body: unknown field `coment`, expected one of `matchers`, `until`, `comment`
    "#);
    assert!(desk.kept.lock().expect("no panic").is_empty());
    desk.close().await;
}
