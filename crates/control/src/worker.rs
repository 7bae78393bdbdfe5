//! Works the queue off: carries benchmarks out, one after another.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::{FailureKind, Seed, Series, Source, Vantage, WallAnchor};
use futures_util::FutureExt as _;
use load::{Control, Live, Load};
use pace::Time;
use report::json;
use tokio_util::sync::CancellationToken;

use crate::benchmark::{BenchmarkId, Problem, Spec};
use crate::benchmarks::{Benchmarks, Ending, Turn};
use crate::catalogue::{Catalogue, Scenario, Target};
use crate::progress::Current;
use crate::prompts::Asked;
use crate::recording::{Records, RecordsError};
use crate::subject::Subject;
use crate::trial::{Measured, Spent, Trial, TrialError};

/// How long the requests in flight are awaited where a benchmark ends before its plan is done.
const GRACE: Duration = Duration::from_secs(10);

/// Makes the place where a benchmark's records go.
pub type RecordsOpener =
    Box<dyn Fn(BenchmarkId) -> Result<Box<dyn Records>, RecordsError> + Send + Sync>;

/// What benchmarks are carried out with.
pub struct Workshop {
    /// What they may name.
    pub catalogue: Arc<Catalogue>,
    /// Where this process stands on the map; empty where nobody said.
    pub region: Arc<str>,
    /// The time they take place in.
    pub time: Time,
    /// Where their records go, where they are kept.
    pub records: Option<RecordsOpener>,
    /// Says what this process has used so far, where the system tells.
    pub spent: fn() -> Option<Spent>,
}

impl Benchmarks {
    /// Carries out whatever is queued, until `stop`: then what is in flight is awaited for a while,
    /// and the benchmark under way counts as interrupted. Those that wait stay.
    ///
    /// The load runs on the caller's runtime: give it one that has nothing else to do, or what else
    /// it does is measured too.
    pub async fn work(&self, workshop: &Workshop, stop: &CancellationToken) {
        self.recover(&workshop.catalogue);
        while let Some(turn) = stop.run_until_cancelled(self.next()).await {
            let id = turn.id;
            // A panic is a fault of this program's, and no reason to refuse the next benchmark.
            let carried_out =
                AssertUnwindSafe(carry_out(self, workshop, turn, stop)).catch_unwind();
            self.finish(id, carried_out.await.unwrap_or_else(|_| Ending::Failed(fault())));
        }
    }
}

async fn carry_out(
    benchmarks: &Benchmarks,
    workshop: &Workshop,
    turn: Turn,
    stop: &CancellationToken,
) -> Ending {
    let control = turn.control.clone();
    let id = turn.id;
    let mut execution = Execution {
        benchmarks,
        workshop,
        anchor: WallAnchor::take(&*workshop.time.clock()),
        records: None,
        problems: Vec::new(),
        turn,
    };
    tokio::select! {
        ended = execution.run() => if let Err(problem) = ended {
            return Ending::Failed(problem);
        },
        () = give_up(&control, stop) => unreachable!("giving up never ends"),
    }
    if benchmarks.is_cancelled(id) {
        Ending::Cancelled
    } else if control.stop.is_cancelled() {
        Ending::Interrupted
    } else {
        match execution.problems.into_iter().next() {
            Some(problem) => Ending::Failed(problem),
            None => Ending::Completed,
        }
    }
}

/// Stops the load once `stop` is cancelled or the benchmark is, and gives what is in flight up after
/// the grace. Never returns.
async fn give_up(control: &Control, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => control.stop.cancel(),
        () = control.stop.cancelled() => {}
    }
    tokio::time::sleep(GRACE).await;
    control.abort.cancel();
    std::future::pending::<()>().await;
}

/// A benchmark being carried out.
struct Execution<'a> {
    benchmarks: &'a Benchmarks,
    workshop: &'a Workshop,
    turn: Turn,
    anchor: WallAnchor,
    records: Option<Box<dyn Records>>,
    /// What kept runs from taking place, or from getting any answer.
    problems: Vec<Problem>,
}

