//! `prony bench`: runs every combination of model, scenario and load, and reports what came out.

mod check;
mod effective;
mod precedence;
mod progress;
mod recording;
mod results;
mod scope;
pub(crate) mod settings;
mod subject;
pub(crate) mod workload;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use analysis::{ArrivalClock, Origin, RunAccumulator, RunSpec, RunSummary};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches as _};
use domain::{Clock, FailureKind, Seed, SystemClock, Tokenizer, WallAnchor};
use load::workload::Taken;
use load::{Control, Intake, Live, Load, Parts, Plan, Report, StopCause, Template};
use pace::Time;
use store::{Recorder, RunLabel};

use self::check::Bench;
use self::progress::Progress;
use self::recording::{Desk, Recording};
use self::settings::BenchSettings;
use self::subject::Ready;
use self::workload::{Asked, Source};
use crate::cli::{self, Cli, Command};
use crate::failure::{Exit, UserError, remedy};
use crate::process::Meter;
use crate::signal::Interrupts;
use crate::{Outcome, config, limit, output};

/// Records that may wait to be taken off before new requests are held back: some 100 MB.
const INTAKE_BOUND: usize = 100_000;
/// A step of the wall clock that is worth a warning.
const CLOCK_STEP_MIN_NANOS: i64 = 1_000_000;

/// Runs the bench.
pub(crate) fn main(settings: BenchSettings) -> Outcome {
    let settings = with_config(settings)?;
    let bench = Bench::check(&settings)?;
    if let Some(connections) = bench.connections() {
        limit::raise_for(connections)?;
    }
    let runtime = runtime(usize::from(settings.load.client_threads.unwrap_or(1)))?;
    runtime.block_on(Session::new(bench, settings).run())
}

/// The settings with those of the configuration file below them.
fn with_config(settings: BenchSettings) -> Result<BenchSettings, UserError> {
    let Some(path) = &settings.config else { return Ok(settings) };
    let command = cli::command();
    let bench = command.find_subcommand("bench").expect("bench is a subcommand");
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let unusable = |error: &clap::Error| {
        let text = error.to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        UserError::usage(format!("with the settings of {}: {text}", path.display()))
    };
    let matches = command.clone().try_get_matches_from(&arguments).map_err(|e| unusable(&e))?;
    let outdone = precedence::outdone(&given(&matches, bench), &settings);
    let from_file = config::arguments(path, bench, &outdone)?;
    let program = ["prony", "bench"].map(Into::into);
    let arguments = program.into_iter().chain(from_file).chain(arguments.into_iter().skip(2));
    let parsed = command
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| unusable(&error))?;
    match parsed.command {
        Command::Bench(settings) => Ok(*settings),
        _ => Err(UserError::usage("--config belongs behind `prony bench`")),
    }
}

/// The flags of `bench` on the command line, by their long names.
fn given(matches: &ArgMatches, bench: &clap::Command) -> Vec<String> {
    let Some((_, matches)) = matches.subcommand() else { return Vec::new() };
    bench
        .get_arguments()
        .filter(|arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine))
        .filter_map(|arg| arg.get_long().map(str::to_owned))
        .collect()
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, UserError> {
    let mut builder = if threads <= 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(threads);
        builder
    };
    builder
        .enable_all()
        .build()
        .map_err(|error| UserError::new(Exit::Other, format!("cannot start a runtime: {error}")))
}

/// One execution of `prony bench`.
struct Session {
    bench: Bench,
    settings: BenchSettings,
    clock: Arc<dyn Clock>,
    anchor: WallAnchor,
    control: Control,
    files: Option<Recorder>,
}

/// What one run is about.
struct Case<'a> {
    index: u64,
    model: String,
    load: Load,
    source: &'a Source,
    /// What earlier runs asked the same model from the same source.
    asked: Asked,
}

impl Session {
    fn new(bench: Bench, settings: BenchSettings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let anchor = WallAnchor::take(&*clock);
        Self { bench, settings, clock, anchor, control: Control::default(), files: None }
    }

