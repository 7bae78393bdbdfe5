//! The rules no compiler knows, each a pure function from the workspace to its breaches.

mod dependencies;
mod edges;
mod text;

use std::fmt;
use std::path::PathBuf;

use anyhow::bail;

use crate::workspace::Workspace;

/// A place where a rule is broken, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) path: PathBuf,
    /// Counted from one; `None` where the file as a whole is at fault.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Checks every rule on the workspace and prints each breach.
pub(crate) fn run() -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    let breaches = check(&workspace);
    for breach in &breaches {
        println!("{breach}");
    }
    if !breaches.is_empty() {
        bail!("tidy: {} to mend", breaches.len());
    }
    println!(
        "tidy: {} packages and {} files are in order",
        workspace.packages.len(),
        workspace.files.len()
    );
    Ok(())
}

fn check(workspace: &Workspace) -> Vec<Breach> {
    let mut breaches = edges::check(workspace);
    breaches.extend(dependencies::check(workspace));
    breaches.extend(text::check(workspace));
    breaches.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    breaches
}

#[cfg(test)]
mod testing {
    use std::path::PathBuf;

    use super::Breach;
    use crate::workspace::{Dependency, DependencyKind, Package, TextFile, Workspace};

    /// A package in `crates/NAME` whose dependencies are written `name` or, for tests alone,
    /// `dev:name`.
    pub(super) fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependencies = dependencies.iter().map(|written| {
            let (kind, name) = match written.strip_prefix("dev:") {
                Some(name) => (DependencyKind::Dev, name),
                None => (DependencyKind::Normal, *written),
            };
            Dependency { name: name.to_owned(), kind }
        });
        Package {
            name: name.to_owned(),
            folder: PathBuf::from(if name == "prony" {
                "crates/app".to_owned()
            } else {
                format!("crates/{name}")
            }),
            dependencies: dependencies.collect(),
        }
    }

    pub(super) fn workspace(packages: Vec<Package>, files: &[(&str, &str)]) -> Workspace {
        let files = files
            .iter()
            .map(|&(path, text)| TextFile { path: PathBuf::from(path), text: text.to_owned() });
        Workspace { packages, files: files.collect() }
    }

    pub(super) fn printed(breaches: &[Breach]) -> Vec<String> {
        breaches.iter().map(Breach::to_string).collect()
    }
}
