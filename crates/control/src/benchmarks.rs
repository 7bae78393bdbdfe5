//! The register of benchmarks and the queue of those that wait.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Clock;
use load::Control;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use crate::benchmark::{Benchmark, BenchmarkId, Problem, Spec, Submission};
use crate::catalogue::Catalogue;
use crate::guest::{Guest, Introduction, Said};
use crate::keeper::{Keeper, KeeperError};
use crate::progress::{Progress, Tracker};
use crate::recovery::{Recovered, Unfinished};
use crate::status::{Event, Status};

/// Why a benchmark was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// As many wait as may.
    #[error("{waiting} benchmarks wait already, and no more may")]
    QueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// The idempotency key came before, with something else.
    #[error("the idempotency key was used before, for another benchmark")]
    KeyReused {
        /// The benchmark it was used for.
        by: BenchmarkId,
    },
    /// It cannot be kept.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Why a benchmark was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// There is none of that id.
    #[error("there is no benchmark {0}")]
    Unknown(BenchmarkId),
    /// It has ended.
    #[error("the benchmark has ended: it is {}", .0.as_str())]
    Ended(Status),
    /// Another process carries it out.
    #[error("the benchmark is carried out by `prony bench`, in a process of its own")]
    Guest,
    /// That it was cancelled cannot be kept.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// Why a benchmark was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none of that id.
    #[error("there is no benchmark {0}")]
    Unknown(BenchmarkId),
    /// It has not ended.
    #[error("the benchmark is {}", .0.as_str())]
    Active(Status),
    /// It cannot be removed.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
}

/// A benchmark that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// It was taken in.
    New(Benchmark),
    /// It was there already, by its idempotency key.
    Known(Benchmark),
}

/// Which benchmarks to list; each that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those that stand so.
    pub status: Option<Status>,
    /// Those about this target.
    pub target: Option<String>,
    /// Those about this scenario.
    pub scenario: Option<String>,
}

impl Filter {
    fn passes(&self, benchmark: &Benchmark) -> bool {
        self.status.is_none_or(|status| benchmark.status == status)
            && self.target.as_ref().is_none_or(|target| benchmark.targets.contains(target))
            && self.scenario.as_ref().is_none_or(|name| benchmark.scenarios.contains(name))
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Benchmarks, the newest first.
    pub items: Vec<Benchmark>,
    /// Where the next part begins, if there is one: behind this benchmark.
    pub next: Option<BenchmarkId>,
}

/// Every benchmark: those that wait, the one that runs, and those that have ended.
pub struct Benchmarks {
    keeper: Arc<dyn Keeper>,
    clock: Arc<dyn Clock>,
    queue_max: usize,
    register: Mutex<Register>,
    /// Told when there is something to do for whoever works the queue off.
    submitted: Notify,
}

#[derive(Default)]
struct Register {
    entries: BTreeMap<BenchmarkId, Entry>,
    queue: VecDeque<BenchmarkId>,
    /// Benchmarks by their idempotency keys.
    keys: HashMap<String, BenchmarkId>,
    /// What the process before this one was at when it died.
    unfinished: Vec<Unfinished>,
}

impl Register {
    /// The id of a benchmark that comes now: the present moment, but for a wall clock that was set
    /// back.
    fn next_id(&self, now_unix_nanos: u64) -> BenchmarkId {
        let last = self.entries.last_key_value().map_or(0, |(id, _)| id.0);
        BenchmarkId(now_unix_nanos.max(last.saturating_add(1)))
    }
}

struct Entry {
    benchmark: Benchmark,
    stage: Stage,
}

/// What there is of a benchmark beside what is kept.
enum Stage {
    Waiting(Box<Spec>),
    Running {
        tracker: Arc<Tracker>,
        control: Control,
        is_cancelled: bool,
    },
    /// Somebody else carries it out.
    Elsewhere(Said),
    Ended,
}

impl Stage {
    /// How far it is, while it is being carried out.
    fn progress(&self) -> Option<Progress> {
        match self {
            Self::Running { tracker, .. } => Some(tracker.progress()),
            Self::Elsewhere(said) => {
                Some(said.lock().unwrap_or_else(PoisonError::into_inner).clone())
            }
            Self::Waiting(_) | Self::Ended => None,
        }
    }
}

impl Entry {
    /// What is known at this moment.
    fn now(&self) -> Benchmark {
        let mut benchmark = self.benchmark.clone();
        if let Some(progress) = self.stage.progress() {
            benchmark.progress = progress;
        }
        benchmark
    }
}

/// A benchmark whose turn has come.
pub(crate) struct Turn {
    pub(crate) id: BenchmarkId,
    pub(crate) spec: Spec,
    pub(crate) control: Control,
    pub(crate) tracker: Arc<Tracker>,
}

/// How a benchmark ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Every run took place.
    Completed,
    /// Not every run took place, or one brought no answer at all.
    Failed(Problem),
    /// Somebody asked for its end.
    Cancelled,
    /// The process ended first.
    Interrupted,
}

