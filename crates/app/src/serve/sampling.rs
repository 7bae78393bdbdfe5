//! Looks at this process, and at the servers beside it, for as long as a benchmark runs.
//!
//! It has a thread of its own: neither is the load held up by it, nor is a sample late because a
//! server takes its time to tell its metrics. That something cannot be seen is told once, and kept
//! beside the run; it is no reason to measure nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use archive::samples::{Source, of_process, of_server};
use archive::{Archive, SampleKeeper};
use collect::resource::Sampler;
use collect::scrape::{Scrape, ScrapeError, Scraper};
use control::Benchmarks;
use domain::{Clock, Timestamp, WallAnchor};
use store::durable::DurableError;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::parts::{join, thread, unstarted};
use crate::failure::UserError;
use crate::output;
use crate::settings_file::Beside;

/// How often to look whether a benchmark runs.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often to sample while one does.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);

/// What is looked at, and for whom.
pub(super) struct Looking {
    pub(super) archive: Archive,
    pub(super) benchmarks: Arc<Benchmarks>,
    pub(super) clock: Arc<dyn Clock>,
    /// Samples this process, where the system tells.
    pub(super) sampler: Option<Arc<Sampler>>,
    /// What is looked at beside each target.
    pub(super) beside: BTreeMap<String, Beside>,
    pub(super) stop: CancellationToken,
}

/// Looking, on a thread of its own.
pub(super) struct Sampling(JoinHandle<()>);

impl Sampling {
    pub(super) fn start(looking: Looking) -> Result<Self, UserError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unstarted("runtime", &error))?;
        let watch = Watch::new(looking);
        thread("samples", move || runtime.block_on(watch.run())).map(Self)
    }

    /// Waits until it has ended.
    pub(super) fn join(self) {
        join(self.0);
    }
}

/// What a server told, of which benchmark's target.
type Told = (String, Source, Result<Scrape, ScrapeError>);

struct Watch {
    looking: Looking,
    scrapers: BTreeMap<String, Vec<Arc<Scraper>>>,
    session: Option<Session>,
    scrapes: JoinSet<Told>,
    /// Servers whose answer is awaited.
    asked: BTreeSet<Source>,
    /// What was said to be out of sight, and still is.
    missed: BTreeSet<Source>,
    is_unkept: bool,
}

/// The benchmark that runs.
struct Session {
    keeper: SampleKeeper,
    target: Option<String>,
    anchor: WallAnchor,
    due: Timestamp,
    /// The process of the target's server.
    process: Option<Sampler>,
}

impl Watch {
    fn new(looking: Looking) -> Self {
        let scrapers = |beside: &Beside| beside.scrapers(&looking.clock).into_iter().map(Arc::new);
        let scrapers = looking
            .beside
            .iter()
            .map(|(target, beside)| (target.clone(), scrapers(beside).collect()))
            .collect();
        Self {
            looking,
            scrapers,
            session: None,
            scrapes: JoinSet::new(),
            asked: BTreeSet::new(),
            missed: BTreeSet::new(),
            is_unkept: false,
        }
    }