/// One run's place in it.
struct Case<'a> {
    index: u64,
    target: &'a Target,
    subject: &'a Subject,
    scenario: &'a Scenario,
    load: &'a Load,
}

impl Execution<'_> {
    /// Carries out every run, as far as the benchmark is not stopped.
    ///
    /// # Errors
    /// What ends the benchmark: its records or figures cannot be kept. That one target cannot be
    /// asked is no reason not to ask the others.
    async fn run(&mut self) -> Result<(), Problem> {
        let open = self.workshop.records.as_ref().map(|open| open(self.turn.id));
        self.records = open.transpose().map_err(|error| records_problem(&error))?;
        let spec: Spec = self.turn.spec.clone();
        let mut index = 0;
        for name in &spec.targets {
            let opened = self.open(name).await;
            let mut asked: HashMap<String, Asked> = HashMap::new();
            for scenario in &spec.scenarios {
                for load in &spec.loads {
                    if self.turn.control.stop.is_cancelled() {
                        return Ok(());
                    }
                    match (&opened, self.workshop.catalogue.scenario(scenario)) {
                        (Ok((target, subject)), Some(scenario)) => {
                            let asked = asked.entry(scenario.name.clone()).or_default();
                            let case = Case { index, target, subject, scenario: &scenario, load };
                            self.measure(&case, asked).await?;
                        }
                        (Ok(_), None) => self.pass_over(unknown("scenario", scenario)),
                        (Err(problem), _) => self.pass_over(problem.clone()),
                    }
                    index += 1;
                }
            }
        }
        Ok(())
    }

    async fn open(&mut self, name: &str) -> Result<(Target, Subject), Problem> {
        let target = self.turn.spec.target(name, &self.workshop.catalogue);
        let target = target.ok_or_else(|| unknown("target", name))?.clone();
        let opening = self.turn.control.stop.run_until_cancelled((target.open)()).await;
        let subject = opening.unwrap_or_else(|| Err(stopped()))?;
        Ok((target, subject))
    }

    /// Leaves a run out.
    fn pass_over(&mut self, problem: Problem) {
        self.problems.push(problem);
        self.turn.tracker.end();
    }

    async fn measure(&mut self, case: &Case<'_>, asked: &mut Asked) -> Result<(), Problem> {
        let protocol = &self.turn.spec.protocol;
        let run = Seed(self.turn.id.0).nth(case.index).0;
        let plan = protocol.plan(run, &case.subject.name, case.load);
        let tokenizer = case.scenario.tokenizer.as_ref().or(case.subject.tokenizer.as_ref());
        let drawn = case.scenario.prompts.workload(
            protocol.seed,
            plan.requests_max(),
            *asked,
            tokenizer.map(|tokenizer| &**tokenizer),
        );
        let workload = match drawn {
            Ok(workload) => Arc::new(workload),
            Err(error) => {
                let hint = "name a tokenizer with the scenario, or other lengths";
                self.pass_over(case.problem("has no prompts", &error.to_string(), hint));
                return Ok(());
            }
        };
        let live = Arc::new(Live::default());
        self.turn.tracker.begin(case.current(), &plan, Arc::clone(&live));
        let trial = Trial {
            index: case.index,
            plan,
            workload,
            sent_before: asked.taken.total(),
            series: case.series(Arc::clone(&self.workshop.region)),
            subject: case.subject,
            protocol,
            time: self.workshop.time.clone(),
            anchor: self.anchor,
            control: self.turn.control.clone(),
            live,
            records: self.records.take(),
            spent: self.workshop.spent,
        };
        let measured = trial.run().await.map_err(|error| case.unmade(&error))?;
        asked.add(measured.taken);
        self.turn.tracker.end();
        self.conclude(case, measured)
    }

    /// Keeps what a run came to.
    fn conclude(
        &mut self,
        case: &Case<'_>,
        measured: Measured<Box<dyn Records>>,
    ) -> Result<(), Problem> {
        self.records = measured.records;
        let (summary, _) = match measured.result {
            Ok(done) => done,
            Err(error) => {
                self.problems.push(case.unmade(&error));
                return Ok(());
            }
        };
        let commonest = measured.failures.first();
        if let (0, Some((kind, _))) = (summary.completed, commonest) {
            let detail = format!("all {} requests failed, most often: {kind}", summary.failed);
            self.problems.push(case.problem("got no answer", &detail, remedy(*kind)));
        }
        let run = report::Run {
            target: case.target.name.clone(),
            model: case.subject.name.clone(),
            scenario: case.scenario.name.clone(),
            load: case.load.to_string(),
            summary,
            process: measured.process,
            error: None,
        };
        self.benchmarks.add_run(self.turn.id, &json::run(&run, self.anchor))?;
        match measured.records_error {
            Some(error) => Err(records_problem(&error)),
            None => Ok(()),
        }
    }
}