impl Benchmarks {
    /// A register for guests alone: what `keeper` has is left to whoever works the queue off.
    #[must_use]
    pub fn of_guests(keeper: Arc<dyn Keeper>, clock: Arc<dyn Clock>) -> Self {
        let (register, submitted) = (Mutex::default(), Notify::new());
        Self { keeper, clock, queue_max: 0, register, submitted }
    }

    /// Takes over what `keeper` has. A benchmark that was running when the process ended is
    /// interrupted from now on; one that waited waits again, if `read` can still make a spec of its
    /// request. At most `queue_max` wait at a time.
    ///
    /// # Errors
    /// Where the keeper cannot be read or written.
    pub fn restore(
        keeper: Arc<dyn Keeper>,
        clock: Arc<dyn Clock>,
        queue_max: usize,
        read: &dyn Fn(&Value) -> Result<Spec, Problem>,
    ) -> Result<Self, KeeperError> {
        let mut register = Register::default();
        let mut kept = keeper.load()?;
        kept.sort_by_key(|benchmark| benchmark.id);
        for mut benchmark in kept {
            let id = benchmark.id;
            let mut stage = Stage::Ended;
            match benchmark.status {
                Status::Running => {
                    advance(&mut benchmark, Event::Interrupt, clock.unix_nanos());
                    keeper.save(&benchmark)?;
                    // What cannot be read any more has its requests on record all the same.
                    let spec = read(&benchmark.request).ok();
                    register.unfinished.extend(spec.map(|spec| Unfinished { id, spec }));
                }
                Status::Queued => match read(&benchmark.request) {
                    Ok(spec) => {
                        stage = Stage::Waiting(Box::new(spec));
                        register.queue.push_back(id);
                    }
                    Err(problem) => {
                        advance(&mut benchmark, Event::Fail, clock.unix_nanos());
                        benchmark.problem = Some(problem);
                        keeper.save(&benchmark)?;
                    }
                },
                Status::Completed | Status::Failed | Status::Cancelled | Status::Interrupted => {}
            }
            if let Some(idempotency) = &benchmark.idempotency {
                register.keys.insert(idempotency.key.clone(), id);
            }
            register.entries.insert(id, Entry { benchmark, stage });
        }
        let (register, submitted) = (Mutex::new(register), Notify::new());
        Ok(Self { keeper, clock, queue_max, register, submitted })
    }

    /// Queues a benchmark, or finds the one that the same client asked for before.
    ///
    /// # Errors
    /// Where the queue is full, the client's key stands for another benchmark, or this one cannot be
    /// kept.
    pub fn submit(&self, submission: Submission) -> Result<Submitted, SubmitError> {
        let mut register = self.lock();
        if let Some(idempotency) = &submission.idempotency
            && let Some(&id) = register.keys.get(&idempotency.key)
        {
            let entry = &register.entries[&id];
            return if entry.benchmark.idempotency.as_ref() == Some(idempotency) {
                Ok(Submitted::Known(entry.now()))
            } else {
                Err(SubmitError::KeyReused { by: id })
            };
        }
        let waiting = register.queue.len();
        if waiting >= self.queue_max {
            return Err(SubmitError::QueueFull { waiting });
        }
        let now = self.clock.unix_nanos();
        let id = register.next_id(now);
        let benchmark = Benchmark::queued(id, now, &submission);
        self.keeper.save(&benchmark)?;
        if let Some(idempotency) = submission.idempotency {
            register.keys.insert(idempotency.key, id);
        }
        let stage = Stage::Waiting(Box::new(submission.spec));
        register.entries.insert(id, Entry { benchmark: benchmark.clone(), stage });
        register.queue.push_back(id);
        drop(register);
        self.submitted.notify_one();
        Ok(Submitted::New(benchmark))
    }

