//! Benchmarks: to create, follow, list, cancel and delete them, and what they came to.
#![expect(unused_qualifications, reason = "the macro of the paths qualifies what it is given")]

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use control::{Filter, Idempotency, Status, Submission, Submitted};
use domain::Seed;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::entry::{BenchmarkEntry, StatusWord, link};
use super::extract::{Body, Id, blocking, no_such_benchmark};
use super::form::BenchmarkForm;
use super::guard::Caller;
use super::key::{KeyDigest, KeyRing, Role};
use super::problem::Problem;
use super::query::{Asked, cursor, within, word};

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
        (status = 409, description = "The key stands for another benchmark"),
        (status = 503, description = "Too many wait already"),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let form = BenchmarkForm::read(&body).map_err(Problem::invalid)?;
    if form.has_ad_hoc() {
        may_describe(&caller, &app.parts.keys)?;
    }
    let idempotency = idempotency(&headers, &form)?;
    // In microseconds, which every reader of JSON keeps exactly.
    let fresh = Seed(app.parts.clock.unix_nanos() / 1_000);
    let form = form.effective(fresh, app.parts.store_content);
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

/// Who may make this machine call whatever address they like.
fn may_describe(caller: &Caller, keys: &KeyRing) -> Result<(), Problem> {
    if caller.role >= Role::Admin {
        return Ok(());
    }
    let (detail, hint) = if keys.is_empty() {
        (
            "without keys, benchmarks name targets of the configuration".to_owned(),
            "name one, or write `ad_hoc_targets = true` under [server] in prony.toml",
        )
    } else {
        (
            format!(
                "only an admin may describe servers; the key's role is {}",
                caller.role.as_str()
            ),
            "name a target of the configuration, or use a key whose role is admin",
        )
    };
    Err(Problem::forbidden(detail, hint))
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
    responses((status = 200, body = BenchmarkList)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Asked(query): Asked<ListQuery>,
) -> Result<Json<BenchmarkList>, Problem> {
    let known = |given: &str| word("status", given, Status::ALL, Status::as_str);
    let status = query.status.as_deref().map(known).transpose()?;
    let filter = Filter { status, target: query.model, scenario: query.scenario };
    let before = cursor(query.cursor)?;
    let limit = within("limit", query.limit.unwrap_or(LIMIT_DEFAULT), 1..=LIMIT_MAX)?;
    let page = app.parts.benchmarks.list(&filter, before, limit);
    Ok(Json(BenchmarkList {
        items: page.items.into_iter().map(BenchmarkEntry::from).collect(),
        next_cursor: page.next.map(|id| id.to_string()),
    }))
}

/// Tells how a benchmark stands
#[utoipa::path(
    get,
    path = "/benchmarks/{id}",
    tag = "benchmarks",
    operation_id = "get_benchmark",
    params(("id" = String, Path, description = "The benchmark's id")),
    responses((status = 200, body = BenchmarkEntry)),
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
    responses((status = 200, body = Results)),
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
        (status = 409, description = "It has ended"),
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
        (status = 409, description = "It has not ended"),
    ),
)]
pub(super) async fn delete(State(app): State<App>, Id(id): Id) -> Result<StatusCode, Problem> {
    let benchmarks = app.parts.benchmarks;
    blocking(move || benchmarks.delete(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
