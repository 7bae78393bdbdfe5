//! `prony bench`: runs every combination of model, scenario and load, and reports what came out.

mod check;
mod effective;
mod ending;
mod precedence;
mod progress;
mod recording;
mod results;
mod scope;
mod server;
pub(crate) mod settings;
mod subject;
mod workload;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use analysis::{ArrivalClock, Origin, RunAccumulator, RunSpec};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches as _};
use domain::{Clock, Seed, SystemClock, Tokenizer, WallAnchor};
use load::workload::Taken;
use load::{Control, Intake, Live, Load, Parts, Plan, Report, Template};
use pace::Time;
use store::{Recorder, RunLabel};

use self::check::Bench;
use self::ending::Ending;
use self::progress::{Progress, Tally, Watch};
use self::recording::{Desk, Recording};
use self::results::{Amount, Results};
use self::settings::BenchSettings;
use self::subject::Ready;
use self::workload::{Asked, Source};
use crate::cli::{self, Cli, Command};
use crate::failure::{Exit, UserError};
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
    let arguments = cli::arguments();
    let unusable = |error: &clap::Error| {
        let text = error.to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        UserError::usage(format!("with the settings of {}: {text}", path.display()))
    };
    let matches = command.clone().try_get_matches_from(&arguments).map_err(|e| unusable(&e))?;
    let outdone = precedence::outdone(&given(&matches, bench), &settings);
    let from_file = config::arguments(path, bench, &outdone)?;
    let program = ["prony", "bench"].map(OsString::from);
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
    /// How many runs there are.
    count: u64,
}

impl Case<'_> {
    /// Which run it is, in words.
    fn name(&self) -> String {
        format!("{} · {} · {}", self.model, self.source.name(), self.load)
    }

    /// The same, where there are several.
    fn name_among_others(&self) -> Option<String> {
        (self.count > 1).then(|| self.name())
    }
}

/// What came of one run.
struct Ran {
    amount: Amount,
    ending: Ending,
    taken: Taken,
}

impl Session {
    fn new(bench: Bench, settings: BenchSettings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let anchor = WallAnchor::take(&*clock);
        Self { bench, settings, clock, anchor, control: Control::default(), files: None }
    }

    async fn run(mut self) -> Outcome {
        for load in &self.bench.loads {
            let unusable =
                |error: load::PlanError| UserError::usage(error.problem).hint(error.hint);
            self.plan(0, "", load).check().map_err(unusable)?;
        }
        let workload = &self.settings.workload;
        let tokenizer = workload.tokenizer.as_deref().map(workload::tokenizer).transpose()?;
        let sources = Source::open(workload)?;
        let embedded = &self.settings.embedded;
        let ready = subject::open(&self.bench, embedded, Arc::clone(&self.clock)).await?;
        let tokenizer = tokenizer.or_else(|| ready.tokenizer.clone());
        // Until here Ctrl-C simply ends the program: there is nothing to drain.
        let mut interrupts = Interrupts::watch()?;
        // Last, so that a bench which cannot begin leaves no files in the way of the next.
        self.files = results::open_files(&self.settings.output, self.anchor)?;
        let mut results = Results::new(&self.settings, &self.bench, &ready, self.anchor);
        let (mut verdict, mut is_early) = (Exit::Success, false);
        let mut history: HashMap<(String, usize), Asked> = HashMap::new();
        let combinations = self.combinations(&ready, sources.len());
        let count = combinations.len() as u64;
        for (index, (model, place, load)) in (0..).zip(combinations) {
            let asked = history.entry((model.clone(), place)).or_default();
            let case = Case { index, model, load, source: &sources[place], asked: *asked, count };
            let ran = match self.run_case(&case, &ready, tokenizer.clone(), &mut interrupts).await {
                Ok(ran) => ran,
                Err(error) => return self.break_off(error, &case, &ready, results),
            };
            asked.runs += 1;
            asked.taken += ran.taken;
            results.add(&case, ran.amount);
            if let Err(error) = results.show_last() {
                // The files are still worth having.
                results.publish(self.files.take(), true)?;
                return Err(error);
            }
            let exit = ran.ending.exit;
            is_early |= ran.ending.is_early;
            ran.ending.tell(case.name_among_others().as_deref());
            if verdict == Exit::Success {
                verdict = exit;
            }
            if self.control.stop.is_cancelled() {
                verdict = if exit == Exit::File { exit } else { Exit::Interrupted };
                break;
            }
        }
        // Told to stop behind its own end, a run was done and those after it are not.
        is_early |= self.control.stop.is_cancelled();
        results.publish(self.files.take(), is_early)?;
        Ok(verdict)
    }

