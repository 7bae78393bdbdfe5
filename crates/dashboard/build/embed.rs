//! How files become part of the program: they are copied, so that what is embedded stays what it
//! was, and a table of them is written as Rust.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sha2::{Digest as _, Sha256};

/// What stands at `/` where no pages were made.
const MISSING: &str = include_str!("missing.html");
/// What the compressed form of a file adds to its name.
const COMPRESSED: &str = ".gz";

/// Embeds every file of a folder, each with its compressed form where there is one.
pub(crate) fn folder(out: &Path, dist: &Path) -> io::Result<()> {
    let copies = fresh_folder(out)?;
    let mut files = BTreeMap::new();
    collect(dist, "", &mut files)?;
    let mut table = Table::default();
    for (name, path) in files.iter().filter(|(name, _)| !name.ends_with(COMPRESSED)) {
        let copy = copies.join(table.count.to_string());
        let bytes = fs::read(path)?;
        fs::write(&copy, &bytes)?;
        let compressed = match files.get(&format!("{name}{COMPRESSED}")) {
            Some(path) => {
                let copy = copy.with_extension("gz");
                fs::copy(path, &copy)?;
                Some(copy)
            }
            None => None,
        };
        table.push(name, &bytes, &copy, compressed.as_deref());
    }
    table.write(out, true)
}

/// Embeds a page that says why there are no others.
pub(crate) fn nothing(out: &Path, reason: &str) -> io::Result<()> {
    let copy = fresh_folder(out)?.join("index.html");
    let escaped = reason.replace('&', "&amp;").replace('<', "&lt;");
    let page = MISSING.replace("{reason}", &escaped);
    fs::write(&copy, &page)?;
    let mut table = Table::default();
    table.push("index.html", page.as_bytes(), &copy, None);
    table.write(out, false)
}

/// The folder of the copies, without those of an earlier build.
fn fresh_folder(out: &Path) -> io::Result<PathBuf> {
    let copies = out.join("files");
    if copies.exists() {
        fs::remove_dir_all(&copies)?;
    }
    fs::create_dir_all(&copies)?;
    Ok(copies)
}

/// Finds the files below a folder, by their names with the folders they stand in.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, entry.path());
        }
    }
    Ok(())
}

/// The table as Rust: `FILES` in order of their paths, and `IS_BUILT`.
#[derive(Default)]
struct Table {
    rows: String,
    count: usize,
}

impl Table {
    fn push(&mut self, name: &str, bytes: &[u8], copy: &Path, compressed: Option<&Path>) {
        let gzip =
            compressed.map_or("None".to_owned(), |path| format!("Some(include_bytes!({path:?}))"));
        let digest = Sha256::digest(bytes);
        let tag: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        let etag = format!("W/\"{tag}\"");
        writeln!(
            self.rows,
            "    File {{ path: {name:?}, bytes: include_bytes!({copy:?}), gzip: {gzip}, etag: {etag:?} }},"
        )
        .expect("text takes text");
        self.count += 1;
    }

    fn write(&self, out: &Path, is_built: bool) -> io::Result<()> {
        let table = format!(
            "const IS_BUILT: bool = {is_built};\nconst FILES: &[File] = &[\n{}];\n",
            self.rows
        );
        fs::write(out.join("files.rs"), table)
    }
}
