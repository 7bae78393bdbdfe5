//! Every check a change must pass, the quick ones first; the first failure ends the run.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::{tidy, workspace};

/// Runs every check.
pub(crate) fn run() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"], &[])?;
    announce("cargo xtask tidy");
    tidy::run()?;
    cargo(
        &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"],
        &[],
    )?;
    if installed("nextest") {
        cargo(&["nextest", "run", "--workspace", "--locked"], &[])?;
        cargo(&["test", "--workspace", "--locked", "--doc"], &[])?;
    } else {
        println!("cargo-nextest is not installed (`cargo install cargo-nextest --locked`):");
        println!("cargo's own, slower runner takes its place");
        cargo(&["test", "--workspace", "--locked"], &[])?;
    }
    cargo(
        &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"],
        &[("RUSTDOCFLAGS", "--deny warnings")],
    )?;
    if installed("deny") {
        cargo(&["deny", "--offline", "check", "licenses", "bans", "sources"], &[])?;
    } else {
        println!("cargo-deny is not installed (`cargo install cargo-deny --locked`):");
        println!("licences and duplicates go unchecked");
    }
    Ok(())
}

fn installed(subcommand: &str) -> bool {
    Command::new(workspace::cargo())
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    announce(&line);
    let status = Command::new(workspace::cargo())
        .current_dir(workspace::root())
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

fn announce(line: &str) {
    println!("\n── {line}");
}