    async fn run(mut self) -> Outcome {
        let workload = &self.settings.workload;
        let tokenizer = workload.tokenizer.as_deref().map(workload::tokenizer).transpose()?;
        let sources = Source::open(workload)?;
        let embedded = &self.settings.target.embedded;
        let ready = subject::open(&self.bench, embedded, Arc::clone(&self.clock)).await?;
        let tokenizer = tokenizer.or_else(|| ready.tokenizer.clone());
        // Until here Ctrl-C simply ends the program: there is nothing to drain.
        let mut interrupts = Interrupts::watch()?;
        let combinations = self.combinations(&ready, sources.len());
        for (model, _, load) in &combinations {
            let unusable =
                |error: load::PlanError| UserError::usage(error.problem).hint(error.hint);
            self.plan(0, model, load).check().map_err(unusable)?;
        }
        // Last, so that a bench which cannot begin leaves no files in the way of the next.
        self.files = results::open_files(&self.settings.output, self.anchor)?;
        let mut results = results::Results::new(&self.settings, &self.bench, &ready, self.anchor);
        let mut verdict = Exit::Success;
        let mut broken_off = None;
        let mut history: HashMap<(String, usize), Asked> = HashMap::new();
        for (index, (model, place, load)) in (0..).zip(combinations) {
            let asked = history.entry((model.clone(), place)).or_default();
            let case = Case { index, model, load, source: &sources[place], asked: *asked };
            let tokenizer = tokenizer.clone();
            let ran = self.run_case(&case, &ready, tokenizer, &mut interrupts, &mut results).await;
            let (exit, taken) = match ran {
                Ok(ran) => ran,
                // What the runs before it measured is worth no less.
                Err(error) => {
                    broken_off = Some(error.of(&format!("{} under {}", case.model, case.load)));
                    break;
                }
            };
            asked.runs += 1;
            asked.taken += taken;
            if verdict == Exit::Success {
                verdict = exit;
            }
            if self.control.stop.is_cancelled() {
                verdict = if exit == Exit::File { exit } else { Exit::Interrupted };
                break;
            }
        }
        if !results.is_empty() {
            let is_cut = broken_off.is_some() || self.control.stop.is_cancelled();
            results.publish(self.files.take(), is_cut)?;
        }
        broken_off.map_or(Ok(verdict), Err)
    }

    /// Every model under every source of prompts, by its place, and every load, in the order they
    /// run.
    fn combinations(&self, ready: &Ready, sources: usize) -> Vec<(String, usize, Load)> {
        let mut combinations = Vec::new();
        for model in &ready.names {
            for source in 0..sources {
                for load in &self.bench.loads {
                    combinations.push((model.clone(), source, load.clone()));
                }
            }
        }
        combinations
    }

    fn plan(&self, index: u64, model: &str, load: &Load) -> Plan {
        let bench = &self.bench;
        let execution = Seed(self.anchor.unix_nanos(self.anchor.moment()));
        Plan {
            run: execution.nth(index).0,
            load: load.clone(),
            ramp: bench.ramp,
            stop: bench.stop,
            warmup: bench.warmup,
            prepare: bench.prepare,
            seed: bench.seed,
            template: Template {
                model: model.into(),
                max_tokens: bench.max_tokens,
                ignore_eos: bench.ignore_eos,
                stream: bench.stream,
                sampling: bench.sampling.clone(),
                stop: bench.stop_texts.clone().into(),
            },
        }
    }

    async fn run_case(
        &mut self,
        case: &Case<'_>,
        ready: &Ready,
        tokenizer: Option<Arc<dyn Tokenizer>>,
        interrupts: &mut Interrupts,
        results: &mut results::Results,
    ) -> Result<(Exit, Taken), UserError> {
        let plan = self.plan(case.index, &case.model, &case.load);
        let workload = Arc::new(case.source.workload(
            self.bench.seed,
            plan.requests_max(),
            case.asked,
            tokenizer.as_deref(),
        )?);
        let scenario = workload.name();
        let (intake, live) = (Arc::new(Intake::new(INTAKE_BOUND)), Arc::new(Live::default()));
        let recording = self.start_recording(case, &workload, ready, &intake, &live)?;
        let before = WallAnchor::take(&*self.clock);
        let meter = Meter::start(&*self.clock);
        let parts = Parts {
            model: Arc::clone(&ready.model),
            workload,
            time: Time::Machine,
            intake,
            live: Arc::clone(&live),
            // A tokenizer costs time on every answer: it is used only where the server may not count.
            tokenizer: tokenizer.filter(|_| !ready.is_embedded),
        };
        let title = format!("{} {scenario} {}", case.model, case.load);
        let hidden = self.settings.output.no_progress;
        let watched = Arc::clone(&live);
        let mut progress = Progress::new(&title, &plan, watched, Arc::clone(&self.clock), hidden);
        let report = tokio::select! {
            report = load::run(plan, parts, self.control.clone()) => report,
            () = interrupts.govern(&self.control) => unreachable!("governing never ends"),
            () = progress.show() => unreachable!("showing never ends"),
        };
        drop(progress);
        let recorded = recording.finish();
        let used = meter.used(&*self.clock);
        self.files = recorded.files;
        let report = report.map_err(|error| run_error(&error))?;
        if recorded.error.is_none() {
            tell_cause(&report);
        }
        let mut figures = recorded.figures;
        self.note(&mut figures, &report, before);
        let summary = figures.finish(report.window_end);
        let taken = Taken { measured: report.requests, warmup: live.warming() };
        let exit = self.judge(&summary, &recorded.failures);
        results.add(&case.model, &scenario, &case.load, summary, used);
        match recorded.error {
            Some(error) => {
                output::talk(&results::store_error(&error));
                Ok((Exit::File, taken))
            }
            None => Ok((exit, taken)),
        }
    }

