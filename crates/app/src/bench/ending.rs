//! How a run ended: what the user is told of it, and the exit code it deserves.

use analysis::{RunSummary, remedy_by_flags};
use control::{RecordsError, TrialError};
use domain::FailureKind;
use load::{Report, StopCause};

use super::check::Bench;
use crate::failure::{Exit, UserError, remedy_before_load};
use crate::output;

/// How a run ended.
pub(super) struct Ending {
    pub(super) exit: Exit,
    /// Whether its plan was not done by then.
    pub(super) is_early: bool,
    remarks: Vec<String>,
    error: Option<UserError>,
}

impl Ending {
    /// The ending of a run whose records are whole. `failures` are counted by kind, the commonest
    /// first.
    pub(super) fn of(
        bench: &Bench,
        report: &Report,
        summary: &RunSummary,
        failures: &[(FailureKind, u64)],
    ) -> Self {
        let cause = cause(report.cause);
        let remarks = cause.into_iter().map(str::to_owned).chain(held_back(report));
        let (exit, error) = judge(bench, summary, failures);
        Self { exit, is_early: cause.is_some(), remarks: remarks.collect(), error }
    }

    /// The ending of a run whose records could not be written.
    pub(super) fn unwritten(error: RecordsError) -> Self {
        let error = UserError::new(Exit::File, error.problem).hint(error.hint);
        Self { exit: error.exit, is_early: true, remarks: Vec::new(), error: Some(error) }
    }

    /// Tells the user, who is told which run it was where there are several.
    pub(super) fn tell(self, run: Option<&str>) {
        let run_before = run.map_or_else(String::new, |run| format!("{run}: "));
        for remark in self.remarks {
            output::talk(&format!("warning: {run_before}{remark}"));
        }
        if let Some(error) = self.error {
            output::talk(&error.of(run));
        }
    }
}

/// Why a run ended before its plan was done.
const fn cause(cause: StopCause) -> Option<&'static str> {
    match cause {
        StopCause::Interrupted => {
            Some("interrupted: the requests in flight were awaited; this is what was measured")
        }
        StopCause::Aborted => {
            Some("interrupted twice: the requests in flight were given up and count as cancelled")
        }
        StopCause::Failures => Some("stopped: the limit of failed requests was reached"),
        StopCause::Requests | StopCause::Duration => None,
    }
}

fn held_back(report: &Report) -> Option<String> {
    (report.held_back > 0).then(|| {
        format!(
            "{} requests were held back because records could not be written fast enough\n  help: \
             write them to a faster disk",
            report.held_back
        )
    })
}

/// The exit code a run deserves, success only if its requests succeeded, and why.
fn judge(
    bench: &Bench,
    summary: &RunSummary,
    failures: &[(FailureKind, u64)],
) -> (Exit, Option<UserError>) {
    let attempted = summary.completed + summary.failed;
    let Some(&(kind, _)) = failures.first() else {
        return (if attempted == 0 { Exit::Other } else { Exit::Success }, None);
    };
    let share = summary.failed as f64 / attempted.max(1) as f64;
    let is_forgiven = summary.completed > 0 && share <= bench.error_share_max;
    // Each limit is one of its own: a share that forgives failures does not forgive their number.
    let failed: u64 = failures.iter().map(|(_, count)| count).sum();
    let passed = bench.protocol.stop.failures.filter(|most| failed >= *most);
    if is_forgiven && passed.is_none() {
        return (Exit::Success, None);
    }
    let exit = Exit::Requests(kind);
    let limit = passed.filter(|_| is_forgiven);
    let limit = limit.map_or_else(String::new, |most| format!("; --max-errors {most} is reached"));
    let failed = summary.failed;
    let problem = format!("{failed} of {attempted} requests failed, most often: {kind}{limit}");
    let error = UserError::new(exit, problem).hint(match kind {
        FailureKind::Rejected if bench.protocol.ignore_eos => {
            "the server may not know ignore_eos: leave --ignore-eos out"
        }
        kind => remedy_by_flags(kind),
    });
    (exit, Some(error))
}

/// Why a run could not begin.
pub(super) fn unbegun(bench: &Bench, error: &TrialError) -> UserError {
    match error {
        TrialError::Prepare(failure) => {
            UserError::new(Exit::Requests(failure.kind), failure.message.clone())
                .hint(remedy_before_load(failure.kind, bench.subject.http()))
        }
        TrialError::System(_) => UserError::new(Exit::Other, error.to_string()),
    }
}
