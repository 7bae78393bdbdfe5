//! What a benchmark's requests asked and were answered, where that is kept.

use axum::Json;
use axum::extract::State;
use control::Benchmark;
use domain::RequestId;
use serde::Serialize;
use serde_json::Value;
use store::Content;
use store::content::{Called, Said};
use store::durable::DurableError;
use utoipa::ToSchema;

use super::App;
use super::extract::{Id, RequestOf, blocking, no_such_benchmark, no_such_request};
use super::problem::Problem;
use super::query::Asked;
use super::records::RecordQuery;

/// What one request asked and was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = RequestContent)]
pub(super) struct ContentEntry {
    /// The request's id in the records.
    request_id: String,
    /// What it asked, message after message.
    prompt: Vec<MessageEntry>,
    /// The answer proper.
    answer: String,
    /// What the model thought before it; empty where it did not say.
    reasoning: String,
    /// The tools the model called.
    tool_calls: Vec<CallEntry>,
    /// Whether a part is missing: of a prompt or an answer, 1 MiB is kept.
    is_cut: bool,
}

/// One message of a prompt.
#[derive(Serialize, ToSchema)]
#[schema(as = ContentMessage)]
struct MessageEntry {
    /// Who says it: `system`, `user`, `assistant` or `tool`; null where the prompt is one text, which
    /// nobody is named for.
    role: Option<String>,
    /// What.
    content: String,
}

/// A tool that the model called.
#[derive(Serialize, ToSchema)]
#[schema(as = ContentToolCall)]
struct CallEntry {
    /// The tool.
    name: String,
    /// What it is given, as the model wrote it.
    arguments: String,
}

impl From<Content> for ContentEntry {
    fn from(content: Content) -> Self {
        let message = |Said { role, content }| MessageEntry { role, content };
        let call = |Called { name, arguments }| CallEntry { name, arguments };
        Self {
            request_id: content.id.to_string(),
            prompt: content.prompt.into_iter().map(message).collect(),
            answer: content.answer,
            reasoning: content.reasoning,
            tool_calls: content.tool_calls.into_iter().map(call).collect(),
            is_cut: content.is_cut,
        }
    }
}

/// A part of a list of what requests asked and were answered.
#[derive(Serialize, ToSchema)]
pub(super) struct ContentList {
    /// In the order asked for. Fewer than the limit where the text of some requests is not kept, and
    /// where texts are long.
    items: Vec<ContentEntry>,
    /// What to ask with for the next part; null at the end.
    next_cursor: Option<String>,
}

/// Lists what a benchmark's requests asked and were answered, where that is kept
///
/// It is where `store_content` was true when the benchmark was created, and for a time. Only operators
/// and admins may read it.
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/content",
    tag = "benchmarks",
    operation_id = "list_content",
    params(("id" = String, Path, description = "The benchmark's id"), RecordQuery),
    responses(
        (status = 200, body = ContentList),
        (status = 404, description = "There is no such benchmark or run, or nothing of it is kept: \
                                      `type` then ends in `content-not-kept`"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Id(id): Id,
    Asked(query): Asked<RecordQuery>,
) -> Result<Json<ContentList>, Problem> {
    let benchmark = app.parts.benchmarks.get(id).ok_or_else(|| no_such_benchmark(&id))?;
    let question = query.question(&app, id)?;
    let history = app.parts.history;
    let page = blocking(move || history.contents(&question)).await?;
    let page = page.ok_or_else(|| not_kept(&benchmark, None))?;
    Ok(Json(ContentList {
        items: page.items.into_iter().map(ContentEntry::from).collect(),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }))
}

/// Shows what one request asked and was answered, where that is kept
#[utoipa::path(
    get,
    path = "/benchmarks/{id}/content/{request_id}",
    tag = "benchmarks",
    operation_id = "get_content",
    params(
        ("id" = String, Path, description = "The benchmark's id"),
        ("request_id" = String, Path, description = "The request's id"),
    ),
    responses(
        (status = 200, body = ContentEntry),
        (status = 404, description = "There is no such request, or its text is not kept: `type` then \
                                      ends in `content-not-kept`"),
    ),
)]
pub(super) async fn get(
    State(app): State<App>,
    RequestOf(id, request): RequestOf,
) -> Result<Json<ContentEntry>, Problem> {
    let benchmark = app.parts.benchmarks.get(id).ok_or_else(|| no_such_benchmark(&id))?;
    let history = app.parts.history;
    let read = move || -> Result<_, DurableError> {
        let id = id.to_string();
        let content = history.content(&id, request)?;
        let is_there = content.is_some() || history.record(&id, request)?.is_some();
        Ok((content, is_there))
    };
    match blocking(read).await? {
        (Some(content), _) => Ok(Json(content.into())),
        (None, true) => Err(not_kept(&benchmark, Some(request))),
        (None, false) => Err(no_such_request(&request)),
    }
}

/// Nothing is kept of a benchmark, or of one request of it.
fn not_kept(benchmark: &Benchmark, request: Option<RequestId>) -> Problem {
    let whose = match request {
        Some(request) => format!("request {request}"),
        None => "this benchmark".to_owned(),
    };
    let (detail, hint) = match &benchmark.request["store_content"] {
        Value::Bool(true) => (
            format!("prompts and answers of {whose} are not kept any more, or not yet"),
            "they stay as long as `content_retention` under [store] says, 7 days where it is silent",
        ),
        Value::Bool(false) => (
            format!("prompts and answers of {whose} were not asked to be kept"),
            "create a benchmark with `\"store_content\": true`, or write `content = true` under \
             [store] in prony.toml",
        ),
        _ => (
            format!("no prompts and answers of {whose} are kept"),
            "`prony bench` keeps them with `--store-content`, for as long as \
             `--content-retention` says",
        ),
    };
    Problem::content_not_kept(detail, hint)
}
