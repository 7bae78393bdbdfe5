//! Reads tables of the file. A key is known where somebody asks for it, so that none can be accepted
//! and ignored.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::failure::UserError;

/// Everything that is wrong with a file.
#[derive(Debug, Default)]
pub(super) struct Faults(RefCell<Vec<Fault>>);

#[derive(Debug)]
struct Fault {
    /// The byte of the file where it stands.
    at: usize,
    path: String,
    problem: String,
    hint: Option<String>,
}

impl Faults {
    pub(super) fn add(&self, at: usize, path: &str, problem: String, hint: Option<String>) {
        self.0.borrow_mut().push(Fault { at, path: path.to_owned(), problem, hint });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// All of them, in the file's order.
    pub(super) fn told(self, file: &Path, text: &str) -> UserError {
        let mut faults = self.0.into_inner();
        faults.sort_by_key(|fault| fault.at);
        let mut told = format!("{} cannot be used:", file.display());
        for Fault { at, path, problem, hint } in faults {
            let line = text.get(..at).unwrap_or(text).matches('\n').count() + 1;
            let what = if path.is_empty() { problem } else { format!("`{path}` {problem}") };
            let _ = write!(told, "\n  line {line}: {what}");
            if let Some(hint) = hint {
                let _ = write!(told, "\n    help: {hint}");
            }
        }
        UserError::usage(told)
    }
}

/// A table of the file.
pub(super) struct Table<'a> {
    /// What it is called in its parent; empty for the whole file.
    pub(super) name: String,
    path: String,
    at: usize,
    entries: &'a DeTable<'a>,
    /// The keys somebody asked for.
    known: Vec<&'static str>,
    folder: &'a Path,
    faults: &'a Faults,
}

impl<'a> Table<'a> {
    pub(super) fn root(entries: &'a DeTable<'a>, folder: &'a Path, faults: &'a Faults) -> Self {
        let (name, path) = (String::new(), String::new());
        Self { name, path, at: 0, entries, known: Vec::new(), folder, faults }
    }

    fn below(&self, name: &str, at: usize, entries: &'a DeTable<'a>) -> Self {
        let (folder, faults) = (self.folder, self.faults);
        let (name, path) = (name.to_owned(), self.path_of(name));
        Self { name, path, at, entries, known: Vec::new(), folder, faults }
    }

    /// What `key` is called in the whole file; the table itself where it is empty.
    fn path_of(&self, key: &str) -> String {
        if key.is_empty() {
            return self.path.clone();
        }
        let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        let key = if key.chars().all(is_bare) { key.to_owned() } else { format!("\"{key}\"") };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.get(key)
    }

    /// Whether `key` is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Notes what is wrong with the value of `key`, or with the table where that is not there.
    pub(super) fn refuse(&self, key: &str, problem: impl Into<String>, hint: impl Into<String>) {
        let value = self.entries.get(key).map(|value| value.span().start);
        self.faults.add(
            value.unwrap_or(self.at),
            &self.path_of(key),
            problem.into(),
            Some(hint.into()).filter(|hint| !hint.is_empty()),
        );
    }

