//! Messages on their way: each channel against a strict fake on loopback, and the watch as a whole.

mod alertmanager;
mod fake_smtp;
mod http;
mod smtp;
mod watch;

use std::time::Duration;

use alert::{AlertLabels, Dimension, Label, Message, Moment, Notice};
use alert::{ReceiverSettings, SecretPlace, receiver::Receiver};
use domain::Secret;

/// 2026-01-01T00:00:00Z, as the virtual clock begins.
const START: Moment = Moment::from_unix_ms(1_767_225_600_000);

/// The receiver that `toml` describes. Its secrets are their place's name.
fn receiver(toml: &str) -> Receiver {
    let settings: ReceiverSettings = toml::from_str(toml).expect("its form");
    let find = |place: &SecretPlace| match place {
        SecretPlace::Env(value) | SecretPlace::File(value) => Ok(Secret::new(value)),
    };
    settings.check(&find).expect("it is sound")
}

fn labels(model: &str) -> AlertLabels {
    [
        (Label::Alertname, "HighLatency".to_owned()),
        (Label::Severity, "critical".to_owned()),
        (Label::Of(Dimension::Model), model.to_owned()),
    ]
    .into()
}

/// Two alerts of one rule, one of which is over.
fn message() -> Message {
    let notice = |model: &str, resolved_at| Notice {
        labels: labels(model),
        summary: format!("p95 of {model} is 2.5s, above 2s & <rising>"),
        fired_at: START,
        resolved_at,
    };
    Message {
        receiver: "ops".into(),
        group: [(Label::Alertname, "HighLatency".to_owned())].into(),
        notices: vec![
            notice("small", None),
            notice("large", Some(START + Duration::from_secs(60))),
        ],
        valid_for: Duration::from_secs(240),
    }
}
