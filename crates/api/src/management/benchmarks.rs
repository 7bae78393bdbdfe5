//! Benchmarks: to create, follow, list, cancel and delete them, and what they came to.
#![expect(unused_qualifications, reason = "the macro of the paths qualifies what it is given")]

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use control::{Filter, Idempotency, Status, Submission, Submitted};
use domain::Seed;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::entry::{BenchmarkEntry, StatusWord, link};
use super::extract::{Asked, Body, Id, blocking, no_such_benchmark};
use super::form::BenchmarkForm;
use super::key::KeyDigest;
use super::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// How many benchmarks a list has where nobody says.
const LIMIT_DEFAULT: usize = 50;
/// How many it has at most.
const LIMIT_MAX: usize = 500;

/// Creates a benchmark, which runs when those before it have ended
///
/// A client that is not sure whether its request came through sends it again with the same
/// `Idempotency-Key`, and gets the benchmark it created the first time.
#[utoipa::path(
    post,
    path = "/benchmarks",
    tag = "benchmarks",
    operation_id = "create_benchmark",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same for the same benchmark; up to 255 bytes")),
    request_body = BenchmarkForm,
    responses(
        (status = 202, body = BenchmarkEntry, description = "It is queued; `Location` is where to follow it"),
        (status = 409, body = Problem, description = "The key stands for another benchmark"),
        (status = 422, body = Problem, description = "The body asks for what cannot be done"),
        (status = 503, body = Problem, description = "Too many wait already"),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let form = BenchmarkForm::read(&body).map_err(Problem::invalid)?;
    let idempotency = idempotency(&headers, &form)?;
    // In microseconds, which every reader of JSON keeps exactly.
    let fresh = Seed(app.parts.clock.unix_nanos() / 1_000);
    let form = form.effective(fresh);
    let spec = form.check(&app.parts.catalogue).map_err(Problem::invalid)?;
    let submission = Submission {
        name: form.name.clone(),
        request: serde_json::to_value(&form).expect("a form is plain data"),
        spec,
        labels: form.labels,
        idempotency,
    };
    let benchmarks = app.parts.benchmarks;
    let submitted = blocking(move || benchmarks.submit(submission)).await?;
    let (Submitted::New(benchmark) | Submitted::Known(benchmark)) = submitted;
    let location = HeaderValue::from_str(&link(benchmark.id)).expect("an id is ASCII");
    let entry = Json(BenchmarkEntry::from(benchmark));
    Ok((StatusCode::ACCEPTED, [(LOCATION, location)], entry).into_response())
}

fn idempotency(headers: &HeaderMap, form: &BenchmarkForm) -> Result<Option<Idempotency>, Problem> {
    let Some(given) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let legal = given.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()));
    let key = legal.ok_or_else(|| {
        let detail = format!("the Idempotency-Key is not 1 to {KEY_BYTES_MAX} visible characters");
        Problem::bad_request(detail, "a UUID will do")
    })?;
    let asked = serde_json::to_string(form).expect("a form is plain data");
    Ok(Some(Idempotency { key: key.to_owned(), digest: KeyDigest::of(&asked).to_string() }))
}

/// Which benchmarks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Those that stand so.
    status: Option<String>,
    /// Those about this target.
    model: Option<String>,
    /// Those about this scenario.
    scenario: Option<String>,
    /// How many at most: 1 to 500, 50 where nothing is given.
    limit: Option<usize>,
    /// Where to go on: the `next_cursor` of the list before.
    cursor: Option<String>,
}

/// A part of the list of benchmarks.
#[derive(Serialize, ToSchema)]
pub(super) struct BenchmarkList {
    /// The newest first.
    items: Vec<BenchmarkEntry>,
    /// What to ask with for the next part; null at the end.
    next_cursor: Option<String>,
}

