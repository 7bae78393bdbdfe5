//! Takes finished requests off the load's threads: to whoever keeps them, and into the run's
//! figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use analysis::{RunAccumulator, RunSpec, WarmUp};
use domain::{Clock, Exchange, FailureKind, Outcome, Series, Timestamp};
use load::{Control, Intake, Live};
use store::{Content, Recorder, RunLabel, StoreError};

use crate::content;
use crate::keeper::KeeperError;

/// How often finished requests are taken off.
const INTERVAL: Duration = Duration::from_millis(20);
/// The recording thread's nice value.
#[cfg(target_os = "linux")]
const PRIORITY: i32 = 10;

/// Why a run's records are not whole.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub struct RecordsError {
    /// What went wrong.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

impl From<KeeperError> for RecordsError {
    fn from(KeeperError { problem, hint }: KeeperError) -> Self {
        Self { problem, hint }
    }
}

impl From<StoreError> for RecordsError {
    fn from(error: StoreError) -> Self {
        Self { problem: error.to_string(), hint: error.hint().to_owned() }
    }
}

/// A run whose records are about to come.
pub struct Opening {
    /// What its records say of it.
    pub label: RunLabel,
    /// What its requests count in. Where its prompts come from several scenarios, each request says
    /// which one.
    pub series: Series,
    /// Its running counts.
    pub live: Arc<Live>,
}

/// Keeps the records of a benchmark's runs.
pub trait Records: Send {
    /// Called before the records of each run.
    ///
    /// # Errors
    /// As for [`Records::write`].
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError>;

    /// Takes in a request that has ended.
    ///
    /// # Errors
    /// Where it cannot be kept. The run is stopped: measuring on would promise a record that is not
    /// there.
    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError>;

    /// Whether what requests ask and are answered is wanted too.
    fn wants_content(&self) -> bool {
        false
    }

    /// Takes in what a request asked and was answered, where that is wanted. It waits for nothing:
    /// what cannot be kept is counted and told by whoever keeps it.
    fn content(&mut self, _content: Content) {}

    /// Called behind a run's last content, where it is wanted, with the number of requests that it
    /// could not be caught of.
    fn content_missed(&mut self, _requests: u64) {}

    /// Called about every 20 ms, whether or not requests end.
    ///
    /// # Errors
    /// As for [`Records::write`].
    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError>;

    /// Called after the last record of each run, and returns once all of them are kept.
    ///
    /// # Errors
    /// Where they cannot be.
    fn end(&mut self) -> Result<(), RecordsError>;
}

impl Records for Recorder {
    fn begin(&mut self, _run: &Opening) -> Result<(), RecordsError> {
        Ok(())
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        Ok(Self::write(self, exchange, label)?)
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        Ok(Self::tick(self, now)?)
    }

    /// Its files are whole once they are closed, behind the last run.
    fn end(&mut self) -> Result<(), RecordsError> {
        Ok(())
    }
}

impl Records for Box<dyn Records> {
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError> {
        (**self).begin(run)
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        (**self).write(exchange, label)
    }

    fn wants_content(&self) -> bool {
        (**self).wants_content()
    }

    fn content(&mut self, content: Content) {
        (**self).content(content);
    }

    fn content_missed(&mut self, requests: u64) {
        (**self).content_missed(requests);
    }

    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        (**self).tick(now)
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        (**self).end()
    }
}

/// What the recording thread is given.
pub(crate) struct Desk<R> {
    pub(crate) intake: Arc<Intake>,
    pub(crate) opening: Opening,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) control: Control,
    /// What is known of the run but its window's start.
    pub(crate) spec: RunSpec,
    /// How long the window lasts, where that is known.
    pub(crate) duration: Option<Duration>,
    pub(crate) records: Option<R>,
}

/// A run's records, once all are in.
pub(crate) struct Recorded<R> {
    pub(crate) figures: RunAccumulator,
    pub(crate) records: Option<R>,
    /// Failures by kind, the commonest first.
    pub(crate) failures: Vec<(FailureKind, u64)>,
    /// Why the records are not whole.
    pub(crate) error: Option<RecordsError>,
}

/// A thread that records one run. Dropping it ends the thread once what was handed in is recorded.
pub(crate) struct Recording<R> {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<Recorded<R>>>,
}