    /// Takes in a benchmark that somebody else carries out, and has begun to.
    ///
    /// # Errors
    /// Where it cannot be kept.
    pub fn enter(self: &Arc<Self>, guest: Introduction) -> Result<Guest, KeeperError> {
        let mut register = self.lock();
        let now = self.clock.unix_nanos();
        let id = register.next_id(now);
        let progress = Progress::none(guest.runs_total);
        let said = Said::new(Mutex::new(progress.clone()));
        let benchmark = Benchmark {
            id,
            name: guest.name,
            request: guest.request,
            targets: guest.targets,
            scenarios: guest.scenarios,
            labels: guest.labels,
            status: Status::Running,
            created_unix_nanos: now,
            started_unix_nanos: Some(now),
            finished_unix_nanos: None,
            progress,
            problem: None,
            idempotency: None,
        };
        self.keeper.save(&benchmark)?;
        let stage = Stage::Elsewhere(Arc::clone(&said));
        register.entries.insert(id, Entry { benchmark, stage });
        Ok(Guest::new(Arc::clone(self), id, said))
    }

    /// What is known of a benchmark at this moment.
    #[must_use]
    pub fn get(&self, id: BenchmarkId) -> Option<Benchmark> {
        self.lock().entries.get(&id).map(Entry::now)
    }

    /// At most `limit` benchmarks that pass `filter`, the newest first: of all, or of those older
    /// than `before`.
    #[must_use]
    pub fn list(&self, filter: &Filter, before: Option<BenchmarkId>, limit: usize) -> Page {
        let register = self.lock();
        let end = before.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let older = register.entries.range((std::ops::Bound::Unbounded, end)).rev();
        let mut passing = older.filter(|(_, entry)| filter.passes(&entry.benchmark));
        let items: Vec<Benchmark> =
            passing.by_ref().take(limit).map(|(_, entry)| entry.now()).collect();
        let next = passing.next().and(items.last()).map(|last| last.id);
        Page { items, next }
    }

    /// The benchmarks being carried out, and how far they are.
    #[must_use]
    pub fn running(&self) -> Vec<(BenchmarkId, Progress)> {
        let register = self.lock();
        let running =
            register.entries.iter().filter_map(|(id, entry)| Some((*id, entry.stage.progress()?)));
        running.collect()
    }

