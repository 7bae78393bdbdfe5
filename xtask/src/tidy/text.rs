//! What the repository's files must look like: short, documented, with no stray words.

use std::path::Path;

use super::Breach;
use super::dependencies::has_extension;
use crate::workspace::{Package, TextFile, Workspace};

/// The longest source file, in lines, tests included.
const LINES_MAX: usize = 700;
/// The shortest first line of a crate's doc that can say something, in bytes.
const CRATE_DOC_BYTES_MIN: usize = 30;
/// Extensions of source files.
const SOURCES: &[&str] = &["rs", "py", "sh", "ts", "js", "svelte"];
/// Extensions of the other files people write.
const PROSE: &[&str] = &["md", "toml", "yml", "yaml", "json"];
/// Words that mark work left undone. Taken apart so that this file does not hold them.
const STRAY_WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("db", "g!")];

/// Finds crates without a doc, files too long, stray words and stray blanks.
pub(super) fn check(workspace: &Workspace) -> Vec<Breach> {
    let mut breaches: Vec<Breach> =
        workspace.packages.iter().filter_map(|package| crate_doc(workspace, package)).collect();
    for file in &workspace.files {
        let is = |extensions: &[&str]| extensions.iter().any(|e| has_extension(&file.path, e));
        if is(SOURCES) {
            breaches.extend(length(file));
        }
        if is(SOURCES) || is(PROSE) {
            breaches.extend(lines(file));
        }
    }
    breaches
}

fn crate_doc(workspace: &Workspace, package: &Package) -> Option<Breach> {
    let candidates = ["src/lib.rs", "src/main.rs"].map(|path| package.folder.join(path));
    let root = candidates.iter().find_map(|path| workspace.file(path));
    let breach = |path: &Path, message: &str| {
        Some(Breach { path: path.to_owned(), line: Some(1), message: message.to_owned() })
    };
    let Some(root) = root else {
        return breach(&candidates[0], "the crate has neither lib.rs nor main.rs");
    };
    let first = root.text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") && first.len() >= CRATE_DOC_BYTES_MIN {
        return None;
    }
    breach(&root.path, "the first line must be a crate doc that says what the crate does")
}

fn length(file: &TextFile) -> Option<Breach> {
    let lines = file.text.lines().count();
    (lines > LINES_MAX).then(|| Breach {
        path: file.path.clone(),
        line: None,
        message: format!("{lines} lines: split it (at most {LINES_MAX})"),
    })
}

fn lines(file: &TextFile) -> Vec<Breach> {
    let breach = |line, message| Breach { path: file.path.clone(), line: Some(line), message };
    let mut breaches = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        if line.ends_with([' ', '\t']) {
            breaches.push(breach(number, "blanks at the end of the line".to_owned()));
        }
        for word in STRAY_WORDS.iter().filter(|word| has_word(line, word)) {
            breaches.push(breach(number, format!("`{word}`: finish it or drop it")));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        let last = file.text.lines().count();
        breaches.push(breach(last, "the last line lacks its end".to_owned()));
    }
    breaches
}

/// Whether `word` stands in `text` with no letter, digit or underscore on either side.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::testing::{package, printed, workspace};

    fn check(path: &str, text: &str, expected: &[&str]) {
        let found = super::check(&workspace(Vec::new(), &[(path, text)]));
        assert_eq!(printed(&found), expected);
    }

    #[test]
    fn files_are_short_finished_and_clean() {
        let marks = format!("// {}: later\nlet x = {}(y);\n", STRAY_WORDS[0], STRAY_WORDS[2]);
        check("src/a.rs", "fn main() {}\n", &[]);
        check("src/a.rs", &"\n".repeat(LINES_MAX), &[]);
        check("src/a.rs", &"\n".repeat(701), &["src/a.rs: 701 lines: split it (at most 700)"]);
        check("CHANGELOG.md", &"\n".repeat(701), &[]);
        check(
            "src/a.rs",
            "fn a() {} \nb\t\n",
            &[
                "src/a.rs:1: blanks at the end of the line",
                "src/a.rs:2: blanks at the end of the line",
            ],
        );
        check("src/a.rs", "a\nb", &["src/a.rs:2: the last line lacks its end"]);
        check(
            "src/a.rs",
            &marks,
            &[
                &format!("src/a.rs:1: `{}`: finish it or drop it", STRAY_WORDS[0]),
                &format!("src/a.rs:2: `{}`: finish it or drop it", STRAY_WORDS[2]),
            ],
        );
        check("src/a.rs", &format!("let {}S_DONE = 1;\n", STRAY_WORDS[0]), &[]);
        check("prompts.txt", &marks, &[]);
    }

    #[test]
    fn crates_say_what_they_do() {
        let check = |files: &[(&str, &str)], expected: &[&str]| {
            let found = super::check(&workspace(vec![package("domain", &[])], files));
            assert_eq!(printed(&found), expected);
        };
        let said = "crates/domain/src/lib.rs:1: the first line must be a crate doc that says what \
                    the crate does";
        check(&[("crates/domain/src/lib.rs", "//! The nouns every other crate shares.\n")], &[]);
        check(&[("crates/domain/src/main.rs", "//! The nouns every other crate shares.\n")], &[]);
        check(&[("crates/domain/src/lib.rs", "//! Nouns.\n")], &[said]);
        check(&[("crates/domain/src/lib.rs", "mod a;\n")], &[said]);
        check(&[], &["crates/domain/src/lib.rs:1: the crate has neither lib.rs nor main.rs"]);
    }
}