impl<R: Records + 'static> Recording<R> {
    /// Starts recording.
    pub(crate) fn start(desk: Desk<R>) -> std::io::Result<Self> {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("recording".to_owned()).spawn(move || {
            yield_to_load();
            Writer::new(desk).run(&seen)
        })?;
        Ok(Self { done, thread: Some(thread) })
    }

    /// Waits until everything handed in is recorded.
    pub(crate) fn finish(mut self) -> Recorded<R> {
        match self.end().expect("it ends once: here, or where it is dropped") {
            Ok(recorded) => recorded,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl<R> Recording<R> {
    fn end(&mut self) -> Option<std::thread::Result<Recorded<R>>> {
        let thread = self.thread.take()?;
        self.done.store(true, Ordering::Release);
        thread.thread().unpark();
        Some(thread.join())
    }
}

impl<R> Drop for Recording<R> {
    fn drop(&mut self) {
        // Dropped without an end, the run panicked or was given up: nobody waits for its figures.
        drop(self.end());
    }
}

/// Lets the load's threads go first where they share a core with this one: what is late here waits
/// in memory, what is late there is a late request.
fn yield_to_load() {
    // Linux gives each thread its own priority; elsewhere this would slow the whole process down.
    // Where it is refused, records are written at the load's own priority.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, PRIORITY);
}

struct Writer<R> {
    desk: Desk<R>,
    figures: Option<RunAccumulator>,
    /// Warm-up requests that ended before the window began.
    warmup: WarmUp,
    failures: Vec<(FailureKind, u64)>,
    error: Option<RecordsError>,
}

impl<R: Records> Writer<R> {
    fn new(desk: Desk<R>) -> Self {
        Self { desk, figures: None, warmup: WarmUp::default(), failures: Vec::new(), error: None }
    }

    fn run(mut self, done: &AtomicBool) -> Recorded<R> {
        let Desk { records, opening, .. } = &mut self.desk;
        let begun = records.as_mut().map_or(Ok(()), |records| records.begin(opening));
        self.note(begun);
        let mut spare = Vec::new();
        loop {
            // Read before taking, so that what was handed in before the end is taken after it.
            let is_last = done.load(Ordering::Acquire);
            let records = self.desk.intake.take(spare);
            for exchange in &records {
                self.take_in(exchange);
            }
            spare = records;
            self.take_content();
            let now = self.desk.clock.now();
            let flushed = self.desk.records.as_mut().map_or(Ok(()), |records| records.tick(now));
            self.note(flushed);
            if is_last {
                break;
            }
            std::thread::park_timeout(INTERVAL);
        }
        let missed = self.desk.intake.transcripts_missed();
        if let (Some(records), 1..) = (&mut self.desk.records, missed) {
            records.content_missed(missed);
        }
        let kept = self.desk.records.as_mut().map_or(Ok(()), Records::end);
        self.note(kept);
        self.failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let start = self.desk.opening.live.window_start().unwrap_or_default();
        let figures = self.figures.take().unwrap_or_else(|| self.accumulator(start));
        let Self { desk, failures, error, .. } = self;
        Recorded { figures, records: desk.records, failures, error }
    }

    fn take_in(&mut self, exchange: &Exchange) {
        if let (Outcome::Failure(failure), false) = (&exchange.outcome, exchange.warmup) {
            match self.failures.iter_mut().find(|(kind, _)| *kind == failure.kind) {
                Some((_, count)) => *count += 1,
                None => self.failures.push((failure.kind, 1)),
            }
        }
        if self.figures.is_none() && !exchange.warmup {
            let start = self.desk.opening.live.window_start();
            let start = start.unwrap_or(exchange.timeline.planned);
            self.figures = Some(self.accumulator(start));
        }
        match &mut self.figures {
            Some(figures) => figures.record(exchange),
            None => self.warmup.count(&exchange.outcome),
        }
        let written = match &mut self.desk.records {
            Some(records) => records.write(exchange, &self.desk.opening.label),
            None => Ok(()),
        };
        self.note(written);
    }

    fn take_content(&mut self) {
        for transcript in self.desk.intake.take_transcripts() {
            if let Some(records) = &mut self.desk.records {
                records.content(content::read(&transcript));
            }
        }
    }

    fn accumulator(&self, window_start: Timestamp) -> RunAccumulator {
        let window_end = self.desk.duration.map(|duration| window_start + duration);
        let spec = RunSpec { window_start, window_end, ..self.desk.spec };
        let mut figures = RunAccumulator::new(spec);
        figures.note_warmup(&self.warmup);
        figures
    }

    fn note(&mut self, result: Result<(), RecordsError>) {
        if let Err(error) = result
            && self.error.is_none()
        {
            self.error = Some(error);
            self.desk.control.stop.cancel();
        }
    }
}
