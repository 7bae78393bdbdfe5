//! The Python client: by itself, and against `prony serve` with a simulated model behind it.

use std::path::Path;

use testkit::{Transcript, asset};

const PRONY: &str = env!("CARGO_BIN_EXE_prony");

/// Runs the client's tests in `folder`, where the interpreter is installed.
fn check(folder: &str) {
    let Some(python) = asset::python() else { return };
    let client = asset::workspace().join("clients/python");
    let desk = tempfile::tempdir().expect("there is room for a folder");
    let text = |path: &Path| path.display().to_string();
    let arguments = [
        "-B".to_owned(),
        "-m".to_owned(),
        "pytest".to_owned(),
        "--quiet".to_owned(),
        format!("--config-file={}", text(&client.join("pyproject.toml"))),
        format!("--rootdir={}", text(&client)),
        format!("--basetemp={}", text(&desk.path().join("pytest"))),
        text(&client.join("tests").join(folder)),
    ];
    let run = Transcript::run(&python, &arguments, &[("PRONY_BIN", PRONY)], desk.path());
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains("skipped"), "all that it needs is installed: {}", run.stdout);
}

#[test]
fn the_python_client_asks_and_reads_as_it_should() {
    check("core");
}

#[test]
fn the_python_client_is_content_with_the_server() {
    check("server");
}
