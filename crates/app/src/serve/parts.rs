//! The threads of a server: one that keeps what is collected, one that puts models under load, one
//! that keeps the store in shape.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use archive::{Archive, Host, RecordKeeper};
use collect::{Collector, Settings, Status, Unkept};
use control::{Catalogue, Workshop};
use domain::Clock;
use pace::Time;
use store::durable::{DurableError, Retention};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, UserError};
use crate::settings_file::ContentSettings;
use crate::{Outcome, output, process};

/// Records that may wait to be kept: what 10,000 users make in some hundreds of milliseconds.
const INTAKE_RECORDS: usize = 65_536;
/// How often the store is looked after.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often rollups too fine for their age are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(300);
/// How often it is looked whether records are kept.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What becomes of records that cannot be kept, and what to do about it.
const NOT_KEEPING: &str = "make room on the store's device; until then records wait in memory, and \
    a benchmark that waits for more than 30 s with them fails";

/// Keeps what is collected.
pub(crate) struct Collecting {
    pub(crate) collector: Arc<Collector>,
    worker: JoinHandle<Result<RecordKeeper, Unkept<DurableError>>>,
}

impl Collecting {
    pub(crate) fn start(archive: &Archive, clock: &Arc<dyn Clock>) -> Result<Self, UserError> {
        let settings = Settings { intake_records: INTAKE_RECORDS, ..Settings::default() };
        let keeper = archive.record_keeper();
        let (collector, worker) = Collector::new(&settings, Arc::clone(clock), keeper);
        let worker = thread("collect", move || worker.run())?;
        Ok(Self { collector, worker })
    }

    /// Keeps what is left, and ends.
    pub(crate) fn finish(self) -> Outcome {
        self.collector.close();
        match self.worker.join() {
            Ok(Ok(_)) => Ok(Exit::Success),
            Ok(Err(unkept)) => Err(UserError::new(Exit::File, unkept.to_string())
                .hint("make room on the store's device; what was acknowledged is safe")),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// What benchmarks are worked off with.
pub(super) struct Work {
    /// Where they and their records go.
    pub(super) host: Host,
    pub(super) catalogue: Arc<Catalogue>,
    /// Where this server stands.
    pub(super) region: Arc<str>,
    /// Whether prompts and answers are kept, and for how long.
    pub(super) content: ContentSettings,
    pub(super) stop: CancellationToken,
}

/// Puts models under load.
pub(super) struct Working(JoinHandle<()>);

impl Working {
    /// Its runtime is its own: the load must wait for nothing else.
    pub(super) fn start(work: Work) -> Result<Self, UserError> {
        let runtime = runtime()?;
        thread("benchmarks", move || runtime.block_on(work.run())).map(Self)
    }

    /// Waits until it has ended.
    pub(super) fn join(self) {
        join(self.0);
    }
}

impl Work {
    async fn run(self) {
        let Self { host, catalogue, region, content, stop } = self;
        let benchmarks = Arc::clone(&host.benchmarks);
        let records = move |id: control::BenchmarkId, spec: &control::Spec| {
            let recording = host.recording(&id.to_string(), content.kept(spec.store_content));
            Ok(Box::new(recording) as Box<dyn control::Records>)
        };
        let workshop = Workshop {
            catalogue,
            region,
            time: Time::Machine,
            records: Some(Box::new(records)),
            spent: process::spent,
        };
        benchmarks.work(&workshop, &stop).await;
    }
}

/// Keeps the store in shape, and tells when records cannot be kept.
pub(super) struct Upkeep(JoinHandle<()>);

impl Upkeep {
    pub(super) fn start(
        archive: &Archive,
        collector: Arc<Collector>,
        retention: Retention,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<Self, UserError> {
        let archive = archive.clone();
        let upkeep = move || {
            let (mut told, mut is_keeping) = (None, true);
            let (mut due, mut forgotten) = (clock.now(), clock.now());
            while !stop.is_cancelled() {
                if clock.now() >= due {
                    let mut done = archive.store().maintain(retention);
                    if done.is_ok() && clock.now().since(forgotten) >= FORGET_EVERY {
                        forgotten = clock.now();
                        done = archive.forget_fine_rollups().and(done);
                    }
                    told = look_after(done, told.as_ref());
                    due = clock.now() + UPKEEP_EVERY;
                }
                is_keeping = tell_of_keeping(&collector.status(), is_keeping);
                std::thread::park_timeout(LOOK_EVERY);
            }
        };
        thread("upkeep", upkeep).map(Self)
    }

    /// Waits until it has ended.
    pub(super) fn join(self) {
        self.0.thread().unpark();
        join(self.0);
    }
}

/// Says whether records are kept, and tells where that is not as it `was`.
fn tell_of_keeping(status: &Status, was: bool) -> bool {
    match &status.keeper_error {
        Some(error) if was => output::talk(&format!(
            "warning: {error}\n  help: {NOT_KEEPING}; {} wait",
            status.waiting
        )),
        None if !was => output::talk(&"records are kept again; none was lost"),
        _ => {}
    }
    status.keeper_error.is_none()
}

/// Tells of what is wrong, once for as long as it stays so.
fn look_after(
    done: Result<store::durable::Maintained, DurableError>,
    told: Option<&String>,
) -> Option<String> {
    let wrong = match done {
        Ok(done) if done.unreadable.is_empty() => return None,
        Ok(done) => {
            let files: Vec<_> =
                done.unreadable.iter().map(|path| path.display().to_string()).collect();
            format!("warning: these files of the store cannot be read: {}", files.join(", "))
        }
        Err(error) => {
            format!("warning: the store cannot be looked after: {error}\n  help: {}", error.hint())
        }
    };
    if told != Some(&wrong) {
        output::talk(&wrong);
    }
    Some(wrong)
}

/// A runtime for the thread that asks for it.
pub(super) fn runtime() -> Result<Runtime, UserError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| unstarted("runtime", &error))
}

pub(super) fn thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, UserError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| unstarted("thread", &error))
}

pub(super) fn unstarted(what: &str, error: &io::Error) -> UserError {
    UserError::new(Exit::Other, format!("cannot start a {what}: {error}"))
}

pub(super) fn join(thread: JoinHandle<()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