    /// The table called `key`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let value = self.find(key)?;
        match value.get_ref() {
            DeValue::Table(entries) => Some(self.below(key, value.span().start, entries)),
            _ => {
                self.refuse(key, "is no table", format!("write [{key}]"));
                None
            }
        }
    }

    /// The tables in the table called `key`, in the file's order.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Self> {
        let Some(parent) = self.table(key) else { return Vec::new() };
        let mut tables = Vec::new();
        for (name, value) in parent.entries {
            match value.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(parent.below(name.get_ref(), name.span().start, entries));
                }
                _ => parent.refuse(name.get_ref(), "is no table", format!("write [{key}.NAME]")),
            }
        }
        tables.sort_by_key(|table| table.at);
        tables
    }

    /// The tables of the list called `key`.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.find(key) else { return Vec::new() };
        let path = self.path_of(key);
        let DeValue::Array(items) = value.get_ref() else {
            self.refuse(key, "is no list of tables", format!("write [[{path}]]"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let (name, path) = (place.to_string(), format!("{path}[{place}]"));
            let at = item.span().start;
            match item.get_ref() {
                DeValue::Table(entries) => {
                    let (folder, faults) = (self.folder, self.faults);
                    tables.push(Self {
                        name,
                        path,
                        at,
                        entries,
                        known: Vec::new(),
                        folder,
                        faults,
                    });
                }
                _ => self.faults.add(at, &path, "is no table".to_owned(), None),
            }
        }
        tables
    }

    /// How much is wrong with the file so far.
    pub(super) fn faults(&self) -> usize {
        self.faults.count()
    }

    /// Whether `key` is there, and is a table.
    pub(super) fn has_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::Table(_)))
    }

    /// Where a path leads, which counts from the file's own folder.
    pub(super) fn resolved(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        match self.find(key)?.get_ref() {
            DeValue::String(text) => Some(text.clone().into_owned()),
            _ => {
                self.refuse(key, "is no text", format!("write {key} = \"…\""));
                None
            }
        }
    }

    pub(super) fn switch(&mut self, key: &'static str) -> Option<bool> {
        match self.find(key)?.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => {
                self.refuse(key, "is neither true nor false", "write it without quotes");
                None
            }
        }
    }

    /// A whole number within `bounds`.
    pub(super) fn number(&mut self, key: &'static str, bounds: RangeInclusive<u32>) -> Option<u32> {
        let number = match self.find(key)?.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let legal = number.filter(|number| bounds.contains(number));
        if legal.is_none() {
            let (low, high) = bounds.into_inner();
            self.refuse(key, format!("is no whole number from {low} to {high}"), "");
        }
        legal
    }

    /// A text, or a number, in a form of its own.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        let text = match self.find(key)?.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.refuse(key, "is no text", format!("write {key} = \"…\""));
                return None;
            }
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(key, format!("cannot be used: {error}"), "");
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let word = self.text(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == word);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = match nearest(&word, names.iter().copied()) {
                Some(near) => format!("the nearest is `{near}`; there are {}", names.join(", ")),
                None => format!("there are {}", names.join(", ")),
            };
            self.refuse(key, "is none of the words for it", hint);
        }
        chosen.map(|(_, value)| *value)
    }

    /// A path, which counts from the file's own folder.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(|text| self.resolved(&text))
    }

    /// The bytes of the file at a path.
    pub(super) fn file(&mut self, key: &'static str) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        #[expect(clippy::disallowed_methods, reason = "app opens the files users name")]
        match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                // Somebody may have put a secret in place of the path.
                let hint = "give a path that counts from the configuration's own folder";
                self.refuse(key, format!("names a file that cannot be read: {error}"), hint);
                None
            }
        }
    }

    /// A table of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some(table) = self.table(key) else { return BTreeMap::new() };
        let mut texts = BTreeMap::new();
        for (name, value) in table.entries {
            match value.get_ref() {
                DeValue::String(text) => {
                    texts.insert(name.get_ref().clone().into_owned(), text.clone().into_owned());
                }
                _ => table.refuse(name.get_ref(), "is no text", "put it in quotes"),
            }
        }
        texts
    }

    /// A text, or a list of texts.
    pub(super) fn words(&mut self, key: &'static str) -> Option<Vec<String>> {
        let words = words_of(self.find(key)?.get_ref());
        if words.is_none() {
            self.refuse(
                key,
                "is neither a text nor a list of texts",
                format!("write {key} = [\"…\"]"),
            );
        }
        words
    }

    /// A table of texts and lists of texts.
    pub(super) fn words_by_name(&mut self, key: &'static str) -> BTreeMap<String, Vec<String>> {
        let Some(table) = self.table(key) else { return BTreeMap::new() };
        let mut words_by_name = BTreeMap::new();
        for (name, value) in table.entries {
            match words_of(value.get_ref()) {
                Some(words) => {
                    words_by_name.insert(name.get_ref().clone().into_owned(), words);
                }
                None => table.refuse(
                    name.get_ref(),
                    "is neither a text nor a list of texts",
                    "put it in quotes",
                ),
            }
        }
        words_by_name
    }

    /// A table as JSON.
    pub(super) fn json(
        &mut self,
        key: &'static str,
    ) -> Option<serde_json::Map<String, serde_json::Value>> {
        let table = self.table(key)?;
        match json_of_table(table.entries) {
            Some(entries) => Some(entries),
            None => {
                let hint = "dates, nan, inf and numbers beyond 64 bits have no JSON";
                self.refuse(key, "cannot be written as JSON", hint);
                None
            }
        }
    }

    /// Refuses keys that nobody asked for.
    pub(super) fn refuse_others(self) {
        for key in self.entries.keys() {
            let name = key.get_ref();
            if self.known.contains(&&**name) {
                continue;
            }
            let hint = match nearest(name, self.known.iter().copied()) {
                Some(near) => format!("the nearest is `{near}`"),
                None => format!("there are {}", self.known.join(", ")),
            };
            let path = self.path_of(name);
            self.faults.add(key.span().start, &path, "is no setting".to_owned(), Some(hint));
        }
    }
}

/// A text, or the texts of a list.
fn words_of(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::String(text) => Some(vec![text.clone().into_owned()]),
        DeValue::Array(items) => {
            let word = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Some(text.clone().into_owned()),
                _ => None,
            };
            items.iter().map(word).collect()
        }
        _ => None,
    }
}

/// The name that `word` was most likely meant to be, if any is close.
pub(super) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let edits = |name: &str| strsim::damerau_levenshtein(word, name);
    names.min_by_key(|name| edits(name)).filter(|name| edits(name) <= name.len().max(3) / 2)
}

fn json_of_table(table: &DeTable<'_>) -> Option<serde_json::Map<String, serde_json::Value>> {
    let entry = |(name, value): (&Spanned<toml::de::DeString<'_>>, &Spanned<DeValue<'_>>)| {
        Some((name.get_ref().clone().into_owned(), json_of(value.get_ref())?))
    };
    table.iter().map(entry).collect()
}

fn json_of(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => text.clone().into_owned().into(),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).ok()?.into()
        }
        DeValue::Float(number) => {
            serde_json::Number::from_f64(number.as_str().parse().ok()?)?.into()
        }
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => {
            items.iter().map(|item| json_of(item.get_ref())).collect::<Option<Vec<_>>>()?.into()
        }
        DeValue::Table(table) => json_of_table(table)?.into(),
    })
}
