//! Who is told of alerts, with secrets that stand elsewhere.

use alert::notify::Channel;
use alert::settings::OneOrMore;
use alert::{Receiver, ReceiverSettings, SecretPlace, SecretSetting};
use domain::Secret;

use super::alerts::{checked, refuse_twice, required};
use super::reader::Table;
use crate::output;

/// The receivers of `[alerts]`; no two have the same name.
pub(super) fn all(table: &mut Table<'_>) -> Vec<Receiver> {
    let (mut receivers, mut names) = (Vec::new(), Vec::new());
    for mut table in table.list("receivers") {
        if let Some(receiver) = receiver(&mut table) {
            refuse_twice(&table, &mut names, &receiver.route.receiver);
            receivers.push(receiver);
        }
        table.refuse_others();
    }
    receivers
}

/// `[[alerts.receivers]]`
fn receiver(table: &mut Table<'_>) -> Option<Receiver> {
    let faults = table.faults();
    let name = required(table, "name", "name = \"on-call\"");
    let kind =
        required(table, "kind", "kind = \"webhook\"; slack, alertmanager and email are others");
    let settings = ReceiverSettings {
        name: name.unwrap_or_default(),
        kind: kind.unwrap_or_default(),
        url: secret(table, "url"),
        authorization: secret(table, "authorization"),
        server: table.text("server"),
        encryption: table.text("encryption"),
        username: table.text("username"),
        password: secret(table, "password"),
        from: table.text("from"),
        to: table.words("to").map(OneOrMore::More),
        matchers: table.words("matchers").unwrap_or_default(),
        group_by: table.words("group_by"),
        group_wait: table.text("group_wait"),
        group_interval: table.text("group_interval"),
        repeat_interval: table.text("repeat_interval"),
    };
    let find = |place: &SecretPlace| find(table, place);
    checked(table, faults, || settings.check(&find))
}

/// A value that may be secret: as it stands, or where it is to be found.
fn secret(table: &mut Table<'_>, key: &'static str) -> Option<SecretSetting> {
    if !table.has_table(key) {
        return table.text(key).map(SecretSetting::Plain);
    }
    let mut elsewhere = table.table(key)?;
    let found = place(&mut elsewhere);
    elsewhere.refuse_others();
    found.map(SecretSetting::Elsewhere)
}

/// The secret that a table says the place of.
pub(super) fn elsewhere(mut table: Table<'_>) -> Option<Secret> {
    let found = place(&mut table).map(|place| find(&table, &place));
    if let Some(Err(problem)) = &found {
        table.refuse("", format!("cannot be used: {problem}"), "");
    }
    table.refuse_others();
    found?.ok()
}

fn place(table: &mut Table<'_>) -> Option<SecretPlace> {
    match (table.text("env"), table.text("file")) {
        (Some(variable), None) => Some(SecretPlace::Env(variable)),
        (None, Some(file)) => Some(SecretPlace::File(file)),
        (None, None) | (Some(_), Some(_)) => {
            let hint = "write { env = \"NAME\" } or { file = \"PATH\" }";
            table.refuse("", "does not say where the secret is", hint);
            None
        }
    }
}

/// Finds a secret. What is wrong is said without the name of its place, where somebody may have put
/// the secret itself.
fn find(table: &Table<'_>, place: &SecretPlace) -> Result<Secret, String> {
    let text = match place {
        SecretPlace::Env(variable) => output::environment(variable)
            .ok_or("it names a variable of the environment that is not set")?,
        SecretPlace::File(path) =>
        {
            #[expect(clippy::disallowed_methods, reason = "app opens the files users name")]
            std::fs::read_to_string(table.resolved(path))
                .map_err(|error| format!("it names a file that cannot be read: {error}"))?
        }
    };
    match text.trim() {
        "" => Err("what it names is empty".to_owned()),
        secret => Ok(Secret::new(secret)),
    }
}

/// Whom it reaches, in a line without its secrets.
pub(super) fn told(receiver: &Receiver) -> String {
    let name = &receiver.route.receiver;
    match &receiver.channel {
        Channel::Webhook { .. } => format!("{name}: a webhook"),
        Channel::Slack { .. } => format!("{name}: a webhook in Slack's form"),
        Channel::Alertmanager { .. } => format!("{name}: an Alertmanager"),
        Channel::Email(mailbox) => {
            let to: Vec<String> = mailbox.to.iter().map(ToString::to_string).collect();
            format!("{name}: e-mail to {} through {}", to.join(", "), mailbox.host)
        }
    }
}
