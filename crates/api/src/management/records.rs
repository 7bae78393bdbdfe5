//! A benchmark's requests one by one.
#![expect(unused_qualifications, reason = "the macro of the paths qualifies what it is given")]

use archive::history::{Order, Outcomes, RecordQuestion};
use axum::Json;
use axum::extract::State;
use control::BenchmarkId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::extract::{Id, RequestOf, blocking, no_such_benchmark, no_such_request};
use super::problem::Problem;
use super::query::{Asked, cursor, within, word};
use super::runs::with_run;

/// How many records a page has where nobody says.
const LIMIT_DEFAULT: usize = 50;
/// How many it has at most.
const LIMIT_MAX: usize = 500;

/// Which requests to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordQuery {
    /// Those of this run, by its place in the benchmark's results, counted from 0.
    run: Option<u64>,
    /// By how they ended: `all`, `succeeded` or `failed`.
    outcome: Option<String>,
    /// In which order: `started`, or the slowest first by `-ttft` or `-e2e`.
    sort: Option<String>,
    /// How many at most: 1 to 500, 50 where nothing is given.
    limit: Option<usize>,
    /// Where to go on: the `next_cursor` of the page before, in the same order.
    cursor: Option<String>,
}

impl RecordQuery {
    /// What it asks of the history of the benchmark of that id.
    pub(super) fn question(self, app: &App, id: BenchmarkId) -> Result<RecordQuestion, Problem> {
        with_run(app, id, self.run.unwrap_or(0))?;
        let outcomes = self.outcome.as_deref();
        let order = self.sort.as_deref();
        Ok(RecordQuestion {
            benchmark: id.to_string(),
            run: self.run,
            outcomes: outcomes.map_or(Ok(Outcomes::All), |given| {
                word("outcome", given, Outcomes::ALL, Outcomes::as_str)
            })?,
            order: order.map_or(Ok(Order::Started), |given| {
                word("sort", given, Order::ALL, Order::as_str)
            })?,
            after: cursor(self.cursor)?,
            limit: within("limit", self.limit.unwrap_or(LIMIT_DEFAULT), 1..=LIMIT_MAX)?,
        })
    }
}

/// One request: what a line of `requests.jsonl` says of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the records to readers; `store` writes them")]
pub(super) struct RequestRecord {
    request_id: String,
    /// What the server calls it.
    server_request_id: Option<String>,
    run_index: u64,
    model: String,
    scenario: String,
    load: String,
    user_id: u64,
    turn: u32,
    /// Where the observer stood: `client`, `gateway` or `engine`.
    vantage: String,
    warmup: bool,
    streamed: bool,
    attempts: u32,
    /// Where latencies count from: `planned` or `started`.
    origin: String,
    planned_unix_ns: u64,
    started_unix_ns: u64,
    sent_unix_ns: Option<u64>,
    headers_unix_ns: Option<u64>,
    first_token_unix_ns: Option<u64>,
    last_token_unix_ns: Option<u64>,
    finished_unix_ns: u64,
    ttft_ms: Option<f64>,
    e2el_ms: Option<f64>,
    tpot_ms: Option<f64>,
    schedule_lag_ms: f64,
    /// How much of the schedule lag was a wait for a place in flight.
    held_ms: Option<f64>,
    /// From the start to the beginning of the last try, where there were several.
    retrying_ms: Option<f64>,
    headers_lag_ms: Option<f64>,
    finished_lag_ms: f64,
    read_lag_ms_max: Option<f64>,
    connection: Option<RequestConnection>,
    max_tokens: Option<u64>,
    input_tokens: u64,
    cache_read_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: Option<u64>,
    /// Who counted: `server`, `tokenizer` or `estimate`.
    input_tokens_source: String,
    output_tokens_source: String,
    finish_reason: Option<String>,
    error: Option<RequestError>,
}

/// A connection that was opened for the request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the records to readers; `store` writes them")]
struct RequestConnection {
    resolve_ms: f64,
    connect_ms: f64,
    secure_ms: Option<f64>,
}

/// Why a request failed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the records to readers; `store` writes them")]
struct RequestError {
    kind: String,
    status: Option<u16>,
    message: String,
    retry_after_ms: Option<f64>,
    retryable: bool,
}

/// One request with its tries and chunks: a line of `requests.jsonl`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the records to readers; `store` writes them")]
pub(super) struct RequestDetail {
    #[schema(inline)]
    #[serde(flatten)]
    record: RequestRecord,
    /// The tries before the last one.
    failed_attempts: Vec<RequestAttempt>,
    /// When each chunk with a token came, in nanoseconds after the start.
    chunk_ns: Vec<u64>,
    /// How long after that it was read.
    chunk_lag_ns: Vec<u32>,
}

/// A try that failed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the records to readers; `store` writes them")]
struct RequestAttempt {
    kind: String,
    status: Option<u16>,
    failed_unix_ns: u64,
    pause_ms: f64,
}

/// A part of a list of requests.
#[derive(Serialize, ToSchema)]
pub(super) struct RequestList {
    /// In the order asked for.
    #[schema(value_type = Vec<RequestRecord>)]
    items: Vec<Box<RawValue>>,
    /// What to ask with for the next part; null at the end.
    next_cursor: Option<String>,
}

/// Lists a benchmark's requests, those sent to warm up among them
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/records",
    tag = "benchmarks",
    operation_id = "list_records",
    params(("id" = String, Path, description = "The benchmark's id"), RecordQuery),
    responses((status = 200, body = RequestList)),
)]
pub(super) async fn list(
    State(app): State<App>,
    Id(id): Id,
    Asked(query): Asked<RecordQuery>,
) -> Result<Json<RequestList>, Problem> {
    let question = query.question(&app, id)?;
    let history = app.parts.history;
    let page = blocking(move || history.records(&question)).await?;
    let next_cursor = page.next.map(|cursor| cursor.to_string());
    Ok(Json(RequestList { items: page.items, next_cursor }))
}

/// Shows one request with its tries and chunks
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/records/{request_id}",
    tag = "benchmarks",
    operation_id = "get_record",
    params(
        ("id" = String, Path, description = "The benchmark's id"),
        ("request_id" = String, Path, description = "The request's id"),
    ),
    responses((status = 200, body = RequestDetail)),
)]
pub(super) async fn get(
    State(app): State<App>,
    RequestOf(id, request): RequestOf,
) -> Result<Json<Box<RawValue>>, Problem> {
    app.parts.benchmarks.get(id).ok_or_else(|| no_such_benchmark(&id))?;
    let history = app.parts.history;
    let found = blocking(move || history.record(&id.to_string(), request)).await?;
    found.map(Json).ok_or_else(|| no_such_request(&request))
}