    /// Ends a bench whose next run could not begin: what the runs before it measured is worth no
    /// less, and where there was none nothing is left in the way of the next bench.
    fn break_off(
        mut self,
        error: UserError,
        case: &Case<'_>,
        ready: &Ready,
        mut results: Results,
    ) -> Outcome {
        let files = self.files.take();
        if results.is_empty() {
            if let Some(Err(error)) = files.map(Recorder::discard) {
                output::talk(&results::store_error(&error));
            }
            return Err(error);
        }
        let now = self.clock.now();
        let spec = RunSpec { window_start: now, ..self.spec(case, ready, None) };
        let summary = RunAccumulator::new(spec).finish(now);
        let message = Some(error.message().to_owned());
        results.add(case, Amount { summary, process: None, error: message });
        results.publish(files, true)?;
        Err(error.of(case.name_among_others().as_deref()))
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
    ) -> Result<Ran, UserError> {
        let plan = self.plan(case.index, &case.model, &case.load);
        let workload = Arc::new(case.source.workload(
            self.bench.seed,
            plan.requests_max(),
            case.asked,
            tokenizer.as_deref(),
        )?);
        let (intake, live) = (Arc::new(Intake::new(INTAKE_BOUND)), Arc::new(Live::default()));
        let spec = self.spec(case, ready, distinct_prompts(&workload));
        let tally = Arc::new(Tally::default());
        let recording = self.start_recording(case, spec, &intake, &live, &tally)?;
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
        let watch = Watch {
            live: Arc::clone(&live),
            tally,
            clock: Arc::clone(&self.clock),
            control: self.control.clone(),
        };
        let hidden = self.settings.output.no_progress || self.settings.output.quiet;
        let place = (case.index + 1, case.count);
        let progress = Progress::new(place, case.name(), &plan, watch, hidden);
        let report = tokio::select! {
            report = load::run(plan, parts, self.control.clone()) => report,
            () = interrupts.govern(&self.control, |message| progress.say(message)) => {
                unreachable!("governing never ends")
            }
            () = progress.show() => unreachable!("showing never ends"),
        };
        drop(progress);
        let recorded = recording.finish();
        let process = meter.used(&*self.clock);
        self.files = recorded.files;
        let report = report.map_err(|error| ending::unbegun(&self.bench, &error))?;
        let mut figures = recorded.figures;
        self.note(&mut figures, &report, before);
        let summary = figures.finish(report.window_end);
        let ending = match recorded.error {
            Some(error) => Ending::unwritten(results::store_error(&error)),
            None => Ending::of(&self.bench, &report, &summary, &recorded.failures),
        };
        let taken = Taken { measured: report.requests, warmup: live.warming() };
        Ok(Ran { amount: Amount { summary, process, error: None }, ending, taken })
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

    /// What is asked of a run, but for its window.
    fn spec(&self, case: &Case<'_>, ready: &Ready, distinct_prompts: Option<u64>) -> RunSpec {
        RunSpec {
            origin: match &case.load {
                Load::Closed(_) => Origin::Started,
                Load::Open(_) => Origin::Planned,
            },
            window_start: self.anchor.moment(),
            window_end: None,
            ramp: self.bench.ramp,
            in_flight_max: match &case.load {
                Load::Open(open) => open.in_flight_max,
                Load::Closed(_) => None,
            },
            slo: self.bench.slo,
            convention: self.bench.convention,
            arrivals: if ready.is_embedded {
                ArrivalClock::InProcess
            } else {
                ArrivalClock::Network
            },
            distinct_prompts,
            sent_before: case.asked.taken.total(),
            demands_lengths: self.settings.workload.ignore_eos && self.bench.stop_texts.is_empty(),
            asks_streams: self.bench.stream,
        }
    }

    fn start_recording(
        &mut self,
        case: &Case<'_>,
        spec: RunSpec,
        intake: &Arc<Intake>,
        live: &Arc<Live>,
        tally: &Arc<Tally>,
    ) -> Result<Recording, UserError> {
        let load = case.load.to_string().into();
        let desk = Desk {
            intake: Arc::clone(intake),
            live: Arc::clone(live),
            tally: Arc::clone(tally),
            clock: Arc::clone(&self.clock),
            control: self.control.clone(),
            label: RunLabel { run: case.index, load, origin: spec.origin },
            spec,
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
}

/// How many different prompts a workload has to send.
fn distinct_prompts(workload: &load::workload::Workload) -> Option<u64> {
    const ENOUGH: u64 = 1 << 40;
    match workload.repeats(ENOUGH) {
        0 => None,
        repeats => Some(ENOUGH - repeats),
    }
}
