//! Keeps a bench in the store: through the server that has it open, or by opening it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use archive::{Archive, Host, Logbook};
use control::benchmark::name_of;
use control::{
    Benchmarks, Current, Ending, Introduction, Keeper, Problem, Records, RecordsError, Tracker,
};
use domain::Clock;
use load::{Live, Plan};
use serde_json::Value;
use store::durable::{DurableError, StoreSettings};

use super::settings::OutputSettings;
use crate::failure::{Exit, UserError};
use crate::output;
use crate::serve::parts::Collecting;
use crate::stored;

/// What a bench is about, for whoever looks at it in the store.
pub(super) struct About {
    pub(super) target: String,
    pub(super) models: Vec<String>,
    pub(super) scenarios: Vec<String>,
    pub(super) loads: Vec<String>,
    pub(super) config: Value,
    /// How long prompts and answers are to be kept, where they are.
    pub(super) content: Option<Duration>,
}

/// A bench that is kept.
pub(super) struct Kept {
    folder: PathBuf,
    /// Until the bench has ended.
    logbook: Option<Logbook>,
    /// Where no server has the store open.
    own: Option<Own>,
}

/// The store, open in this process.
struct Own {
    archive: Archive,
    collecting: Collecting,
}

/// Opens the store that the settings name. Where they name none and it cannot be opened, the bench is
/// not kept, and the person told why.
pub(super) fn open(
    settings: &OutputSettings,
    about: About,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Kept>, UserError> {
    if settings.no_store {
        return Ok(None);
    }
    let opened = match &settings.store {
        Some(folder) => Ok(folder.clone()),
        None => stored::usual_folder(),
    };
    let opened = opened.and_then(|folder| Kept::open(folder, about, clock));
    match opened {
        Ok(kept) => Ok(Some(kept)),
        Err(error) if settings.store.is_some() => Err(error),
        Err(error) => {
            let message = error.message();
            output::talk(&format!(
                "warning: the store does not keep this bench: {message}\n  help: --store DIR names \
                 another store, --no-store says that none is wanted"
            ));
            Ok(None)
        }
    }
}

impl Kept {
    fn open(folder: PathBuf, about: About, clock: &Arc<dyn Clock>) -> Result<Self, UserError> {
        let runs_total = about.models.len() * about.scenarios.len() * about.loads.len();
        let tracker = Arc::new(Tracker::new(Arc::clone(clock), runs_total));
        let benchmark = Introduction {
            name: name_of(&about.models, &about.scenarios, &about.loads),
            request: about.config,
            targets: vec![about.target],
            scenarios: about.scenarios,
            labels: [("by".to_owned(), "prony bench".to_owned())].into(),
            runs_total,
        };
        let content = about.content;
        match Archive::open(&folder, StoreSettings::default(), Arc::clone(clock)) {
            Ok((archive, _)) => Self::own(folder, archive, (benchmark, tracker, content), clock),
            Err(error @ DurableError::Locked { .. }) => {
                let linked = Logbook::linked(&folder, benchmark, tracker, content)
                    .map_err(|error| unkept(&error))?;
                let logbook = linked.ok_or_else(|| stored::store_error(&error))?;
                Ok(Self { folder, logbook: Some(logbook), own: None })
            }
            Err(error) => Err(stored::store_error(&error)),
        }
    }

    fn own(
        folder: PathBuf,
        archive: Archive,
        (benchmark, tracker, content): (Introduction, Arc<Tracker>, Option<Duration>),
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, UserError> {
        let collecting = Collecting::start(&archive, clock)?;
        let keeper: Arc<dyn Keeper> = Arc::new(archive.benchmark_keeper());
        let host = Host {
            benchmarks: Arc::new(Benchmarks::of_guests(keeper, Arc::clone(clock))),
            collector: Arc::clone(&collecting.collector),
            clock: Arc::clone(clock),
            store: Arc::clone(archive.store()),
            teller: Arc::new(|told| output::talk(&told)),
        };
        let logbook =
            Logbook::own(host, benchmark, tracker, content).map_err(|error| unkept(&error))?;
        Ok(Self { folder, logbook: Some(logbook), own: Some(Own { archive, collecting }) })
    }

    fn logbook(&self) -> &Logbook {
        self.logbook.as_ref().expect("the bench has not ended")
    }

    /// The bench's id in the store.
    pub(super) fn id(&self) -> &str {
        self.logbook().id()
    }

    /// Where the store lies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Takes the records.
    pub(super) fn records(&self) -> Box<dyn Records> {
        self.logbook().records()
    }

    /// Notes that a run begins.
    pub(super) fn begin(&self, current: Current, plan: &Plan, live: Arc<Live>) {
        self.logbook().tracker().begin(current, plan, live);
    }

    /// Notes that the run under way has ended, and keeps what it came to.
    pub(super) fn end(&self, run: &Value) -> Result<(), UserError> {
        self.logbook().tracker().end();
        self.logbook().add_run(run).map_err(|error| unkept(&error))
    }

    /// Notes how the bench ended, and closes the store. The records have been dropped before.
    pub(super) fn finish(mut self, ending: Ending) -> Result<(), UserError> {
        let logbook = self.logbook.take().expect("the bench ends once");
        let left = logbook.finish(ending).map_err(|error| unkept(&error));
        let closed = self.own.take().map_or(Ok(()), Own::close);
        left.and(closed)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Given up, it is interrupted; what was taken in is kept all the same.
        drop(self.logbook.take());
        if let Some(Err(error)) = self.own.take().map(Own::close) {
            output::talk(&error);
        }
    }
}

impl Own {
    fn close(self) -> Result<(), UserError> {
        self.collecting.finish()?;
        // What earlier processes left in the log is put in order by whoever comes next.
        let done = self.archive.store().maintain(store::durable::Retention::default());
        done.map(drop).map_err(|error| stored::store_error(&error))
    }
}

/// How a bench ended.
pub(super) fn ending(exit: Exit, error: Option<&UserError>) -> Ending {
    match (exit, error) {
        (_, Some(error)) => Ending::Failed(Problem {
            title: "A run could not take place".to_owned(),
            detail: error.message().to_owned(),
            hint: "look at what `prony bench` told".to_owned(),
        }),
        (Exit::Interrupted, None) => Ending::Cancelled,
        (_, None) => Ending::Completed,
    }
}

fn unkept(error: &RecordsError) -> UserError {
    UserError::new(Exit::File, error.problem.clone()).hint(error.hint.clone())
}
