//! The rules that `prony alerts export` writes, in the hands of Prometheus and Alertmanager.

use testkit::monitoring::{Alertmanager, Prometheus};
use testkit::program::until;

use super::{Hook, cancel, load};
use crate::desk::{Desk, text};
use crate::serving::Served;

#[tokio::test(flavor = "multi_thread")]
async fn exported_rules_fire_and_reach_a_webhook_and_are_resolved() {
    let hook = Hook::start().await;
    let alertmanager = Alertmanager::start(&format!(
        "route: {{ receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n\
         receivers: [{{ name: hook, webhook_configs: [{{ url: \"{}\" }}] }}]\n",
        hook.url()
    ));
    let desk = Desk::new();
    let sim = desk.sim("--ttft 300ms");
    desk.write(
        "prony.toml",
        format!(
            "[targets.sim]\nurl = \"{}/v1\"\nmodel = \"sim\"\nprovider = \"p\"\n\
             [alerts]\nusual_rules = false\n\
             [[alerts.rules]]\nname = \"Slow\"\nmetric = \"ttft_p95\"\nabove = \"100ms\"\n\
             window = \"5s\"\nfor = \"1s\"\ngroup_by = [\"model\", \"provider\"]\n\
             severity = \"critical\"\n",
            sim.url
        ),
    );
    let exported = desk.prony("alerts export");
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let served = Served::resume(desk);
    let prometheus = Prometheus::start(
        &format!(
            "global: {{ scrape_interval: 250ms, evaluation_interval: 250ms }}\n\
             rule_files: [rules.yml]\n\
             alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: [\"{}\"] }}] }}] }}\n\
             scrape_configs:\n  - job_name: prony\n    static_configs: [{{ targets: [\"{}\"] }}]\n",
            alertmanager.address(),
            served.url.trim_start_matches("http://"),
        ),
        &[("rules.yml", &exported.stdout)],
        &[],
    );
    let id = load(&served, "sim");
    until("the webhook is told that it fires", || hook.words() == ["firing"]);
    let told = hook.told();
    let labels = &told[0].1[0]["labels"];
    assert_eq!((&labels["alertname"], &labels["model"]), (&"Slow".into(), &"sim".into()));
    let summary = text(&told[0].1[0]["annotations"]["summary"]).to_owned();
    assert!(summary.starts_with("p95 time to first token of sim at p is "), "{summary}");

    cancel(&served, &id);
    until("the webhook is told that it is over", || hook.words() == ["firing", "resolved"]);
    drop(prometheus);
    served.stop();
    sim.stop();
}
