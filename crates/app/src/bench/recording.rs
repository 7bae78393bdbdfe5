//! Takes finished requests off the load's threads: into the files of the bench, and into the run's
//! figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use analysis::{RunAccumulator, RunSpec};
use domain::{Clock, Exchange, FailureKind, Outcome, Timestamp};
use load::{Control, Intake, Live};
use store::{Recorder, RunLabel, StoreError};

use super::progress::Tally;

/// How often finished requests are taken off.
const INTERVAL: Duration = Duration::from_millis(20);
/// The recording thread's nice value.
#[cfg(target_os = "linux")]
const PRIORITY: i32 = 10;

/// What the recording thread is given, and gives back.
pub(crate) struct Desk {
    pub(crate) intake: Arc<Intake>,
    pub(crate) live: Arc<Live>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) control: Control,
    pub(crate) label: RunLabel,
    /// What is known of the run but its window's start.
    pub(crate) spec: RunSpec,
    /// How long the window lasts, where that is known.
    pub(crate) duration: Option<Duration>,
    pub(crate) files: Option<Recorder>,
}

/// A run's records, once all are in.
pub(crate) struct Recorded {
    pub(crate) figures: RunAccumulator,
    pub(crate) files: Option<Recorder>,
    /// Failures by kind, the commonest first.
    pub(crate) failures: Vec<(FailureKind, u64)>,
    /// Why the files are not whole.
    pub(crate) error: Option<StoreError>,
}

/// A thread that records one run.
pub(crate) struct Recording {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Recorded>,
}

impl Recording {
    /// Starts recording.
    pub(crate) fn start(desk: Desk) -> std::io::Result<Self> {
        let done = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("recording".to_owned()).spawn(move || {
            yield_to_load();
            Writer::new(desk).run(&seen)
        })?;
        Ok(Self { done, thread })
    }

    /// Waits until everything handed in is recorded.
    pub(crate) fn finish(self) -> Recorded {
        self.done.store(true, Ordering::Release);
        self.thread.thread().unpark();
        match self.thread.join() {
            Ok(recorded) => recorded,
            Err(panic) => std::panic::resume_unwind(panic),
        }
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

struct Writer {
    desk: Desk,
    figures: Option<RunAccumulator>,
    /// Warm-up requests that ended before the window began.
    warmup: u64,
    failures: Vec<(FailureKind, u64)>,
    error: Option<StoreError>,
}

impl Writer {
    fn new(desk: Desk) -> Self {
        Self { desk, figures: None, warmup: 0, failures: Vec::new(), error: None }
    }

    fn run(mut self, done: &AtomicBool) -> Recorded {
        let mut spare = Vec::new();
        loop {
            // Read before taking, so that what was handed in before the end is taken after it.
            let is_last = done.load(Ordering::Acquire);
            let records = self.desk.intake.take(spare);
            for exchange in &records {
                self.take_in(exchange);
            }
            spare = records;
            let flushed = match &mut self.desk.files {
                Some(files) => files.tick(self.desk.clock.now()),
                None => Ok(()),
            };
            self.note(flushed);
            if is_last {
                break;
            }
            std::thread::park_timeout(INTERVAL);
        }
        self.failures.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let start = self.desk.live.window_start().unwrap_or_default();
        let figures = self.figures.take().unwrap_or_else(|| self.accumulator(start));
        Recorded { figures, files: self.desk.files, failures: self.failures, error: self.error }
    }

    fn take_in(&mut self, exchange: &Exchange) {
        self.desk.tally.add(exchange);
        if let (Outcome::Failure(failure), false) = (&exchange.outcome, exchange.warmup) {
            match self.failures.iter_mut().find(|(kind, _)| *kind == failure.kind) {
                Some((_, count)) => *count += 1,
                None => self.failures.push((failure.kind, 1)),
            }
        }
        if self.figures.is_none() && !exchange.warmup {
            let start = self.desk.live.window_start().unwrap_or(exchange.timeline.planned);
            self.figures = Some(self.accumulator(start));
        }
        match &mut self.figures {
            Some(figures) => figures.record(exchange),
            None => self.warmup += 1,
        }
        let written = match &mut self.desk.files {
            Some(files) => files.write(exchange, &self.desk.label),
            None => Ok(()),
        };
        self.note(written);
    }

    fn accumulator(&self, window_start: Timestamp) -> RunAccumulator {
        let window_end = self.desk.duration.map(|duration| window_start + duration);
        let spec = RunSpec { window_start, window_end, ..self.desk.spec };
        let mut figures = RunAccumulator::new(spec);
        figures.note_warmup(self.warmup);
        figures
    }

    /// A file that can no longer be written ends the run: measuring on would promise a record that
    /// is not there.
    fn note(&mut self, result: Result<(), StoreError>) {
        if let Err(error) = result
            && self.error.is_none()
        {
            self.error = Some(error);
            self.desk.control.stop.cancel();
        }
    }
}