    /// What the runs of a benchmark came to so far, each as it is told to programs; `None` where
    /// there is no such benchmark.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn runs(&self, id: BenchmarkId) -> Result<Option<Vec<Value>>, KeeperError> {
        if !self.lock().entries.contains_key(&id) {
            return Ok(None);
        }
        self.keeper.runs(id).map(Some)
    }

    /// Ends a benchmark: at once where it waits; where it runs, what is in flight is awaited for a
    /// while, and what was measured stands.
    ///
    /// # Errors
    /// Where there is no such benchmark, or it has ended.
    pub fn cancel(&self, id: BenchmarkId) -> Result<Benchmark, CancelError> {
        let mut register = self.lock();
        let Some(entry) = register.entries.get_mut(&id) else {
            return Err(CancelError::Unknown(id));
        };
        match &mut entry.stage {
            Stage::Ended => return Err(CancelError::Ended(entry.benchmark.status)),
            Stage::Elsewhere(_) => return Err(CancelError::Guest),
            Stage::Running { control, is_cancelled, .. } => {
                *is_cancelled = true;
                control.stop.cancel();
            }
            Stage::Waiting(_) => {
                let mut cancelled = entry.benchmark.clone();
                advance(&mut cancelled, Event::Cancel, self.clock.unix_nanos());
                self.keeper.save(&cancelled)?;
                *entry = Entry { benchmark: cancelled, stage: Stage::Ended };
                let benchmark = entry.now();
                register.queue.retain(|waiting| *waiting != id);
                return Ok(benchmark);
            }
        }
        Ok(entry.now())
    }

    /// Forgets a benchmark that has ended, and what its runs came to.
    ///
    /// # Errors
    /// Where there is no such benchmark, or it has not ended.
    pub fn delete(&self, id: BenchmarkId) -> Result<(), DeleteError> {
        let mut register = self.lock();
        let entry = register.entries.get(&id).ok_or(DeleteError::Unknown(id))?;
        if !entry.benchmark.status.is_final() {
            return Err(DeleteError::Active(entry.benchmark.status));
        }
        self.keeper.remove(id)?;
        register.entries.remove(&id);
        register.keys.retain(|_, by| *by != id);
        Ok(())
    }

    /// Makes results of what benchmarks had on record when the process before this one died.
    pub(crate) fn recover(&self, catalogue: &Catalogue) {
        let unfinished = std::mem::take(&mut self.lock().unfinished);
        for benchmark in unfinished {
            let recovered = benchmark.recover(&*self.keeper, catalogue);
            let mut register = self.lock();
            let Some(entry) = register.entries.get_mut(&benchmark.id) else { continue };
            let kept = recovered.and_then(|Recovered { completed, failed }| {
                entry.benchmark.progress.completed += completed;
                entry.benchmark.progress.failed += failed;
                self.keeper.save(&entry.benchmark)
            });
            if let Err(error) = kept {
                entry.benchmark.problem = Some(Problem::from(error));
            }
        }
    }

    /// Waits for a benchmark to be carried out, and begins it.
    pub(crate) async fn next(&self) -> Turn {
        loop {
            if let Some(turn) = self.begin() {
                return turn;
            }
            self.submitted.notified().await;
        }
    }

    fn begin(&self) -> Option<Turn> {
        let mut register = self.lock();
        let id = register.queue.pop_front()?;
        let is_last = register.queue.is_empty();
        let entry = register.entries.get_mut(&id).expect("what is queued is registered");
        let control = Control::default();
        let tracker =
            Arc::new(Tracker::new(Arc::clone(&self.clock), entry.benchmark.progress.runs_total));
        let running = Stage::Running {
            tracker: Arc::clone(&tracker),
            control: control.clone(),
            is_cancelled: false,
        };
        let Stage::Waiting(spec) = std::mem::replace(&mut entry.stage, running) else {
            unreachable!("only what waits is queued");
        };
        advance(&mut entry.benchmark, Event::Start, self.clock.unix_nanos());
        // That it has begun is lost with the process: it waits again then, which is no harm.
        let _ = self.keeper.save(&entry.benchmark);
        drop(register);
        if !is_last {
            // One notice may stand for several submissions.
            self.submitted.notify_one();
        }
        Some(Turn { id, spec: *spec, control, tracker })
    }

    /// Keeps what a run came to.
    pub(crate) fn add_run(&self, id: BenchmarkId, run: &Value) -> Result<(), KeeperError> {
        let mut register = self.lock();
        let entry = register.entries.get_mut(&id).expect("what runs cannot be deleted");
        self.keeper.add_run(id, run)?;
        // So that what survives the process says how far it came.
        if let Some(progress) = entry.stage.progress() {
            entry.benchmark.progress = progress;
        }
        self.keeper.save(&entry.benchmark)
    }

    /// Whether somebody asked for the benchmark's end.
    pub(crate) fn is_cancelled(&self, id: BenchmarkId) -> bool {
        let register = self.lock();
        let stage = register.entries.get(&id).map(|entry| &entry.stage);
        matches!(stage, Some(Stage::Running { is_cancelled: true, .. }))
    }

    /// Notes how a benchmark's turn ended.
    pub(crate) fn finish(&self, id: BenchmarkId, ending: Ending) {
        let mut register = self.lock();
        let entry = register.entries.get_mut(&id).expect("what runs cannot be deleted");
        let mut benchmark = entry.now();
        benchmark.progress.current = None;
        benchmark.progress.remaining = None;
        benchmark.progress.in_flight = 0;
        let event = match ending {
            Ending::Completed => {
                benchmark.progress.share = 1.0;
                Event::Complete
            }
            Ending::Failed(problem) => {
                benchmark.problem = Some(problem);
                Event::Fail
            }
            Ending::Cancelled => Event::Cancel,
            Ending::Interrupted => Event::Interrupt,
        };
        advance(&mut benchmark, event, self.clock.unix_nanos());
        if let Err(error) = self.keeper.save(&benchmark)
            && benchmark.problem.is_none()
        {
            benchmark.problem = Some(Problem::from(error));
        }
        *entry = Entry { benchmark, stage: Stage::Ended };
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<KeeperError> for Problem {
    fn from(error: KeeperError) -> Self {
        Self {
            title: "The benchmark cannot be kept".to_owned(),
            detail: error.problem,
            hint: error.hint,
        }
    }
}

/// Lets `event` happen to `benchmark`, which the caller knows that it can.
fn advance(benchmark: &mut Benchmark, event: Event, now_unix_nanos: u64) {
    benchmark.status = benchmark.status.after(event).expect("the table allows what callers do");
    if benchmark.status == Status::Running {
        benchmark.started_unix_nanos = Some(now_unix_nanos);
    }
    if benchmark.status.is_final() {
        benchmark.finished_unix_nanos = Some(now_unix_nanos);
    }
}
