//! Works the queue off: carries benchmarks out, one after another.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use domain::{Seed, Source, WallAnchor};
use futures_util::FutureExt as _;
use load::Control;
use pace::Time;
use report::json;
use tokio_util::sync::CancellationToken;

use crate::benchmark::{BenchmarkId, Problem, Spec};
use crate::benchmarks::{Benchmarks, Ending, Turn};
use crate::case::{Case, Place};
use crate::catalogue::{Catalogue, Target};
use crate::prompts::Asked;
use crate::recording::{Records, RecordsError};
use crate::subject::Subject;
use crate::trial::{Measured, Spent};

/// How long the requests in flight are awaited where a benchmark ends before its plan is done.
const GRACE: Duration = Duration::from_secs(10);

/// Makes the place where a benchmark's records go.
pub type RecordsOpener =
    Box<dyn Fn(BenchmarkId, &Spec) -> Result<Box<dyn Records>, RecordsError> + Send + Sync>;

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

impl Execution<'_> {
    /// Carries out every run, as far as the benchmark is not stopped.
    ///
    /// # Errors
    /// What ends the benchmark: its records or figures cannot be kept. That one target cannot be
    /// asked is no reason not to ask the others.
    async fn run(&mut self) -> Result<(), Problem> {
        let open = self.workshop.records.as_ref().map(|open| open(self.turn.id, &self.turn.spec));
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
                            let case = Case {
                                index,
                                group: Seed(self.turn.id.0),
                                target,
                                subject,
                                scenario: &scenario,
                                load,
                                protocol: &spec.protocol,
                                source: Source::Bench,
                            };
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
        let place = Place {
            region: &self.workshop.region,
            time: &self.workshop.time,
            anchor: self.anchor,
            control: &self.turn.control,
            spent: self.workshop.spent,
        };
        let mut trial = match case.trial(*asked, &place) {
            Ok(trial) => trial,
            Err(problem) => {
                self.pass_over(problem);
                return Ok(());
            }
        };
        trial.records = self.records.take();
        self.turn.tracker.begin(case.current(), &trial.plan, Arc::clone(&trial.live));
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
        if summary.completed == 0 {
            self.problems.extend(case.unanswered(&measured.failures, summary.failed));
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

pub(crate) fn unknown(kind: &str, name: &str) -> Problem {
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

pub(crate) fn records_problem(error: &RecordsError) -> Problem {
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
