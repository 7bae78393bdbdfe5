//! A benchmark that somebody else carries out, such as `prony bench`: it stands in the register
//! beside those of the queue, and is seen and kept like them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::benchmark::BenchmarkId;
use crate::benchmarks::{Benchmarks, Ending};
use crate::keeper::KeeperError;
use crate::progress::Progress;

/// What is known beforehand of such a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Introduction {
    /// What to call it.
    pub name: String,
    /// What was asked, in the form of whoever carries it out.
    pub request: Value,
    /// The targets it is about.
    pub targets: Vec<String>,
    /// The scenarios it is about.
    pub scenarios: Vec<String>,
    /// Labels to find it by.
    pub labels: BTreeMap<String, String>,
    /// How many runs there are to be.
    pub runs_total: usize,
}

/// How far a guest is, as it last said.
pub(crate) type Said = Arc<Mutex<Progress>>;

/// The benchmark's place in the register. Dropped before its end was told, it is interrupted.
pub struct Guest {
    benchmarks: Arc<Benchmarks>,
    id: BenchmarkId,
    said: Said,
    is_over: bool,
}

impl Guest {
    pub(crate) const fn new(benchmarks: Arc<Benchmarks>, id: BenchmarkId, said: Said) -> Self {
        Self { benchmarks, id, said, is_over: false }
    }

    /// The benchmark's id.
    #[must_use]
    pub const fn id(&self) -> BenchmarkId {
        self.id
    }

    /// Notes how far it is.
    pub fn note(&self, progress: Progress) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// Keeps what one more run came to.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn add_run(&self, run: &Value) -> Result<(), KeeperError> {
        self.benchmarks.add_run(self.id, run)
    }

    /// Notes how it ended.
    pub fn finish(mut self, ending: Ending) {
        self.is_over = true;
        self.benchmarks.finish(self.id, ending);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if !self.is_over {
            self.benchmarks.finish(self.id, Ending::Interrupted);
        }
    }
}
