//! How available targets were, by what canaries found.
#![expect(unused_qualifications, reason = "the macro of the paths qualifies what it is given")]

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use control::availability::{Availability, Condition, Downtime, Ledger};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::moment::rfc3339;
use super::problem::Problem;
use super::query::Asked;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Thirty days.
pub(super) const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);
/// The windows that are told where nobody names one.
const WINDOWS: [Duration; 4] = [HOUR, DAY, Duration::from_secs(7 * 24 * 3_600), MONTH];
/// How many days are told one by one.
const DAYS: u64 = 30;

/// Whose availability is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AvailabilityQuery {
    /// One target; every target that a schedule asks where nothing is given.
    target: Option<String>,
}

/// How available a target was in some time.
#[derive(Serialize, ToSchema)]
#[schema(as = Availability)]
pub(super) struct AvailabilityEntry {
    /// How long that time is.
    window_seconds: u64,
    /// The share of requests answered without error and within the schedule's timeout, 0 to 1; null
    /// where none was sent.
    share: Option<f64>,
    /// The lower end of the share's 95 % interval (Wilson).
    share_low: Option<f64>,
    /// Its upper end.
    share_high: Option<f64>,
    /// The requests that the share is of.
    checks: u64,
    /// Of these, those that failed.
    failed: u64,
    /// Requests that tell nothing of the target: given up when the server was stopped, or never sent
    /// for want of this machine's own means.
    excluded: u64,
    /// Rounds in which the target was asked.
    rounds: u64,
    /// Rounds left out: while a benchmark had the target under load, or because the server did not
    /// get to them.
    rounds_left_out: u64,
    /// The share of the time that was measured, 0 to 1.
    measured: f64,
    /// The share of requests that are to be answered.
    objective: f64,
    /// What is left of the failures that the objective allows, as a share of them; below 0 where there
    /// were more, null where nothing was measured.
    budget_left: Option<f64>,
    /// `up` where the objective was met, `degraded` where it was not, `down` where nothing was
    /// answered, `unmeasured` where nobody asked.
    condition: &'static str,
}

impl From<Availability> for AvailabilityEntry {
    fn from(availability: Availability) -> Self {
        let Availability { from_unix_s, to_unix_s, count, measured, objective } = availability;
        let interval = availability.interval();
        Self {
            window_seconds: to_unix_s - from_unix_s,
            share: availability.share(),
            share_low: interval.map(|interval| interval.low),
            share_high: interval.map(|interval| interval.high),
            checks: count.proportion().total,
            failed: count.failed,
            excluded: count.excluded,
            rounds: count.asked,
            rounds_left_out: count.left_out,
            measured,
            objective,
            budget_left: availability.budget_left(),
            condition: word(availability.condition()),
        }
    }
}

/// A day of a target.
#[derive(Serialize, ToSchema)]
struct AvailabilityDay {
    /// When it begins, in UTC, in milliseconds since 1970.
    start_unix_ms: u64,
    /// The share of requests answered, as far as the day is over; null where none was sent.
    share: Option<f64>,
    /// The requests that the share is of.
    checks: u64,
    /// Of these, those that failed.
    failed: u64,
    /// The share of the day that was measured, 0 to 1.
    measured: f64,
    /// What it came to: `up`, `degraded`, `down` or `unmeasured`.
    condition: &'static str,
}

impl From<Availability> for AvailabilityDay {
    fn from(day: Availability) -> Self {
        Self {
            start_unix_ms: day.from_unix_s * 1_000,
            share: day.share(),
            checks: day.count.proportion().total,
            failed: day.count.failed,
            measured: day.measured,
            condition: word(day.condition()),
        }
    }
}

const fn word(condition: Condition) -> &'static str {
    match condition {
        Condition::Up => "up",
        Condition::Degraded => "degraded",
        Condition::Down => "down",
        Condition::Unmeasured => "unmeasured",
    }
}

/// A time in which a target answered no round.
#[derive(Serialize, ToSchema)]
#[schema(as = Downtime)]
struct DowntimeEntry {
    /// The schedule that found it so.
    schedule: String,
    /// When the first round was due that it did not answer.
    from: String,
    /// When the next was due that it answered; null where there was none yet.
    to: Option<String>,
    /// How many rounds it did not answer.
    rounds: u64,
    /// What became of the first.
    problem: String,
}

/// What canaries found of a target.
#[derive(Serialize, ToSchema)]
struct TargetAvailability {
    /// The target.
    target: String,
    /// The last hour, day, seven days and thirty days.
    windows: Vec<AvailabilityEntry>,
    /// The last thirty days one by one, today's last.
    days: Vec<AvailabilityDay>,
    /// When it was down in the last 35 days, the latest first.
    downtimes: Vec<DowntimeEntry>,
}

/// What canaries found of targets.
#[derive(Serialize, ToSchema)]
pub(super) struct AvailabilityList {
    /// Targets that a schedule asks or asked, in the configuration's order.
    items: Vec<TargetAvailability>,
}

fn found(ledger: &Ledger, target: &str, now_s: u64) -> Option<TargetAvailability> {
    let windows = WINDOWS.map(|window| ledger.availability(target, window, now_s));
    let windows: Vec<_> = windows.into_iter().flatten().map(AvailabilityEntry::from).collect();
    if windows.is_empty() {
        return None;
    }
    let downtime = |(schedule, down): (Arc<str>, Downtime)| DowntimeEntry {
        schedule: schedule.as_ref().to_owned(),
        from: rfc3339(down.from_unix_nanos),
        to: down.to_unix_nanos.map(rfc3339),
        rounds: down.rounds,
        problem: down.problem,
    };
    Some(TargetAvailability {
        target: target.to_owned(),
        windows,
        days: ledger.days(target, DAYS, now_s).into_iter().map(AvailabilityDay::from).collect(),
        downtimes: ledger.downtimes(target).into_iter().map(downtime).collect(),
    })
}

/// Tells how available targets were, by what canaries found
#[utoipa::path(
    get,
    path = "/availability",
    tag = "history",
    operation_id = "get_availability",
    params(AvailabilityQuery),
    responses((status = 200, body = AvailabilityList), (status = 404, body = Problem)),
)]
pub(super) async fn availability(
    State(app): State<App>,
    Asked(AvailabilityQuery { target }): Asked<AvailabilityQuery>,
) -> Result<Json<AvailabilityList>, Problem> {
    let catalogue = &app.parts.catalogue;
    if let Some(target) = &target
        && catalogue.target(target).is_none()
    {
        let detail = format!("there is no target `{target}`");
        return Err(Problem::not_found(detail, "GET /api/v1/targets lists those there are"));
    }
    let is_asked_for = |name: &&String| target.as_ref().is_none_or(|target| target == *name);
    let names = catalogue.targets.iter().map(|target| &target.name).filter(is_asked_for);
    let now_s = app.parts.clock.unix_nanos() / 1_000_000_000;
    let items = app
        .parts
        .availability
        .ask(|ledger| names.filter_map(|name| found(ledger, name, now_s)).collect());
    Ok(Json(AvailabilityList { items }))
}
