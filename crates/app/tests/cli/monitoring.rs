//! `prony serve` among Prometheus, Alertmanager and a webhook, all of them real but the last.

mod exported;
mod own;
mod queries;

use serde_json::{Value, json};
use testkit::{FakeServer, Reply};

use crate::desk::{items, text};
use crate::serving::Served;

/// A receiver of Alertmanager's webhooks, which Prony writes too.
struct Hook(FakeServer);

impl Hook {
    async fn start() -> Self {
        Self(FakeServer::builder().otherwise(Reply::status(200)).start().await)
    }

    fn url(&self) -> String {
        self.0.url()
    }

    /// Each message that came: whether it says that alerts fire or that they are resolved, and the
    /// alerts.
    fn told(&self) -> Vec<(String, Vec<Value>)> {
        let received = self.0.received();
        let bodies = received.iter().map(|one| serde_json::from_str::<Value>(one.text()));
        let bodies = bodies.map(|body| body.expect("it is JSON"));
        bodies
            .map(|body| (text(&body["status"]).to_owned(), items(&body["alerts"]).to_vec()))
            .collect()
    }

    /// What the messages said, a word each.
    fn words(&self) -> Vec<String> {
        self.told().into_iter().map(|(word, _)| word).collect()
    }
}

/// Puts `target` under the load of some users, for longer than any test takes. Returns the benchmark's
/// id.
fn load(served: &Served, target: &str) -> String {
    served.create(&json!({
        "models": [target], "test_scenarios": ["short_queries"],
        "concurrent_users": 4, "duration_minutes": 30,
    }))
}

fn cancel(served: &Served, id: &str) {
    let path = format!("/api/v1/benchmarks/{id}/cancel");
    let (status, answer) = served.call("POST", &path, &Value::Null);
    assert_eq!(status, 202, "{answer}");
}
