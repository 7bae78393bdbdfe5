//! What benchmarks may name: targets and scenarios. Nothing else can be put under load, so that
//! whoever may start a benchmark cannot make this machine call whatever address they like. Who may do
//! that too describes an [`AdHocTarget`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use domain::{BoxFuture, Tokenizer, WireFormat};
use load::workload;

use crate::benchmark::Problem;
use crate::prompts::Prompts;
use crate::subject::Subject;

/// Makes a target ready: a client with connections of its own, or a model loaded into memory.
pub type Opener = Arc<dyn Fn() -> BoxFuture<'static, Result<Subject, Problem>> + Send + Sync>;

/// A model that benchmarks may ask.
#[derive(Clone)]
pub struct Target {
    /// What benchmarks call it.
    pub name: String,
    /// Who serves it, such as `openai`.
    pub provider: String,
    /// What requests call the model.
    pub model: String,
    /// The host it is reached at; `None` where it runs in this process.
    pub url_host: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
    /// Makes it ready.
    pub open: Opener,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("name", &self.name)
            .field("provider", &self.provider)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// By what is told of them: what makes a target ready cannot be compared.
impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, provider, model, url_host, region, labels, open: _ } = self;
        (name, provider, model) == (&other.name, &other.provider, &other.model)
            && (url_host, region, labels) == (&other.url_host, &other.region, &other.labels)
    }
}

/// A server that a benchmark describes, where it could have named a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdHocTarget {
    /// What the benchmark calls it.
    pub name: String,
    /// Where its endpoints are.
    pub url: String,
    /// What requests call the model.
    pub model: String,
    /// Who serves it; told by the host where nobody says.
    pub provider: Option<String>,
    /// How it is spoken to; told by the URL where nobody says.
    pub format: Option<WireFormat>,
    /// Where it is.
    pub region: Option<String>,
    /// The variable of the environment that holds its key.
    pub key_env: Option<String>,
}

/// What is wrong with the description of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdHocError {
    /// The URL.
    #[error("{0}")]
    Url(String),
    /// The variable of its key.
    #[error("{0}")]
    KeyEnv(String),
}

/// Makes targets of descriptions.
pub type AdHocMaker = Arc<dyn Fn(AdHocTarget) -> Result<Target, AdHocError> + Send + Sync>;

/// A source of prompts that benchmarks may name.
#[derive(Clone)]
pub struct Scenario {
    /// What benchmarks call it.
    pub name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// How many different prompts it has, where that is known.
    pub count: Option<u64>,
    /// The prompts.
    pub prompts: Arc<Prompts>,
    /// Measures their lengths; the target's own tokenizer stands where there is none.
    pub tokenizer: Option<Arc<dyn Tokenizer>>,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Every target and every scenario, in the order they are listed.
#[derive(Clone)]
pub struct Catalogue {
    /// Targets with different names.
    pub targets: Vec<Target>,
    /// Scenarios with different names.
    pub scenarios: Vec<Scenario>,
    /// Makes targets of what benchmarks describe.
    pub ad_hoc: AdHocMaker,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue")
            .field("targets", &self.targets)
            .field("scenarios", &self.scenarios)
            .finish_non_exhaustive()
    }
}

impl Catalogue {
    /// The target called `name`.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// The scenario called `name`. Where one of the named scenarios is listed, it may be asked for
    /// with a length too, such as `long_documents:3000`.
    #[must_use]
    pub fn scenario(&self, name: &str) -> Option<Scenario> {
        if let Some(listed) = self.scenarios.iter().find(|scenario| scenario.name == name) {
            return Some(listed.clone());
        }
        let sized: workload::Scenario = name.parse().ok()?;
        let listed = self.scenarios.iter().find(|scenario| scenario.name == sized.name())?;
        let prompts = Arc::new(Prompts::Scenario(sized));
        Some(Scenario { name: name.to_owned(), prompts, ..listed.clone() })
    }
}
