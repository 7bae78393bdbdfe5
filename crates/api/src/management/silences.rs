//! Silences: to see, make and end them.

use alert::{Matcher, Moment, Silence, SilenceError};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::alerts::written;
use super::extract::{Body, Named, blocking};
use super::problem::{Fault, Problem};

/// The most matchers of a silence.
const MATCHERS_MAX: usize = 20;
/// The longest matcher or comment, in bytes.
const TEXT_BYTES_MAX: usize = 1_000;

/// Alerts that match are shown, but nobody is told of them until it ends.
#[derive(Serialize, ToSchema)]
#[schema(as = Silence)]
pub(super) struct SilenceEntry {
    /// Its name for programs.
    id: String,
    /// Labels held against values, all of which an alert must match.
    matchers: Vec<String>,
    /// When it ends.
    #[schema(format = DateTime)]
    until: String,
    /// Why it was made.
    comment: String,
}

impl From<&Silence> for SilenceEntry {
    fn from(silence: &Silence) -> Self {
        Self {
            id: silence.id.to_string(),
            matchers: silence.matchers.iter().map(ToString::to_string).collect(),
            until: written(silence.until),
            comment: silence.comment.clone(),
        }
    }
}

/// Every silence.
#[derive(Serialize, ToSchema)]
pub(super) struct SilenceList {
    /// The oldest first.
    items: Vec<SilenceEntry>,
}

/// Lists the silences in force
#[utoipa::path(
    get,
    path = "/silences",
    tag = "alerts",
    operation_id = "list_silences",
    responses((status = 200, body = SilenceList)),
)]
pub(super) async fn list(State(app): State<App>) -> Json<SilenceList> {
    let now = Moment::now(&*app.parts.clock);
    let book = app.parts.alerts.lock();
    let in_force = book.silences().iter().filter(|silence| silence.until > now);
    Json(SilenceList { items: in_force.map(SilenceEntry::from).collect() })
}

/// A silence to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceForm {
    /// Labels held against values, such as `model="small"` or `region=~"eu-.*"`: 1 to 20, all of which
    /// an alert must match.
    matchers: Vec<String>,
    /// When it ends, in at most 90 days.
    #[schema(format = DateTime)]
    until: String,
    /// Why it is made.
    #[serde(default)]
    comment: String,
}

/// Makes a silence
#[utoipa::path(
    post,
    path = "/silences",
    tag = "alerts",
    operation_id = "create_silence",
    request_body = SilenceForm,
    responses(
        (status = 201, body = SilenceEntry),
        (status = 409, description = "There are too many already"),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    Body(body): Body,
) -> Result<(StatusCode, Json<SilenceEntry>), Problem> {
    let form: SilenceForm = serde_json::from_value(body).map_err(|error| fault("", &error))?;
    let (matchers, until) = (matchers(&form)?, until(&form)?);
    let now = Moment::now(&*app.parts.clock);
    let work = move || -> Result<SilenceEntry, Problem> {
        let alerts = &app.parts.alerts;
        let (entry, id, saved) = {
            let mut book = alerts.lock();
            let id = book
                .silence(matchers, until, form.comment, now)
                .map_err(|error| refused(&error))?;
            let made = book.silences().iter().find(|silence| silence.id == id);
            let entry = SilenceEntry::from(made.expect("it was just made"));
            (entry, id, book.save())
        };
        if let Err(error) = (app.parts.keep_alerts)(saved) {
            // One that would be lost at the next start is not made.
            alerts.lock().end_silence(id);
            return Err(error.into());
        }
        Ok(entry)
    };
    Ok((StatusCode::CREATED, Json(blocking(work).await?)))
}

fn matchers(form: &SilenceForm) -> Result<Vec<Matcher>, Problem> {
    if form.matchers.len() > MATCHERS_MAX {
        return Err(fault("/matchers", &format!("there may be {MATCHERS_MAX}")));
    }
    if form.comment.len() > TEXT_BYTES_MAX {
        return Err(fault("/comment", &format!("may have {TEXT_BYTES_MAX} bytes")));
    }
    let read = |(place, text): (usize, &String)| {
        let pointer = format!("/matchers/{place}");
        if text.len() > TEXT_BYTES_MAX {
            return Err(fault(pointer, &format!("may have {TEXT_BYTES_MAX} bytes")));
        }
        Matcher::parse(text).map_err(|reason| fault(pointer, &reason))
    };
    form.matchers.iter().enumerate().map(read).collect()
}

fn until(form: &SilenceForm) -> Result<Moment, Problem> {
    let seconds = dialect::date::from_rfc3339(&form.until);
    let until = seconds.map(|seconds| Moment::from_unix_ms(seconds * 1_000));
    until.ok_or_else(|| fault("/until", &"is no time; write it as in 2026-01-31T12:00:00Z"))
}

fn refused(error: &SilenceError) -> Problem {
    match error {
        SilenceError::NoMatcher => fault("/matchers", error),
        SilenceError::Over | SilenceError::TooLong => fault("/until", error),
        SilenceError::TooMany => Problem::conflict(error.to_string(), ""),
    }
}

fn fault(pointer: impl Into<String>, detail: &impl ToString) -> Problem {
    Problem::invalid(vec![Fault { pointer: pointer.into(), detail: detail.to_string() }])
}

/// Ends a silence
#[utoipa::path(
    delete,
    path = "/silences/{id}",
    tag = "alerts",
    operation_id = "delete_silence",
    params(("id" = String, Path, description = "The silence's id")),
    responses((status = 204, description = "It is over")),
)]
pub(super) async fn delete(
    State(app): State<App>,
    Named(id): Named,
) -> Result<StatusCode, Problem> {
    let work = move || -> Result<(), Problem> {
        let saved = {
            let mut book = app.parts.alerts.lock();
            let is_ended = id.parse().is_ok_and(|id| book.end_silence(id));
            if !is_ended {
                let hint = "GET /api/v1/silences lists those there are";
                return Err(Problem::not_found(format!("there is no silence {id}"), hint));
            }
            book.save()
        };
        Ok((app.parts.keep_alerts)(saved)?)
    };
    blocking(work).await?;
    Ok(StatusCode::NO_CONTENT)
}
