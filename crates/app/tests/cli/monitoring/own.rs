//! Prony's own alerts, through `prony serve`: told to a webhook and an Alertmanager, over a restart,
//! and whatever becomes of another receiver.

use serde_json::Value;
use testkit::monitoring::Alertmanager;
use testkit::program::until;
use testkit::server::unused_address;

use super::{Hook, cancel, load};
use crate::desk::{Desk, integer, items, text};
use crate::serving::Served;

/// Two targets that are one model to every rule, one slow and one quick, and three receivers, of which
/// one cannot be reached.
fn config(slow: &str, quick: &str, hook: &str, alertmanager: &str, nobody: &str) -> String {
    let target = |name, url| {
        format!("[targets.{name}]\nurl = \"{url}/v1\"\nmodel = \"sim\"\nprovider = \"p\"\n")
    };
    let receiver = |name, kind, url, more| {
        format!(
            "[[alerts.receivers]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"{url}\"\n{more}"
        )
    };
    let at_once = "group_wait = \"0s\"\ngroup_interval = \"1s\"\n";
    let rule = "[alerts]\ninterval = \"1s\"\nusual_rules = false\n\
                [[alerts.rules]]\nname = \"Slow\"\nmetric = \"ttft_p95\"\nabove = \"100ms\"\n\
                window = \"10s\"\nfor = \"2s\"\ngroup_by = [\"model\", \"provider\"]\n\
                severity = \"critical\"\n";
    [
        target("slow", slow),
        target("quick", quick),
        rule.to_owned(),
        receiver("nobody", "webhook", nobody, at_once),
        receiver("hook", "webhook", hook, at_once),
        receiver("alertmanager", "alertmanager", alertmanager, ""),
    ]
    .concat()
}

/// The alert, where there is one.
fn alert(served: &Served) -> Option<Value> {
    items(&served.get("/api/v1/alerts")["items"]).first().cloned()
}

/// What `receiver` is told at present, where there is anything.
fn delivery(served: &Served, receiver: &str) -> Option<Value> {
    let deliveries = served.get("/api/v1/alerts");
    items(&deliveries["deliveries"]).iter().find(|one| one["receiver"] == receiver).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_told_once_and_its_end_too_whatever_happens_between() {
    let hook = Hook::start().await;
    let alertmanager =
        Alertmanager::start("route: { receiver: none }\nreceivers: [{ name: none }]\n");
    let nobody = format!("http://{}/s3cr3t", unused_address());
    let desk = Desk::new();
    let (slow, quick) = (desk.sim("--ttft 300ms"), desk.sim("--ttft 5ms"));
    let its_url = format!("http://{}", alertmanager.address());
    desk.write("prony.toml", config(&slow.url, &quick.url, &hook.url(), &its_url, &nobody));

    let served = Served::resume(desk);
    load(&served, "slow");
    until("both are told that it fires", || {
        hook.words() == ["firing"] && alertmanager.alerts().len() == 1
    });
    until("the third is tried again", || {
        delivery(&served, "nobody").is_some_and(|one| integer(&one["failures"]) >= 2)
    });
    let unreachable = delivery(&served, "nobody").expect("it is still tried");
    let error = text(&unreachable["error"]);
    assert!(error.contains("cannot connect") && !error.contains("s3cr3t"), "{error}");
    let next = text(&unreachable["retry_at"]);
    assert!(next > text(&unreachable["failed_at"]), "{unreachable}");
    let delivered = delivery(&served, "hook").expect("it knows of what fires");
    assert_eq!((&delivered["failures"], &delivered["error"]), (&0.into(), &Value::Null));
    let before = alert(&served).expect("it fires");
    let summary = text(&before["summary"]);
    assert!(
        summary.starts_with("p95 time to first token of sim at p is ")
            && summary.ends_with(", above 100ms for 2s"),
        "{summary}"
    );

    let served = Served::resume(served.stop());
    let id = load(&served, "slow");
    // Longer than a rule that knew of nothing would need to raise the alert again.
    until("it has gone on for a while", || {
        integer(&served.benchmark(&id)["progress"]["completed"]) >= 40
    });
    let after = alert(&served).expect("it fires");
    assert_eq!((&after["state"], &after["since"]), (&"firing".into(), &before["since"]));

    cancel(&served, &id);
    load(&served, "quick");
    until("both are told that it is over", || {
        hook.words().len() > 1 && alertmanager.alerts().is_empty()
    });
    let told = hook.told();
    assert_eq!(hook.words(), ["firing", "resolved"], "{told:#?}");
    assert_eq!(told[0].1[0]["startsAt"], told[1].1[0]["startsAt"], "it is the same one");
    served.stop();
    slow.stop();
    quick.stop();
}
