//! The exported rules against Prometheus itself: they load, and they raise the same alerts in the
//! same words as the evaluation inside Prony does on the same samples.

mod agreement;
mod deploy;
mod traffic;

use alert::{Rule, RuleSettings};
use serde::Deserialize;

/// The rules that a text of TOML lists.
fn rules(toml: &str) -> Vec<Rule> {
    #[derive(Deserialize)]
    struct File {
        rule: Vec<RuleSettings>,
    }
    let file: File = toml::from_str(toml).expect("its form");
    file.rule.iter().map(|rule| rule.check().expect("it is sound")).collect()
}

/// Runs promtool in `folder`, and returns what it said where it failed.
fn promtool(arguments: &[&str], folder: &std::path::Path) -> Result<(), String> {
    let output = std::process::Command::new(testkit::asset::debian("promtool"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("it can be started");
    if output.status.success() {
        return Ok(());
    }
    let [out, err] =
        [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    Err(format!("{out}{err}"))
}

#[expect(clippy::disallowed_methods, reason = "promtool reads files")]
fn write(folder: &std::path::Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("there is room");
}
