//! The official packages' test as a process beside the server under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tokio_util::sync::CancellationToken;

/// Tests the server at `url` with Python's official packages, then cancels `stop`.
///
/// # Panics
/// Where the server does not do what they expect, with what they said.
pub(crate) async fn test_with_official_packages(
    python: PathBuf,
    url: String,
    model: &'static str,
    options: Vec<String>,
    stop: &CancellationToken,
) {
    let script = testkit::asset::workspace().join("tests/python/official_packages.py");
    let test = move || run(&python, &script, &url, model, &options);
    let output = tokio::task::spawn_blocking(test).await.expect("no panic");
    stop.cancel();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn run(python: &Path, script: &Path, url: &str, model: &str, options: &[String]) -> Output {
    Command::new(python)
        .arg("-B")
        .arg(script)
        .args([url, model])
        .args(options)
        .output()
        .expect("the virtual environment's interpreter starts")
}
