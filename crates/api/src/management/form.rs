//! What a benchmark is asked for with: the body of `POST /benchmarks`, read, checked against the
//! catalogue, and given back with its defaults filled in.

mod check;
mod list;
mod model;

use std::collections::BTreeMap;

use control::{Catalogue, Problem, Spec};
use domain::Seed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use list::OneOrMany;
pub use model::{AdHocForm, EndpointForm, ModelForm};

use super::problem::Fault;

/// A benchmark to be made: each target under each scenario and each load, one run after another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkForm {
    /// Targets by name, as `GET /targets` lists them; an admin may describe servers here too.
    #[schema(example = json!(["gpt-4o", "local"]))]
    pub models: Vec<ModelForm>,
    /// How many users ask at a time, each again once answered; several for a sweep. Either this or
    /// `request_rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<list::Shape<u64>>, example = 100)]
    pub concurrent_users: Option<OneOrMany<u64>>,
    /// How many requests a second come, answered or not; several for a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<list::Shape<f64>>)]
    pub request_rate: Option<OneOrMany<f64>>,
    /// How long each run lasts, in minutes. A run ends by its time, by its requests, or by whichever
    /// comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 30)]
    pub duration_minutes: Option<f64>,
    /// How long each run lasts, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// How many requests each run sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_requests: Option<u64>,
    /// Scenarios by name, as `GET /scenarios` lists them; `short_queries` where none is given.
    #[serde(default)]
    #[schema(example = json!(["short_queries", "long_documents", "code_generation"]))]
    pub test_scenarios: Vec<String>,
    /// What to call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Over how many seconds users join, or the rate rises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp_up_seconds: Option<f64>,
    /// The longest answer, in tokens; the scenario's own limit where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Where prompts and schedules are drawn from. A new one each time where none is given, so that
    /// no server's cache knows the prompts from the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How the gaps between arrivals of a request rate are distributed; `poisson` where nothing is
    /// given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrivals: Option<ArrivalsForm>,
    /// The shape of `gamma` arrivals: below 1 they come in bursts, above 1 they are more even.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burstiness: Option<f64>,
    /// Limits that a good request keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slo: Option<SloForm>,
    /// Whether its prompts and answers are kept, for a time; as the configuration says where nothing
    /// is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_content: Option<bool>,
    /// Labels to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// How the gaps between arrivals are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalsForm {
    /// Independent of each other.
    Poisson,
    /// All equal.
    Constant,
    /// Gamma-distributed.
    Gamma,
}

/// Limits that a good request keeps, in milliseconds; each that is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SloForm {
    /// To the first token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// Between tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<f64>,
    /// To the answer's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e2e_ms: Option<f64>,
}

impl BenchmarkForm {
    /// Every key, in the order they are documented.
    pub const KEYS: [&str; 16] = [
        "models",
        "concurrent_users",
        "request_rate",
        "duration_minutes",
        "duration_seconds",
        "num_requests",
        "test_scenarios",
        "name",
        "ramp_up_seconds",
        "max_tokens",
        "seed",
        "arrivals",
        "burstiness",
        "slo",
        "store_content",
        "labels",
    ];

    /// Reads a body.
    ///
    /// # Errors
    /// Every key that is unknown, or the first value that is of the wrong type.
    pub fn read(body: &Value) -> Result<Self, Vec<Fault>> {
        let Some(entries) = body.as_object() else {
            return Err(vec![fault("", "is no JSON object".to_owned())]);
        };
        let unknown: Vec<Fault> = entries
            .keys()
            .filter(|key| !Self::KEYS.contains(&key.as_str()))
            .map(|key| fault(&format!("/{}", escaped(key)), unknown_key(key)))
            .collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        serde_path_to_error::deserialize(body).map_err(|error| {
            let path = pointer(error.path());
            vec![fault(&path, error.into_inner().to_string())]
        })
    }

    /// Whether it describes servers that the configuration does not name.
    #[must_use]
    pub fn has_ad_hoc(&self) -> bool {
        self.models.iter().any(|model| matches!(model, ModelForm::AdHoc(_)))
    }

    /// The same with its defaults filled in; `fresh` is the seed where none is given, and prompts and
    /// answers are kept as `store_content` says where nothing does.
    #[must_use]
    pub fn effective(mut self, fresh: Seed, store_content: bool) -> Self {
        if self.test_scenarios.is_empty() {
            self.test_scenarios.push("short_queries".to_owned());
        }
        for model in &mut self.models {
            if let ModelForm::AdHoc(form) = model {
                form.effective();
            }
        }
        self.seed.get_or_insert(fresh.0);
        self.store_content.get_or_insert(store_content);
        if self.request_rate.is_some() {
            let is_shaped = self.burstiness.is_some();
            self.arrivals.get_or_insert(if is_shaped {
                ArrivalsForm::Gamma
            } else {
                ArrivalsForm::Poisson
            });
        }
        self
    }
}

/// Reads back what a benchmark was asked for with, as it is kept.
///
/// # Errors
/// Where it can no longer be carried out: a target is gone, or another version wrote it.
pub fn read_back(request: &Value, catalogue: &Catalogue) -> Result<Spec, Problem> {
    BenchmarkForm::read(request).and_then(|form| form.check(catalogue)).map_err(|faults| {
        let told: Vec<String> =
            faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
        Problem {
            title: "The benchmark can no longer be carried out".to_owned(),
            detail: told.join("; "),
            hint: "submit it again with what the configuration names now".to_owned(),
        }
    })
}

fn fault(pointer: &str, detail: String) -> Fault {
    Fault { pointer: pointer.to_owned(), detail }
}

fn unknown_key(key: &str) -> String {
    let nearest = BenchmarkForm::KEYS
        .into_iter()
        .min_by_key(|known| strsim::damerau_levenshtein(known, key))
        .expect("there are keys");
    format!("is no key of a benchmark; the nearest is `{nearest}`")
}

/// A key as a part of a JSON pointer.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let parts = path.iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(escaped(key)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    parts.map(|part| format!("/{part}")).collect()
}
