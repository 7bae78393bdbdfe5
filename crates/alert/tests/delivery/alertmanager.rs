//! A real Alertmanager takes what it is sent, and knows when it is over.

use std::path::Path;
use std::time::Duration;

use alert::notify::Surroundings;
use alert::{Message, Moment};
use domain::{Clock as _, SystemClock};
use testkit::program::{Program, until};
use testkit::server::unused_address;

use crate::{message, receiver};

/// The models of the alerts that fire, as the Alertmanager at `url` knows them.
fn known(url: &str) -> Vec<String> {
    let output = std::process::Command::new("amtool")
        .args(["--alertmanager.url", url, "alert", "query", "-o", "json"])
        .output()
        .expect("it comes with Alertmanager");
    let alerts: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
    let alerts = alerts.as_array().cloned().unwrap_or_default();
    let models = alerts.iter().filter_map(|alert| alert["labels"]["model"].as_str());
    models.map(str::to_owned).collect()
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it writes Alertmanager's configuration")]
async fn a_real_alertmanager_takes_firing_and_resolved_alerts() {
    let Some(alertmanager) = testkit::asset::debian("prometheus-alertmanager") else { return };
    let folder = tempfile::tempdir().expect("there is room");
    let config = folder.path().join("alertmanager.yml");
    std::fs::write(&config, "route: { receiver: none }\nreceivers: [{ name: none }]\n")
        .expect("there is room");
    let address = unused_address();
    let program = Program::start(
        &alertmanager,
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", folder.path().display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ],
        &[],
        Path::new(folder.path()),
    );
    let url = format!("http://{address}");
    let _ = program.line("Listening on");

    let channel = receiver(&format!("name = 'am'\nkind = 'alertmanager'\nurl = '{url}'\n")).channel;
    let surroundings = Surroundings::new(None, None).expect("it is sound");
    let now = Moment::from_unix_ms(SystemClock.unix_nanos() / 1_000_000);
    let tell = async |resolved: bool| {
        let mut told: Message = message();
        told.notices.truncate(1);
        told.notices[0].resolved_at = resolved.then_some(now);
        channel.deliver(&told, &surroundings, now + Duration::from_secs(1)).await
    };
    tell(false).await.expect("it is taken");
    until("the alert is known", || known(&url) == ["small"]);
    tell(true).await.expect("it is taken");
    until("the alert is over", || known(&url).is_empty());
}