    /// Tells the figures what no record says and only the run's end shows.
    fn note(&self, figures: &mut RunAccumulator, report: &Report, before: WallAnchor) {
        let step = self.clock_step(before);
        if step.abs() >= CLOCK_STEP_MIN_NANOS {
            figures.note_clock_step(step);
        }
        if let Some(due) = report.due {
            figures.note_due(due);
        }
    }

    fn start_recording(
        &mut self,
        case: &Case<'_>,
        workload: &load::workload::Workload,
        ready: &Ready,
        intake: &Arc<Intake>,
        live: &Arc<Live>,
    ) -> Result<Recording, UserError> {
        let origin = match &case.load {
            Load::Closed(_) => Origin::Started,
            Load::Open(_) => Origin::Planned,
        };
        let desk = Desk {
            intake: Arc::clone(intake),
            live: Arc::clone(live),
            clock: Arc::clone(&self.clock),
            control: self.control.clone(),
            label: RunLabel { run: case.index, load: case.load.to_string().into(), origin },
            spec: RunSpec {
                origin,
                window_start: self.anchor.moment(),
                window_end: None,
                slo: self.bench.slo,
                convention: self.bench.convention,
                arrivals: if ready.is_embedded {
                    ArrivalClock::InProcess
                } else {
                    ArrivalClock::Network
                },
                distinct_prompts: distinct_prompts(workload),
                sent_before: case.asked.taken.total(),
                demands_lengths: self.settings.workload.ignore_eos
                    && self.bench.stop_texts.is_empty(),
                asks_streams: self.bench.stream,
            },
            duration: self.bench.stop.duration,
            files: self.files.take(),
        };
        Recording::start(desk)
            .map_err(|error| UserError::new(Exit::Other, format!("cannot start a thread: {error}")))
    }

    /// How far the wall clock went astray from the monotonic one since `before`, in nanoseconds.
    fn clock_step(&self, before: WallAnchor) -> i64 {
        let after = WallAnchor::take(&*self.clock);
        let moment = after.moment();
        after.unix_nanos(moment).wrapping_sub(before.unix_nanos(moment)).cast_signed()
    }

    /// The exit code a run deserves: success only if its requests succeeded.
    fn judge(&self, summary: &RunSummary, failures: &[(FailureKind, u64)]) -> Exit {
        let attempted = summary.completed + summary.failed;
        let Some(&(kind, _)) = failures.first() else {
            return if attempted == 0 { Exit::Other } else { Exit::Success };
        };
        let share = summary.failed as f64 / attempted.max(1) as f64;
        if summary.completed > 0 && share <= self.bench.error_share_max {
            return Exit::Success;
        }
        output::talk(
            &UserError::new(
                Exit::Requests(kind),
                format!("{} of {attempted} requests failed, most often: {kind}", summary.failed),
            )
            .hint(match kind {
                FailureKind::Rejected if self.bench.ignore_eos => {
                    "the server may not know ignore_eos: leave --ignore-eos out"
                }
                kind => remedy(kind),
            }),
        );
        Exit::Requests(kind)
    }
}

/// Says why a run ended before its plan was done.
fn tell_cause(report: &Report) {
    let told = match report.cause {
        StopCause::Interrupted => {
            "stopped by request: the requests in flight were awaited; this is what was measured"
        }
        StopCause::Aborted => {
            "stopped at once by request: the requests in flight count as cancelled"
        }
        StopCause::Failures => "stopped: the limit of failed requests was reached",
        StopCause::Requests | StopCause::Duration => "",
    };
    if !told.is_empty() {
        output::talk(&told);
    }
    if report.held_back > 0 {
        output::talk(&format!(
            "warning: {} requests were held back because records could not be written fast \
             enough\n  help: write them to a faster disk",
            report.held_back
        ));
    }
}

/// How many different prompts a workload has to send.
fn distinct_prompts(workload: &load::workload::Workload) -> Option<u64> {
    const ENOUGH: u64 = 1 << 40;
    match workload.repeats(ENOUGH) {
        0 => None,
        repeats => Some(ENOUGH - repeats),
    }
}

fn run_error(error: &load::RunError) -> UserError {
    match error {
        load::RunError::Prepare(failure) => {
            UserError::new(Exit::Requests(failure.kind), failure.message.clone())
                .hint(remedy(failure.kind))
        }
        load::RunError::Timer(error) => UserError::new(Exit::Other, error.to_string()),
    }
}
