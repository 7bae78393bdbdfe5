//! `prony bench`: runs every combination of model, scenario and load, and reports what came out.

mod check;
mod effective;
mod ending;
mod files;
mod logbook;
mod precedence;
mod progress;
mod records;
mod repeats;
mod results;
mod scope;
mod server;
pub(crate) mod settings;
pub(crate) mod subject;
pub(crate) mod workload;

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use analysis::{ArrivalClock, RunAccumulator};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches as _};
use control::{Asked, Current, Prompts, Records, Subject, Trial};
use domain::{Clock, Seed, Series, Source, SystemClock, Tokenizer, Vantage, WallAnchor};
use load::workload::Taken;
use load::{Control, Live, Load};
use pace::Time;

use self::check::Bench;
use self::ending::Ending;
use self::files::Files;
use self::logbook::{About, Kept};
use self::progress::{Progress, Tally, Watch};
use self::records::BenchRecords;
use self::results::{Amount, Results};
use self::settings::BenchSettings;
use self::subject::Ready;
use crate::cli::{self, Cli, Command};
use crate::failure::{Exit, UserError};
use crate::signal::Interrupts;
use crate::{Outcome, config, limit, output, process};

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
    files: Option<Files>,
    /// The bench's place in the store, and its records' way there.
    kept: Option<Kept>,
    stored: Option<Box<dyn Records>>,
}

/// What one run is about.
struct Case<'a> {
    index: u64,
    model: String,
    load: Load,
    prompts: &'a Prompts,
    /// What earlier runs asked the same model from the same source.
    asked: Asked,
    /// How many runs there are.
    count: u64,
}

