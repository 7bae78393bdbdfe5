//! What is known of a benchmark.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use load::Load;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::{Catalogue, Target};
use crate::progress::Progress;
use crate::protocol::Protocol;
use crate::status::Status;

/// Names a benchmark: 16 hexadecimal digits, and the later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BenchmarkId(pub u64);

impl fmt::Display for BenchmarkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text that names no benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a benchmark has 16 hexadecimal digits")]
pub struct IdError;

impl FromStr for BenchmarkId {
    type Err = IdError;

    /// Reads what `Display` writes, and nothing else: one benchmark has one name.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError)?;
        if id.to_string() == text { Ok(id) } else { Err(IdError) }
    }
}

/// What a benchmark is to do, checked against the catalogue: every target under every scenario and
/// every load.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Targets by name.
    pub targets: Vec<String>,
    /// Those of them that are not the catalogue's.
    pub ad_hoc: Vec<Target>,
    /// Scenarios by name.
    pub scenarios: Vec<String>,
    /// Loads.
    pub loads: Vec<Load>,
    /// What all runs have in common.
    pub protocol: Protocol,
    /// Whether prompts and answers are kept; `None` where nobody said.
    pub store_content: Option<bool>,
}

impl Spec {
    /// The target called `name`: one described with the benchmark, or one of the catalogue's.
    #[must_use]
    pub fn target<'a>(&'a self, name: &str, catalogue: &'a Catalogue) -> Option<&'a Target> {
        let described = self.ad_hoc.iter().find(|target| target.name == name);
        described.or_else(|| catalogue.target(name))
    }

    /// The target, the scenario and the load of every run, in the order they take place.
    pub fn cases(&self) -> impl Iterator<Item = (&String, &String, &Load)> {
        self.targets.iter().flat_map(move |target| {
            self.scenarios.iter().flat_map(move |scenario| {
                self.loads.iter().map(move |load| (target, scenario, load))
            })
        })
    }

    /// How many runs that makes.
    #[must_use]
    pub const fn runs(&self) -> usize {
        self.targets.len() * self.scenarios.len() * self.loads.len()
    }
}

/// What went wrong, for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    /// What kind of thing, in a few words.
    pub title: String,
    /// What exactly.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}

/// How a client that asks again is known: by its key, as long as it asks for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// A digest of what it asked for.
    pub digest: String,
}

/// A benchmark that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// What to call it; made up of what it does where nobody says.
    pub name: Option<String>,
    /// What was asked, defaults filled in, in the form of whoever reads it back.
    pub request: Value,
    /// The same, checked.
    pub spec: Spec,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
    /// How the same submission is known again.
    pub idempotency: Option<Idempotency>,
}

/// What is known of a benchmark, but for what its runs came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Benchmark {
    /// Its name for programs.
    pub id: BenchmarkId,
    /// Its name for people.
    pub name: String,
    /// What was asked, as it was submitted.
    pub request: Value,
    /// The targets it is about.
    pub targets: Vec<String>,
    /// The scenarios it is about.
    pub scenarios: Vec<String>,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
    /// Where it stands.
    pub status: Status,
    /// When it was submitted, in nanoseconds since 1970.
    pub created_unix_nanos: u64,
    /// When its turn came.
    pub started_unix_nanos: Option<u64>,
    /// When it ended.
    pub finished_unix_nanos: Option<u64>,
    /// How far it is, or was when it ended.
    pub progress: Progress,
    /// Why it failed.
    pub problem: Option<Problem>,
    /// How its submission is known again.
    pub idempotency: Option<Idempotency>,
}

impl Benchmark {
    /// A benchmark that waits for its turn.
    #[must_use]
    pub fn queued(id: BenchmarkId, created_unix_nanos: u64, submission: &Submission) -> Self {
        let spec = &submission.spec;
        Self {
            id,
            name: submission.name.clone().unwrap_or_else(|| {
                let loads: Vec<String> = spec.loads.iter().map(ToString::to_string).collect();
                name_of(&spec.targets, &spec.scenarios, &loads)
            }),
            request: submission.request.clone(),
            targets: spec.targets.clone(),
            scenarios: spec.scenarios.clone(),
            labels: submission.labels.clone(),
            status: Status::Queued,
            created_unix_nanos,
            started_unix_nanos: None,
            finished_unix_nanos: None,
            progress: Progress::none(spec.runs()),
            problem: None,
            idempotency: submission.idempotency.clone(),
        }
    }
}

/// What a benchmark without a name is called: `gpt-4o, haiku: short_queries (concurrency=8)`.
#[must_use]
pub fn name_of(targets: &[String], scenarios: &[String], loads: &[String]) -> String {
    let [targets, scenarios, loads] = [targets, scenarios, loads].map(|words| match words {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        words => words.join(", "),
    });
    format!("{targets}: {scenarios} ({loads})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = BenchmarkId(0x00ab_cdef);
        assert_eq!(id.to_string(), "0000000000abcdef");
        assert_eq!("0000000000abcdef".parse(), Ok(id));
        for text in ["abcdef", "0000000000ABCDEF", "+000000000abcdef", "", "00000000000abcdefg"] {
            assert_eq!(text.parse::<BenchmarkId>(), Err(IdError), "{text}");
        }
    }
}
