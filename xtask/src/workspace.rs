//! What the chores know of the workspace: its packages, their dependencies and its files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    /// The package itself, or its build script.
    Normal,
    /// Tests and benches alone.
    Dev,
}

/// One line of a package's dependencies.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
}

/// One package of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The package's folder, relative to the workspace's.
    pub(crate) folder: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    /// Relative to the workspace's folder.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The packages of the workspace and the text files that belong to it.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
    pub(crate) files: Vec<TextFile>,
}

impl Workspace {
    /// Reads the workspace this program was built from, as it lies on disk now.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let root = root();
        let metadata = output(Command::new(cargo()).current_dir(&root).args([
            "metadata",
            "--no-deps",
            "--format-version=1",
        ]))?;
        let metadata = serde_json::from_str(&metadata).context("cargo metadata is no JSON")?;
        Ok(Self { packages: packages(&metadata)?, files: files(&root)? })
    }

    /// The text of the file at `path`.
    pub(crate) fn file(&self, path: &Path) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask lies in a folder of the workspace").to_owned()
}

/// Where cargo builds to.
pub(crate) fn target() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "cargo is told its target folder this way")]
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    #[expect(clippy::disallowed_methods, reason = "cargo tells its subcommands its path this way")]
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} wrote no UTF-8"))
}

fn packages(metadata: &Value) -> anyhow::Result<Vec<Package>> {
    let root = text(&metadata["workspace_root"])?;
    list(&metadata["packages"])?.iter().map(|package| self::package(package, root)).collect()
}

fn package(package: &Value, root: &str) -> anyhow::Result<Package> {
    let manifest = Path::new(text(&package["manifest_path"])?);
    let folder = manifest.parent().context("a manifest outside every folder")?;
    let dependencies = list(&package["dependencies"])?.iter().map(|dependency| {
        let kind = match dependency["kind"].as_str() {
            None | Some("build") => DependencyKind::Normal,
            Some("dev") => DependencyKind::Dev,
            Some(other) => bail!("cargo metadata names an unknown dependency kind `{other}`"),
        };
        Ok(Dependency { name: text(&dependency["name"])?.to_owned(), kind })
    });
    Ok(Package {
        name: text(&package["name"])?.to_owned(),
        folder: folder.strip_prefix(root).context("a member outside the workspace")?.to_owned(),
        dependencies: dependencies.collect::<anyhow::Result<_>>()?,
    })
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("cargo metadata lacks a text it should have")
}

fn list(value: &Value) -> anyhow::Result<&[Value]> {
    value.as_array().map(Vec::as_slice).context("cargo metadata lacks a list it should have")
}

/// Every file git tracks or would track, where it is text.
fn files(root: &Path) -> anyhow::Result<Vec<TextFile>> {
    let listed = output(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let mut files = Vec::new();
    for path in listed.split_terminator('\0').map(PathBuf::from) {
        #[expect(clippy::disallowed_methods, reason = "the chores read the repository")]
        let bytes = match std::fs::read(root.join(&path)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue, // deleted, not yet committed
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path, text });
        }
    }
    Ok(files)
}