impl Case<'_> {
    /// Which run it is, in words.
    fn name(&self) -> String {
        format!("{} · {} · {}", self.model, self.prompts.name(), self.load)
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
        let control = Control::default();
        Self { bench, settings, clock, anchor, control, files: None, kept: None, stored: None }
    }

    async fn run(mut self) -> Outcome {
        for load in &self.bench.loads {
            let unusable =
                |error: load::PlanError| UserError::usage(error.problem).hint(error.hint);
            self.bench.protocol.plan(0, "", load).check().map_err(unusable)?;
        }
        let workload = &self.settings.workload;
        let tokenizer = workload.tokenizer.as_deref().map(workload::tokenizer).transpose()?;
        let sources = workload::open(workload)?;
        let embedded = &self.settings.embedded;
        let ready = subject::open(&self.bench, embedded, Arc::clone(&self.clock)).await?;
        let tokenizer = tokenizer.or_else(|| ready.tokenizer.clone());
        // Until here Ctrl-C simply ends the program: there is nothing to drain.
        let mut interrupts = Interrupts::watch()?;
        // Last, so that a bench which cannot begin leaves no files in the way of the next.
        let files = Files::open(&self.settings.output, self.anchor);
        self.files = files.map_err(|error| results::store_error(&error))?;
        let mut results = Results::new(&self.settings, &self.bench, &ready, self.anchor);
        self.kept = logbook::open(
            &self.settings.output,
            About {
                target: ready.description.clone(),
                models: ready.names.clone(),
                scenarios: sources.iter().map(Prompts::name).collect(),
                loads: self.bench.loads.iter().map(ToString::to_string).collect(),
                config: results.config().clone(),
                content: self.settings.output.content(),
            },
            &self.clock,
        )?;
        self.stored = self.kept.as_ref().map(Kept::records);
        let (mut verdict, mut is_early) = (Exit::Success, false);
        let mut history: HashMap<(String, usize), Asked> = HashMap::new();
        let combinations = self.combinations(&ready, sources.len());
        let count = combinations.len() as u64;
        for (index, (model, place, load)) in (0..).zip(combinations) {
            let asked = history.entry((model.clone(), place)).or_default();
            let case = Case { index, model, load, prompts: &sources[place], asked: *asked, count };
            let ran = match self.run_case(&case, &ready, tokenizer.clone(), &mut interrupts).await {
                Ok(ran) => ran,
                Err(error) => return self.break_off(error, &case, &ready, results),
            };
            asked.add(ran.taken);
            results.add(&case, ran.amount);
            let kept = self.keep_last(&results);
            if let Err(error) = results.show_last().and(kept) {
                // The files are still worth having.
                let _ = self.close_store(Exit::File, Some(&error));
                results.publish(self.files.take(), case.index + 1 < count)?;
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
        let closed = self.close_store(verdict, None);
        results.publish(self.files.take(), is_early)?;
        closed?;
        Ok(verdict)
    }

    /// Keeps in the store what the run before came to.
    fn keep_last(&self, results: &Results) -> Result<(), UserError> {
        match (&self.kept, results.last()) {
            (Some(kept), Some(run)) => kept.end(&run),
            _ => Ok(()),
        }
    }

    /// Notes in the store how the bench ended.
    fn close_store(&mut self, exit: Exit, error: Option<&UserError>) -> Result<(), UserError> {
        drop(self.stored.take());
        let Some(kept) = self.kept.take() else { return Ok(()) };
        let note = format!("kept as {} in {}", kept.id(), kept.folder().display());
        kept.finish(logbook::ending(exit, error))?;
        self.bench.notes.say(&note);
        Ok(())
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
        let closed = self.close_store(Exit::Other, Some(&error));
        if let Err(error) = &closed {
            output::talk(error);
        }
        if results.is_empty() {
            if let Some(Err(error)) = files.map(Files::discard) {
                output::talk(&results::store_error(&error));
            }
            return Err(error);
        }
        let now = self.clock.now();
        let arrivals =
            if ready.is_embedded { ArrivalClock::InProcess } else { ArrivalClock::Network };
        let spec = self.bench.protocol.spec(&case.load, arrivals, now);
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

    async fn run_case(
        &mut self,
        case: &Case<'_>,
        ready: &Ready,
        tokenizer: Option<Arc<dyn Tokenizer>>,
        interrupts: &mut Interrupts,
    ) -> Result<Ran, UserError> {
        let protocol = &self.bench.protocol;
        let execution = Seed(self.anchor.unix_nanos(self.anchor.moment()));
        let plan = protocol.plan(execution.nth(case.index).0, &case.model, &case.load);
        let workload = case
            .prompts
            .workload(protocol.seed, plan.requests_max(), case.asked, tokenizer.as_deref())
            .map_err(|error| workload::unusable(&error))?;
        let subject = Subject {
            model: Arc::clone(&ready.model),
            name: case.model.clone(),
            description: ready.description.clone(),
            tokenizer,
            is_embedded: ready.is_embedded,
        };
        let (live, tally) = (Arc::new(Live::default()), Arc::new(Tally::default()));
        let watch = Watch {
            live: Arc::clone(&live),
            tally: Arc::clone(&tally),
            clock: Arc::clone(&self.clock),
            control: self.control.clone(),
        };
        let hidden = self.settings.output.no_progress || self.settings.output.quiet;
        let place = (case.index + 1, case.count);
        if let Some(kept) = &self.kept {
            let current = Current {
                target: ready.description.clone(),
                scenario: case.prompts.name(),
                load: case.load.to_string(),
            };
            kept.begin(current, &plan, Arc::clone(&live));
        }
        let progress = Progress::new(place, case.name(), &plan, watch, hidden);
        let trial = Trial {
            index: case.index,
            plan,
            workload: Arc::new(workload),
            sent_before: case.asked.taken.total(),
            series: Series {
                model: case.model.as_str().into(),
                provider: Arc::clone(&ready.provider),
                region: "".into(),
                vantage: Vantage::Client,
                vantage_region: "".into(),
                scenario: case.prompts.name().into(),
                source: Source::Bench,
            },
            subject: &subject,
            protocol,
            time: Time::Machine,
            anchor: self.anchor,
            control: self.control.clone(),
            live,
            records: Some(BenchRecords {
                files: self.files.take(),
                stored: self.stored.take(),
                tally,
            }),
            spent: process::spent,
        };
        let measured = tokio::select! {
            measured = trial.run() => measured,
            () = interrupts.govern(&self.control, |message| progress.say(message)) => {
                unreachable!("governing never ends")
            }
            () = progress.show() => unreachable!("showing never ends"),
        };
        drop(progress);
        let measured = measured.map_err(|error| ending::unbegun(&self.bench, &error))?;
        if let Some(records) = measured.records {
            (self.files, self.stored) = (records.files, records.stored);
        }
        let (summary, report) =
            measured.result.map_err(|error| ending::unbegun(&self.bench, &error))?;
        let ending = match measured.records_error {
            Some(error) => Ending::unwritten(error),
            None => Ending::of(&self.bench, &report, &summary, &measured.failures),
        };
        let amount = Amount { summary, process: measured.process, error: None };
        Ok(Ran { amount, ending, taken: measured.taken })
    }
}
