//! One run: a model under one source of prompts and one load, carried out and summed up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use analysis::{RunAccumulator, RunSpec, RunSummary};
use domain::{Clock, Failure, FailureKind, Series, WallAnchor};
use load::workload::{Taken, Workload};
use load::{Control, Intake, Live, Parts, Plan, Report, RunError};
use pace::Time;
use report::ProcessUse;
use store::RunLabel;

use crate::protocol::Protocol;
use crate::recording::{Desk, Opening, Recording, Records, RecordsError};
use crate::subject::Subject;

/// Records that may wait to be taken off before new requests are held back: some 100 MB.
const INTAKE_BOUND: usize = 100_000;
/// A step of the wall clock that is worth a warning.
const CLOCK_STEP_MIN_NANOS: i64 = 1_000_000;

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// No connection could be opened before the start.
    #[error("{}", .0.message)]
    Prepare(Failure),
    /// The system gives no timer or no thread.
    #[error("cannot start the run: {0}")]
    System(#[from] io::Error),
}

impl From<RunError> for TrialError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Prepare(failure) => Self::Prepare(failure),
            RunError::Timer(error) => Self::System(error),
        }
    }
}

/// What this process has used since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Processor time of all threads.
    pub cpu: Duration,
    /// The most memory that was resident at once.
    pub memory_peak_bytes: u64,
}

/// Everything one run is made of.
pub struct Trial<'a, R> {
    /// Its place among the benchmark's, from zero.
    pub index: u64,
    /// What it does.
    pub plan: Plan,
    /// What it asks.
    pub workload: Arc<Workload>,
    /// How many requests of the same prompts the model was sent in earlier runs.
    pub sent_before: u64,
    /// What its requests count in.
    pub series: Series,
    /// Whom it asks.
    pub subject: &'a Subject,
    /// What it has in common with the others.
    pub protocol: &'a Protocol,
    /// The time it takes place in.
    pub time: Time,
    /// Joins that time to the wall clock in records.
    pub anchor: WallAnchor,
    /// Stops it.
    pub control: Control,
    /// Takes its running counts.
    pub live: Arc<Live>,
    /// Takes its records, where they are kept.
    pub records: Option<R>,
    /// Says what this process has used so far, where the system tells.
    pub spent: fn() -> Option<Spent>,
}

/// What a run came to.
pub struct Measured<R> {
    /// Its figures, and why it ended.
    pub result: Result<(RunSummary, Report), TrialError>,
    /// What this process used meanwhile.
    pub process: Option<ProcessUse>,
    /// The prompts it took.
    pub taken: Taken,
    /// Failures by kind, the commonest first.
    pub failures: Vec<(FailureKind, u64)>,
    /// The keeper of records, for the next run.
    pub records: Option<R>,
    /// Why the records are not whole; the run was stopped for it.
    pub records_error: Option<RecordsError>,
}

impl<R: Records + 'static> Trial<'_, R> {
    /// Carries the run out.
    ///
    /// # Errors
    /// Where no thread can be started to record it. All else is told in [`Measured`], so that what
    /// was measured is not lost.
    pub async fn run(mut self) -> Result<Measured<R>, TrialError> {
        let clock = self.time.clock();
        let wants_content = self.records.as_ref().is_some_and(Records::wants_content);
        let intake = Intake::new(INTAKE_BOUND);
        let intake = Arc::new(if wants_content { intake.with_transcripts() } else { intake });
        let recording = Recording::start(self.desk(&intake, &clock))?;
        let before = WallAnchor::take(&*clock);
        let meter = Meter::start(self.spent, &*clock);
        let parts = Parts {
            model: Arc::clone(&self.subject.model),
            workload: self.workload,
            time: self.time,
            intake,
            live: Arc::clone(&self.live),
            tokenizer: self.subject.counter(),
        };
        let report = load::run(self.plan, parts, self.control).await;
        // It may take its time, and whoever else is on this thread is not to wait for it.
        let recorded = match tokio::task::spawn_blocking(|| recording.finish()).await {
            Ok(recorded) => recorded,
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        };
        let process = meter.used(&*clock);
        let measured = self.live.started();
        let result = report.map_err(TrialError::from).map(|report| {
            let mut figures = recorded.figures;
            note(&mut figures, &report, clock_step(before, &*clock));
            (figures.finish(report.window_end), report)
        });
        Ok(Measured {
            result,
            process,
            taken: Taken { measured, warmup: self.live.warming() },
            failures: recorded.failures,
            records: recorded.records,
            records_error: recorded.error,
        })
    }

    fn desk(&mut self, intake: &Arc<Intake>, clock: &Arc<dyn Clock>) -> Desk<R> {
        let load = &self.plan.load;
        let spec = RunSpec {
            distinct_prompts: distinct_prompts(&self.workload),
            sent_before: self.sent_before,
            ..self.protocol.spec(load, self.subject.arrivals(), self.anchor.moment())
        };
        Desk {
            intake: Arc::clone(intake),
            opening: Opening {
                label: RunLabel {
                    run: self.index,
                    load: load.to_string().into(),
                    origin: spec.origin,
                },
                series: self.series.clone(),
                live: Arc::clone(&self.live),
            },
            clock: Arc::clone(clock),
            control: self.control.clone(),
            spec,
            duration: self.plan.stop.duration,
            records: self.records.take(),
        }
    }
}

/// Tells the figures what no record says and only the run's end shows.
fn note(figures: &mut RunAccumulator, report: &Report, clock_step_nanos: i64) {
    if clock_step_nanos.abs() >= CLOCK_STEP_MIN_NANOS {
        figures.note_clock_step(clock_step_nanos);
    }
    if let Some(due) = report.due {
        figures.note_due(due);
    }
}

/// How far the wall clock went astray from the monotonic one since `before`, in nanoseconds.
fn clock_step(before: WallAnchor, clock: &dyn Clock) -> i64 {
    let after = WallAnchor::take(clock);
    let moment = after.moment();
    after.unix_nanos(moment).wrapping_sub(before.unix_nanos(moment)).cast_signed()
}

/// How many different prompts a workload has to send; `None` where it never repeats itself.
fn distinct_prompts(workload: &Workload) -> Option<u64> {
    const ENOUGH: u64 = 1 << 40;
    match workload.repeats(ENOUGH) {
        0 => None,
        repeats => Some(ENOUGH - repeats),
    }
}

/// Measures what this process uses, from its start on.
struct Meter {
    spent: fn() -> Option<Spent>,
    begun: domain::Timestamp,
    cpu: Option<Duration>,
}

impl Meter {
    fn start(spent: fn() -> Option<Spent>, clock: &dyn Clock) -> Self {
        Self { spent, begun: clock.now(), cpu: spent().map(|spent| spent.cpu) }
    }

    fn used(&self, clock: &dyn Clock) -> Option<ProcessUse> {
        let spent = (self.spent)()?;
        Some(ProcessUse {
            wall: clock.now().since(self.begun),
            cpu: spent.cpu.saturating_sub(self.cpu?),
            memory_peak_bytes: spent.memory_peak_bytes,
        })
    }
}
