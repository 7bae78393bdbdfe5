//! Where the server keeps its records, and for how long.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use store::durable::Retention;

use super::reader::Table;

/// The folder where nothing is said, beside the file.
const FOLDER_DEFAULT: &str = "prony-data";

/// `[store]`
#[derive(Debug)]
pub(crate) struct StoreSettings {
    /// The folder of the store.
    pub(crate) path: PathBuf,
    /// What is kept, and for how long.
    pub(crate) retention: Retention,
    /// Whether prompts and answers of benchmarks are kept, and for how long.
    pub(crate) content: ContentSettings,
}

/// Whether prompts and answers of benchmarks are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentSettings {
    /// Whether they are where a benchmark does not say.
    pub(crate) is_default: bool,
    /// How long they are, where they are.
    pub(crate) age: Duration,
}

impl ContentSettings {
    /// How long those of a benchmark are kept that says this of it; `None` where they are not.
    pub(crate) fn kept(self, said: Option<bool>) -> Option<Duration> {
        said.unwrap_or(self.is_default).then_some(self.age)
    }
}

impl StoreSettings {
    pub(super) fn read(root: &mut Table<'_>) -> Self {
        let (mut path, mut retention) = (root.resolved(FOLDER_DEFAULT), Retention::default());
        let mut content = ContentSettings { is_default: false, age: CONTENT_KEPT };
        if let Some(mut table) = root.table("store") {
            path = table.path("path").unwrap_or(path);
            if path.is_file() {
                table.refuse("path", "names a file", "name a folder, or one that can be made");
            }
            retention.records = table.parsed("retention").map(|Age(age)| age);
            content.is_default = table.switch("content").unwrap_or(false);
            retention.content = table.parsed("content_retention").map(|Age(age)| age);
            content.age = retention.content.unwrap_or(CONTENT_KEPT);
            table.refuse_others();
        }
        Self { path, retention, content }
    }
}

impl fmt::Display for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, records are kept ", self.path.display())?;
        match self.retention.records {
            Some(age) => write!(f, "for {}", Age(age)),
            None => f.write_str("for ever"),
        }?;
        match self.content.kept(None) {
            Some(age) => write!(f, ", prompts and answers for {}", Age(age)),
            None => Ok(()),
        }
    }
}

/// How long something is kept, as Prometheus writes it: hours or more, since records lie in
/// partitions of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Duration);

/// How long prompts and answers are kept where nothing is said.
pub(crate) const CONTENT_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// The units, the longest first, with their seconds.
const UNITS: [(&str, u64); 4] = [("y", 31_536_000), ("w", 604_800), ("d", 86_400), ("h", 3_600)];

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no time to keep records; write it as in 12h, 30d or 2y");
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| wrong())?;
        let (_, unit_s) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        if number == 0 {
            return Err(format!("`{text}` keeps nothing; leave it out to keep records for ever"));
        }
        Ok(Self(Duration::from_secs(u64::from(number) * unit_s)))
    }
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let exact = UNITS.iter().find(|(_, unit_s)| seconds.is_multiple_of(*unit_s));
        let (unit, unit_s) = exact.unwrap_or(&("s", 1));
        write!(f, "{}{unit}", seconds / unit_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_has_the_last_word_on_whether_its_texts_are_kept() {
        let age = Duration::from_secs(3_600);
        for (is_default, said, is_kept) in [
            (false, None, false),
            (false, Some(true), true),
            (true, None, true),
            (true, Some(false), false),
        ] {
            let settings = ContentSettings { is_default, age };
            assert_eq!(settings.kept(said), is_kept.then_some(age), "{is_default} {said:?}");
        }
    }

    #[test]
    fn ages_are_whole_hours_or_more() {
        for (text, hours, shown) in [
            ("1h", 1, "1h"),
            ("48h", 48, "2d"),
            ("30d", 720, "30d"),
            ("2w", 336, "2w"),
            ("3y", 26_280, "3y"),
        ] {
            let age: Age = text.parse().expect(text);
            assert_eq!((age.0.as_secs() / 3_600, &*age.to_string()), (hours, shown), "{text}");
        }
        for text in ["", "30", "d", "30m", "1.5d", "-1d", "1d12h", "0d", "99999999999d"] {
            assert!(text.parse::<Age>().is_err(), "{text}");
        }
    }
}
