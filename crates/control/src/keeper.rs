//! Where benchmarks are kept, so that they outlive the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Exchange;
use serde_json::Value;

use crate::benchmark::{Benchmark, BenchmarkId};

/// Why a benchmark could not be kept or found again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct KeeperError {
    /// What went wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// Keeps benchmarks and what their runs came to. What a call has accepted is safe when it returns.
///
/// Calls are short, and made under the register's lock: in the order in which things happened.
pub trait Keeper: Send + Sync {
    /// Every benchmark that is kept.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn load(&self) -> Result<Vec<Benchmark>, KeeperError>;

    /// Keeps `benchmark` in place of what was kept of it.
    ///
    /// # Errors
    /// Where that cannot be written; what was kept stays.
    fn save(&self, benchmark: &Benchmark) -> Result<(), KeeperError>;

    /// Keeps what one more run of the benchmark came to.
    ///
    /// # Errors
    /// Where that cannot be written.
    fn add_run(&self, id: BenchmarkId, run: &Value) -> Result<(), KeeperError>;

    /// What the benchmark's runs came to, in their order; none where it is not kept.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn runs(&self, id: BenchmarkId) -> Result<Vec<Value>, KeeperError>;

    /// Hands over every request of the benchmark's that is on record, each with its run's place
    /// among the benchmark's and its times on the wall clock, in no order that can be relied on.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn records(
        &self,
        id: BenchmarkId,
        take: &mut dyn FnMut(u64, &Exchange),
    ) -> Result<(), KeeperError>;

    /// Forgets a benchmark and its runs.
    ///
    /// # Errors
    /// Where it cannot be removed; it stays whole.
    fn remove(&self, id: BenchmarkId) -> Result<(), KeeperError>;
}

/// Keeps benchmarks as long as the process lives.
#[derive(Debug, Default)]
pub struct MemoryKeeper(Mutex<BTreeMap<BenchmarkId, (Benchmark, Vec<Value>)>>);

impl MemoryKeeper {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<BenchmarkId, (Benchmark, Vec<Value>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for MemoryKeeper {
    fn load(&self) -> Result<Vec<Benchmark>, KeeperError> {
        Ok(self.lock().values().map(|(benchmark, _)| benchmark.clone()).collect())
    }

    fn save(&self, benchmark: &Benchmark) -> Result<(), KeeperError> {
        let mut kept = self.lock();
        let (place, _) =
            kept.entry(benchmark.id).or_insert_with(|| (benchmark.clone(), Vec::new()));
        place.clone_from(benchmark);
        Ok(())
    }

    fn add_run(&self, id: BenchmarkId, run: &Value) -> Result<(), KeeperError> {
        if let Some((_, runs)) = self.lock().get_mut(&id) {
            runs.push(run.clone());
        }
        Ok(())
    }

    fn runs(&self, id: BenchmarkId) -> Result<Vec<Value>, KeeperError> {
        Ok(self.lock().get(&id).map(|(_, runs)| runs.clone()).unwrap_or_default())
    }

    /// It has none: they are no part of what it keeps.
    fn records(
        &self,
        _id: BenchmarkId,
        _take: &mut dyn FnMut(u64, &Exchange),
    ) -> Result<(), KeeperError> {
        Ok(())
    }

    fn remove(&self, id: BenchmarkId) -> Result<(), KeeperError> {
        self.lock().remove(&id);
        Ok(())
    }
}
