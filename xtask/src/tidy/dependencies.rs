//! What the manifests and lock files may name: nothing unused, and no registry's address.

use std::path::Path;

use super::Breach;
use crate::workspace::{Package, TextFile, Workspace};

/// How Cargo.lock names crates.io.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Finds dependencies nobody uses and registries named by their address.
pub(super) fn check(workspace: &Workspace) -> Vec<Breach> {
    let mut breaches = unused_in_workspace(workspace);
    breaches.extend(workspace.packages.iter().flat_map(|package| unused(workspace, package)));
    breaches.extend(workspace.files.iter().flat_map(foreign_registries));
    breaches
}

/// Lines of `[workspace.dependencies]` that no member takes up.
fn unused_in_workspace(workspace: &Workspace) -> Vec<Breach> {
    let Some(manifest) = workspace.file(Path::new("Cargo.toml")) else { return Vec::new() };
    let taken = |name: &str| {
        workspace.packages.iter().flat_map(|package| &package.dependencies).any(|d| d.name == name)
    };
    workspace_dependencies(&manifest.text)
        .filter(|(_, name)| !taken(name))
        .map(|(line, name)| Breach {
            path: manifest.path.clone(),
            line: Some(line),
            message: format!("no member takes up the dependency `{name}`"),
        })
        .collect()
}

/// The names in `[workspace.dependencies]`, with their lines.
fn workspace_dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    manifest
        .lines()
        .zip(1..)
        .skip_while(|(line, _)| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(line, _)| !line.starts_with('['))
        .filter_map(|(line, number)| Some((number, line.split_once('=')?.0.trim())))
        .filter(|(_, name)| !name.starts_with('#'))
}

/// Dependencies whose name stands in none of the package's sources.
fn unused(workspace: &Workspace, package: &Package) -> Vec<Breach> {
    let sources: Vec<&TextFile> = workspace
        .files
        .iter()
        .filter(|file| file.path.starts_with(&package.folder) && has_extension(&file.path, "rs"))
        .collect();
    let named = |dependency: &str| {
        let identifier = dependency.replace('-', "_");
        sources.iter().any(|file| super::text::has_word(&file.text, &identifier))
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| !named(&dependency.name))
        .map(|dependency| Breach {
            path: package.folder.join("Cargo.toml"),
            line: None,
            message: format!("`{}` is a dependency that no source names", dependency.name),
        })
        .collect()
}

/// Lines of lock files and package settings that name a registry.
fn foreign_registries(file: &TextFile) -> Vec<Breach> {
    let Some(name) = file.path.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let foreign: fn(&str) -> bool = match name {
        "Cargo.lock" => |line| {
            line.strip_prefix("source = ")
                .is_some_and(|source| source.trim_matches('"') != CRATES_IO)
        },
        "package-lock.json" => |line| line.trim_start().starts_with("\"resolved\": \"http"),
        "config.toml" if file.path.parent() == Some(Path::new(".cargo")) => {
            |line| line.starts_with("[source") || line.starts_with("[registr")
        }
        ".npmrc" => |line| {
            let key = line.split('=').next().unwrap_or_default().trim();
            key == "registry" || key.ends_with(":registry")
        },
        "pyproject.toml" | "uv.lock" | "requirements.txt" => {
            |line| line.contains("index-url") || line.contains("registry = ")
        }
        _ => return Vec::new(),
    };
    file.text
        .lines()
        .zip(1..)
        .filter(|(line, _)| foreign(line))
        .map(|(_, line)| Breach {
            path: file.path.clone(),
            line: Some(line),
            message: "names a registry: packages come by name, from wherever the user set"
                .to_owned(),
        })
        .collect()
}

pub(super) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{package, printed, workspace};

    fn check(packages: &[(&str, &[&str])], files: &[(&str, &str)], expected: &[&str]) {
        let packages = packages.iter().map(|(name, imports)| package(name, imports)).collect();
        assert_eq!(printed(&super::check(&workspace(packages, files))), expected);
    }

    #[test]
    fn dependencies_are_taken_up_and_named() {
        let manifest = "[workspace]\n\n[workspace.dependencies]\n# ours\nserde = \"1\"\n\
                        serde_json = \"1\"\ndead-wood = { version = \"1\" }\n\n[workspace.lints]\n\
                        all = \"warn\"\n";
        check(
            &[("domain", &["serde", "dev:serde_json", "tokio-util"])],
            &[
                ("Cargo.toml", manifest),
                ("crates/domain/src/lib.rs", "use serde::Serialize;"),
                ("crates/domain/tests/json.rs", "serde_json::from_str(x)"),
                ("crates/text/src/lib.rs", "use tokio_util::sync;"),
            ],
            &[
                "Cargo.toml:7: no member takes up the dependency `dead-wood`",
                "crates/domain/Cargo.toml: `tokio-util` is a dependency that no source names",
            ],
        );
    }

    #[test]
    fn lock_files_name_no_registry() {
        let cargo = format!("name = \"a\"\nsource = \"{CRATES_IO}\"\n");
        let npm = "  \"node_modules/a\": { \"version\": \"1.0.0\" },\n";
        let said = "names a registry: packages come by name, from wherever the user set";
        check(&[], &[("Cargo.lock", &cargo), ("dashboard/package-lock.json", npm)], &[]);
        check(
            &[],
            &[
                ("Cargo.lock", "name = \"a\"\nsource = \"registry+https://mirror.example/i\"\n"),
                ("fuzz/Cargo.lock", "source = \"git+https://example.com/a\"\n"),
                ("dashboard/package-lock.json", "\"resolved\": \"https://mirror.example/a.tgz\""),
                (".cargo/config.toml", "[alias]\n[source.crates-io]\n"),
                ("clients/python/requirements.txt", "--index-url https://mirror.example\n"),
            ],
            &[
                &format!("Cargo.lock:2: {said}"),
                &format!("fuzz/Cargo.lock:1: {said}"),
                &format!("dashboard/package-lock.json:1: {said}"),
                &format!(".cargo/config.toml:2: {said}"),
                &format!("clients/python/requirements.txt:1: {said}"),
            ],
        );
    }
}
