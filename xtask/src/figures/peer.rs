//! `wrk` as the measure of what the traffic itself costs: it parses and times nothing but whole
//! answers.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;

use super::pair::{children_cpu, on_cores};
use crate::workspace;

/// A request like those of the client, as wrk's own script.
const SCRIPT: &str = r#"wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = [[{"model":"sim","messages":[{"role":"user","content":"Why is the sky blue by day and black at night?"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":32}]]
"#;

/// wrk's processor time for 1,000 requests over 64 connections on the client's core; None where it
/// is not installed.
pub(crate) fn wrk(port: u16) -> anyhow::Result<Option<f64>> {
    let Some(script) = script()? else { return Ok(None) };
    let before = children_cpu()?;
    let output = on_cores("0", "wrk")
        .args(["--threads", "1", "--connections", "64", "--duration", "1s", "--script"])
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}/v1/chat/completions"))
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run wrk")?;
    let cpu = children_cpu()?.saturating_sub(before);
    let text = String::from_utf8_lossy(&output.stdout);
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok())
        .with_context(|| format!("wrk said nothing of its requests:\n{text}"))?;
    Ok(Some(cpu.as_secs_f64() * 1_000.0 / requests))
}

/// Writes the script, where wrk is installed to run it.
fn script() -> anyhow::Result<Option<PathBuf>> {
    let found = std::process::Command::new("wrk")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if found.is_err() {
        println!("wrk is not installed (Debian's package `wrk`): no ratio to it");
        return Ok(None);
    }
    let path = workspace::root().join("bench-results/wrk.lua");
    #[expect(clippy::disallowed_methods, reason = "wrk reads its request from a file")]
    std::fs::write(&path, SCRIPT).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Some(path))
}