    async fn run(mut self) {
        let stop = self.looking.stop.clone();
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = looks.tick() => self.look(),
                Some(told) = self.scrapes.join_next() => {
                    if let Ok((benchmark, source, told)) = told {
                        self.asked.remove(&source);
                        self.note(&benchmark, source, told);
                    }
                }
            }
        }
        self.end();
    }

    /// Samples what runs, if it is time.
    fn look(&mut self) {
        let running = self.looking.benchmarks.running().into_iter().next();
        let Some((id, progress)) = running else { return self.end() };
        let id = id.to_string();
        if self.session.as_ref().is_some_and(|session| session.keeper.benchmark() != id) {
            self.end();
        }
        let now = self.looking.clock.now();
        let session = self.session.get_or_insert_with(|| Session {
            keeper: self.looking.archive.sample_keeper(&id),
            target: None,
            anchor: WallAnchor::take(&*self.looking.clock),
            due: now,
            process: None,
        });
        // Between two runs there is none, and the last one's is still the one to look at.
        let target = progress.current.map(|current| current.target);
        if target.is_some() && target != session.target {
            (session.target, session.process, session.due) = (target, None, now);
        }
        if now >= session.due {
            session.due = now + SAMPLE_EVERY;
            self.sample();
        }
        self.keep();
    }

    /// Samples processes, and asks servers.
    fn sample(&mut self) {
        self.sample_self();
        let Some(session) = &self.session else { return };
        let Some(target) = session.target.clone() else { return };
        let benchmark = session.keeper.benchmark().to_owned();
        for (scraper, place) in self.scrapers.get(&target).into_iter().flatten().zip(0..) {
            let source = Source::Server { target: target.clone(), place };
            if self.asked.insert(source.clone()) {
                let (scraper, benchmark) = (Arc::clone(scraper), benchmark.clone());
                self.scrapes.spawn(async move { (benchmark, source, scraper.scrape().await) });
            }
        }
        let pid_file = self.looking.beside.get(&target).and_then(|beside| beside.pid_file.clone());
        if let Some(pid_file) = pid_file {
            self.sample_process(target, &pid_file);
        }
    }

    fn sample_self(&mut self) {
        let Some(sampler) = &self.looking.sampler else { return };
        let Some(session) = &mut self.session else { return };
        if let Ok(sample) = sampler.sample() {
            session.keeper.see(Source::Prony, of_process(&sample, session.anchor, true));
        }
    }

    fn sample_process(&mut self, target: String, pid_file: &Path) {
        let Some(session) = &mut self.session else { return };
        let sampled = match &session.process {
            Some(process) => process.sample().map_err(|error| error.to_string()),
            None => process(pid_file, &self.looking.clock).and_then(|process| {
                let sample = process.sample().map_err(|error| error.to_string())?;
                session.process = Some(process);
                Ok(sample)
            }),
        };
        let source = Source::Process { target };
        match sampled {
            Ok(sample) => {
                self.missed.remove(&source);
                session.keeper.see(source, of_process(&sample, session.anchor, false));
            }
            Err(problem) => {
                // The server may have been started anew, with another number.
                session.process = None;
                self.miss(source, problem);
            }
        }
    }

    /// Takes in what a server told, if its benchmark still runs.
    fn note(&mut self, benchmark: &str, source: Source, told: Result<Scrape, ScrapeError>) {
        let Some(session) = &mut self.session else { return };
        if session.keeper.benchmark() != benchmark {
            return;
        }
        match told {
            Ok(scrape) if scrape.readings.is_empty() => {
                self.miss(source, "it tells nothing that is known of model servers".to_owned());
            }
            Ok(scrape) => {
                self.missed.remove(&source);
                session.keeper.see(source, of_server(&scrape, session.anchor));
            }
            Err(error) => self.miss(source, error.to_string()),
        }
    }

    /// Notes beside the run that something cannot be seen, and tells it once.
    fn miss(&mut self, source: Source, problem: String) {
        if self.missed.insert(source.clone()) {
            let (what, target) = match &source {
                Source::Prony => ("this process", ""),
                Source::Process { target } => ("the process of target ", &**target),
                Source::Server { target, .. } => ("the metrics of target ", &**target),
            };
            output::talk(&format!("warning: {what}{target} cannot be read: {problem}"));
        }
        let now = self.looking.clock.unix_nanos();
        if let Some(session) = &mut self.session {
            session.keeper.miss(source, now, problem);
        }
    }

    fn keep(&mut self) {
        let Some(session) = &mut self.session else { return };
        let kept = session.keeper.tick(self.looking.clock.unix_nanos());
        self.note_kept(kept.err().as_ref());
    }

    /// The benchmark has ended, or the server does.
    fn end(&mut self) {
        if self.session.is_none() {
            return;
        }
        self.sample_self();
        let kept = self.session.take().map(|session| session.keeper.finish());
        self.note_kept(kept.and_then(Result::err).as_ref());
    }

    fn note_kept(&mut self, error: Option<&DurableError>) {
        if let (Some(error), false) = (error, self.is_unkept) {
            output::talk(&format!(
                "warning: what is seen beside the benchmark is not kept: {error}\n  help: {}",
                error.hint()
            ));
        }
        self.is_unkept = error.is_some();
    }
}

/// The process whose number a file has.
fn process(pid_file: &Path, clock: &Arc<dyn Clock>) -> Result<Sampler, String> {
    #[expect(clippy::disallowed_methods, reason = "app opens the files users name")]
    let text = std::fs::read_to_string(pid_file)
        .map_err(|error| format!("its pid_file cannot be read: {error}"))?;
    let number = text.trim().parse().map_err(|_| "its pid_file has no number".to_owned())?;
    Sampler::new(number, Arc::clone(clock), None).map_err(|error| error.to_string())
}
