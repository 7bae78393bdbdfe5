//! The way to what tests use but the repository does not hold: shared data, a real model, the
//! llama.cpp libraries, a Python with the clients' packages.
//!
//! Each is found by a path next to or under the workspace. A missing one skips the test, with a
//! line that names it; what `make test` installs may not be missing where `CI=true`, and Debian's
//! programs, which it installs for good, may never be.

use std::path::{Path, PathBuf};

/// The workspace's root folder.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate stands two folders below the workspace")
}

/// A file or folder of the shared data: `relative` to `PRONY_SHARED_DATA`, or else to
/// `../shared/data` beside the workspace. `None`, and a line on stderr, where it is missing.
#[must_use]
pub fn shared_data(relative: &str) -> Option<PathBuf> {
    let folder = environment("PRONY_SHARED_DATA")
        .map_or_else(|| workspace().join("../shared/data"), PathBuf::from);
    let path = folder.join(relative);
    if !path.exists() {
        skip(&path, "set PRONY_SHARED_DATA to the folder that holds it");
        return None;
    }
    Some(path)
}

/// The small real model that `make test` installs.
///
/// # Panics
/// Where it is missing and `CI=true`.
#[must_use]
pub fn local_model() -> Option<PathBuf> {
    installed(".prony/models/SmolLM2-135M-Instruct.Q4_1.gguf")
}

/// The folder of llama.cpp libraries that `make test` installs.
///
/// # Panics
/// Where it is missing and `CI=true`.
#[must_use]
pub fn llama_library() -> Option<PathBuf> {
    installed(".prony/llama")
}

/// A Python interpreter with the packages that `scripts/python-packages.sh` installs.
///
/// # Panics
/// Where it is missing and `CI=true`.
#[must_use]
pub fn python() -> Option<PathBuf> {
    installed(".prony/venv/bin/python")
}

/// A program of a Debian package that `make test` installs: `promtool`, `prometheus`,
/// `prometheus-alertmanager`, `amtool`.
///
/// # Panics
/// Where it is missing.
#[must_use]
pub fn debian(program: &str) -> PathBuf {
    let path = Path::new("/usr/bin").join(program);
    assert!(
        path.exists(),
        "{} is missing: install Debian's packages prometheus and prometheus-alertmanager, as \
         `scripts/tools.sh test` does",
        path.display()
    );
    path
}

fn installed(relative: &str) -> Option<PathBuf> {
    let path = workspace().join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(
        environment("CI").is_none_or(|value| value != "true"),
        "{} is missing: run `make test`, which installs it",
        path.display()
    );
    skip(&path, "run `make test`, which installs it");
    None
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment what to expect")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::print_stderr, reason = "a skipped test must say so")]
fn skip(path: &Path, remedy: &str) {
    eprintln!("skipped: {} is missing ({remedy})", path.display());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found_and_what_is_missing_is_none() {
        assert!(workspace().join("Cargo.toml").is_file());
        assert_eq!(shared_data("no/such/file"), None);
    }
}