/// Lists benchmarks, the newest first
#[utoipa::path(
    get,
    path = "/benchmarks",
    tag = "benchmarks",
    operation_id = "list_benchmarks",
    params(ListQuery),
    responses((status = 200, body = BenchmarkList), (status = 400, body = Problem)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<BenchmarkList>, Problem> {
    let status = query.status.map(|word| status(&word)).transpose()?;
    let filter = Filter { status, target: query.model, scenario: query.scenario };
    let cursor = |text: String| {
        let hint = "leave it out, or send a `next_cursor` as it came";
        text.parse().map_err(|_| Problem::bad_request("the cursor is none of this list's", hint))
    };
    let before = query.cursor.map(cursor).transpose()?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be 1 to {LIMIT_MAX}"), ""));
    }
    let page = app.parts.benchmarks.list(&filter, before, limit);
    Ok(Json(BenchmarkList {
        items: page.items.into_iter().map(BenchmarkEntry::from).collect(),
        next_cursor: page.next.map(|id| id.to_string()),
    }))
}

fn status(word: &str) -> Result<Status, Problem> {
    Status::from_word(word).ok_or_else(|| {
        let known = Status::ALL.map(Status::as_str).join(", ");
        Problem::bad_request(format!("no status is called `{word}`"), format!("use one of {known}"))
    })
}

/// Tells how a benchmark stands
#[utoipa::path(
    get,
    path = "/benchmarks/{id}",
    tag = "benchmarks",
    operation_id = "get_benchmark",
    params(("id" = String, Path, description = "The benchmark's id")),
    responses((status = 200, body = BenchmarkEntry), (status = 404, body = Problem)),
)]
pub(super) async fn get(
    State(app): State<App>,
    Id(id): Id,
) -> Result<Json<BenchmarkEntry>, Problem> {
    let benchmark = app.parts.benchmarks.get(id).ok_or_else(|| no_such_benchmark(&id))?;
    Ok(Json(benchmark.into()))
}

/// What a benchmark came to so far.
#[derive(Serialize, ToSchema)]
pub(super) struct Results {
    /// The benchmark's id.
    id: String,
    /// Where it stands: while it runs, further runs will come.
    #[schema(value_type = StatusWord)]
    status: &'static str,
    /// Each run that has ended, in their order, as an entry of `runs` in the `summary.json` of
    /// `prony bench`. `target` is the target's name.
    #[schema(value_type = Vec<Object>)]
    runs: Vec<Value>,
}

/// Tells what a benchmark came to: every figure of each run that has ended
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/results",
    tag = "benchmarks",
    operation_id = "get_results",
    params(("id" = String, Path, description = "The benchmark's id")),
    responses((status = 200, body = Results), (status = 404, body = Problem)),
)]
pub(super) async fn results(State(app): State<App>, Id(id): Id) -> Result<Json<Results>, Problem> {
    let benchmarks = app.parts.benchmarks;
    let found = blocking(move || -> Result<_, control::KeeperError> {
        // The status first: a run that ends in between is one more than it promises.
        let status = benchmarks.get(id).map(|benchmark| benchmark.status);
        Ok(status.zip(benchmarks.runs(id)?))
    });
    let (status, runs) = found.await?.ok_or_else(|| no_such_benchmark(&id))?;
    Ok(Json(Results { id: id.to_string(), status: status.as_str(), runs }))
}

/// Ends a benchmark before its plan is done
///
/// One that waits ends at once. One that runs sends nothing more and waits for what is in flight, at
/// most ten seconds; what was measured stands.
#[utoipa::path(
    post,
    path = "/benchmarks/{id}/cancel",
    tag = "benchmarks",
    operation_id = "cancel_benchmark",
    params(("id" = String, Path, description = "The benchmark's id")),
    responses(
        (status = 202, body = BenchmarkEntry),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It has ended"),
    ),
)]
pub(super) async fn cancel(
    State(app): State<App>,
    Id(id): Id,
) -> Result<(StatusCode, Json<BenchmarkEntry>), Problem> {
    let benchmarks = app.parts.benchmarks;
    let cancelled = blocking(move || benchmarks.cancel(id)).await?;
    Ok((StatusCode::ACCEPTED, Json(cancelled.into())))
}

/// Deletes a benchmark that has ended, and what it came to
#[utoipa::path(
    delete,
    path = "/benchmarks/{id}",
    tag = "benchmarks",
    operation_id = "delete_benchmark",
    params(("id" = String, Path, description = "The benchmark's id")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "It has not ended"),
    ),
)]
pub(super) async fn delete(State(app): State<App>, Id(id): Id) -> Result<StatusCode, Problem> {
    let benchmarks = app.parts.benchmarks;
    blocking(move || benchmarks.delete(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
