//! Makes keys for the server.

use api::management::Role;
use api::management::key::KeyDigest;
use clap::{Args, ValueEnum};

use crate::failure::{Exit, UserError};
use crate::{Outcome, output, random};

/// What a key's holder may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum RoleKind {
    /// Reads everything
    Viewer,
    /// Starts, cancels and deletes benchmarks too
    Operator,
    /// Changes what may be put under load too
    Admin,
}

/// Settings of `prony config key`.
#[derive(Args, Clone, Debug)]
pub(crate) struct KeySettings {
    /// What to call the key
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,
    /// What its holder may do
    #[arg(long, value_name = "ROLE")]
    role: RoleKind,
}

/// Prints a new key, and what the configuration is to say about it.
pub(super) fn main(settings: &KeySettings) -> Outcome {
    let role = match settings.role {
        RoleKind::Viewer => Role::Viewer,
        RoleKind::Operator => Role::Operator,
        RoleKind::Admin => Role::Admin,
    };
    let key = new_key().map_err(|error| {
        UserError::new(Exit::Other, format!("the system gives no random bytes: {error}"))
    })?;
    output::talk(&"the key, which is shown this once:");
    output::data(format!("{key}\n").as_bytes())?;
    output::talk(&format!(
        "\nwhat prony.toml is to say about it:\n\n[keys.{}]\nrole = \"{}\"\nsha256 = \"{}\"",
        settings.name,
        role.as_str(),
        KeyDigest::of(&key)
    ));
    Ok(Exit::Success)
}

/// 256 random bits, in a form that is known for a key where it turns up.
fn new_key() -> std::io::Result<String> {
    let bytes: [u8; 32] = random::bytes()?;
    Ok(format!("prony_{}", random::digits(&bytes)))
}

/// A name that needs no quotes in the file.
fn name(text: &str) -> Result<String, String> {
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if !text.is_empty() && text.chars().all(is_bare) {
        Ok(text.to_owned())
    } else {
        Err("a name has letters, digits, - and _".to_owned())
    }
}
