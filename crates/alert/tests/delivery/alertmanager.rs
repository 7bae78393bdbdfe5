//! A real Alertmanager takes what it is sent, and knows when it is over.

use std::time::Duration;

use alert::notify::Surroundings;
use alert::{Message, Moment};
use domain::{Clock as _, SystemClock};
use testkit::monitoring::Alertmanager;
use testkit::program::until;

use crate::{message, receiver};

/// The models of the alerts that fire, as it knows them.
fn known(alertmanager: &Alertmanager) -> Vec<String> {
    let alerts = alertmanager.alerts();
    let models = alerts.iter().filter_map(|alert| alert["labels"]["model"].as_str());
    models.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_real_alertmanager_takes_firing_and_resolved_alerts() {
    let config = "route: { receiver: none }\nreceivers: [{ name: none }]\n";
    let alertmanager = Alertmanager::start(config);
    let url = format!("http://{}", alertmanager.address());

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
    until("the alert is known", || known(&alertmanager) == ["small"]);
    tell(true).await.expect("it is taken");
    until("the alert is over", || known(&alertmanager).is_empty());
}