impl Case<'_> {
    fn series(&self, vantage_region: Arc<str>) -> Series {
        Series {
            model: self.subject.name.as_str().into(),
            provider: self.target.provider.as_str().into(),
            region: self.target.region.as_deref().unwrap_or_default().into(),
            vantage: Vantage::Client,
            vantage_region,
            scenario: self.scenario.name.as_str().into(),
            source: Source::Bench,
        }
    }

    fn current(&self) -> Current {
        Current {
            target: self.target.name.clone(),
            scenario: self.scenario.name.clone(),
            load: self.load.to_string(),
        }
    }

    fn problem(&self, what: &str, detail: &str, hint: &str) -> Problem {
        Problem {
            title: format!("A run {what}"),
            detail: format!(
                "{} with {} under {}: {detail}",
                self.target.name, self.scenario.name, self.load
            ),
            hint: hint.to_owned(),
        }
    }

    fn unmade(&self, error: &TrialError) -> Problem {
        let hint = match error {
            TrialError::Prepare(failure) => remedy(failure.kind),
            TrialError::System(_) => "free memory, threads or file descriptors on this machine",
        };
        self.problem("could not take place", &error.to_string(), hint)
    }
}

/// What to do about a target whose requests fail in a given way.
const fn remedy(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Connect(_) => "check that the server runs, and the target's url",
        FailureKind::ClientResources => {
            "this machine ran out of open files or local ports: raise its limits, or lower the load"
        }
        FailureKind::Timeout => "give the server longer with the target's timeout, or less load",
        FailureKind::Unauthorized => "check the target's key",
        FailureKind::Rejected => "check the target's model and endpoint, and the lengths asked for",
        FailureKind::RateLimited | FailureKind::Overloaded => "lower the load",
        FailureKind::ServerError | FailureKind::InStream | FailureKind::Truncated => {
            "look at the server's log"
        }
        FailureKind::Malformed => "check the target's endpoint and that the port is the model's",
        FailureKind::Cancelled => "let the benchmark end by itself",
    }
}

fn unknown(kind: &str, name: &str) -> Problem {
    Problem {
        title: format!("There is no such {kind}"),
        detail: format!("no {kind} is called `{name}`"),
        hint: format!("name it in the configuration, or another {kind}"),
    }
}

fn stopped() -> Problem {
    Problem {
        title: "The benchmark was stopped".to_owned(),
        detail: "it ended before the target was ready".to_owned(),
        hint: "submit it again".to_owned(),
    }
}

fn records_problem(error: &RecordsError) -> Problem {
    Problem {
        title: "The records cannot be kept".to_owned(),
        detail: error.problem.clone(),
        hint: error.hint.clone(),
    }
}

fn fault() -> Problem {
    Problem {
        title: "Prony made a mistake".to_owned(),
        detail: "the benchmark broke off through a fault of this program".to_owned(),
        hint: "report it with the program's output; what was measured before stands".to_owned(),
    }
}
