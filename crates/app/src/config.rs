//! Configuration files. A key is a flag without its dashes, so a file is turned into arguments that
//! stand before those of the command line, and one parser checks both.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::{ArgAction, Command};
use toml::Value;

use crate::failure::{Exit, UserError};

/// The arguments that the file at `path` stands for, checked against the flags of `command`, without
/// the settings that are `outdone`.
///
/// # Errors
/// Where the file cannot be read, is no TOML, or has a key that is no flag.
pub(crate) fn arguments(
    path: &Path,
    command: &Command,
    outdone: &BTreeSet<String>,
) -> Result<Vec<OsString>, UserError> {
    #[expect(clippy::disallowed_methods, reason = "app is the crate that reads settings")]
    let text = std::fs::read_to_string(path).map_err(|error| {
        UserError::new(Exit::File, format!("cannot read {}: {error}", path.display()))
            .hint("check the path given to --config")
    })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // The error's own text shows the line, which may hold a key.
        let place = place(&text, error.span().map_or(0, |span| span.start));
        UserError::usage(format!("{} is not TOML: see {place}", path.display()))
            .hint("write settings like `concurrency = [1, 8]` and `duration = \"30s\"`")
    })?;
    let mut arguments = Vec::new();
    for (key, value) in &table {
        append(&mut arguments, key, value, command, outdone)
            .map_err(|(problem, hint)| at(path, key, problem).hint(hint))?;
    }
    Ok(arguments)
}

/// The line and column of the byte at `at`.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
    format!("line {line}, column {column}")
}

fn at(path: &Path, key: &str, problem: impl std::fmt::Display) -> UserError {
    UserError::usage(format!("{}: `{key}` {problem}", path.display()))
}

fn append(
    arguments: &mut Vec<OsString>,
    key: &str,
    value: &Value,
    command: &Command,
    outdone: &BTreeSet<String>,
) -> Result<(), (String, String)> {
    let name = key.replace('_', "-");
    let known = |arg: &clap::Arg| {
        arg.get_long() == Some(&name)
            || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&&*name))
    };
    let settings = |arg: &&clap::Arg| !arg.is_hide_set() && arg.get_long() != Some("config");
    let arg = command.get_arguments().filter(settings).find(|arg| known(arg));
    let Some(arg) = arg else {
        let nearest = nearest(&name, command);
        return Err(("is no setting".into(), format!("the nearest setting is `{nearest}`")));
    };
    if arg.get_long().is_some_and(|long| outdone.contains(long)) {
        return Ok(());
    }
    let flag = format!("--{name}");
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => arguments.push(flag.into()),
        (ArgAction::SetTrue, Value::Boolean(false)) => {}
        (ArgAction::SetTrue, _) => {
            return Err(("is neither true nor false".into(), "write `true` without quotes".into()));
        }
        (ArgAction::Append, Value::Array(items)) => {
            for item in items {
                arguments.push(format!("{flag}={}", written(item)?).into());
            }
        }
        (_, Value::Array(items)) => {
            let items = items.iter().map(written).collect::<Result<Vec<_>, _>>()?;
            arguments.push(format!("{flag}={}", items.join(",")).into());
        }
        (_, value) => arguments.push(format!("{flag}={}", written(value)?).into()),
    }
    Ok(())
}

fn written(value: &Value) -> Result<String, (String, String)> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            Err(("has a value of the wrong type".into(), "write it as on the command line".into()))
        }
    }
}

fn nearest(name: &str, command: &Command) -> String {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(clap::Arg::get_long)
        .filter(|long| !["config", "help", "version"].contains(long))
        .min_by_key(|long| strsim::damerau_levenshtein(name, long))
        .unwrap_or_default()
        .to_owned()
}
