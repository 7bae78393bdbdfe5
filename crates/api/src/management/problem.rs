//! What a client is told when something is wrong, as RFC 9457 has it.

use archive::HistoryError;
use axum::response::{IntoResponse, Response};
use control::{CancelError, DeleteError, KeeperError, SubmitError};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use store::durable::DurableError;
use utoipa::ToSchema;

/// A problem, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:prony:problem:invalid-request")]
    kind: &'static str,
    /// The kind of problem in words.
    title: &'static str,
    /// The answer's status.
    status: u16,
    /// What is wrong this time.
    detail: String,
    /// What to do about it.
    hint: Option<String>,
    /// Each thing that is wrong with the request's body.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip)]
    header: Option<Header>,
}

/// One thing that is wrong with a request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901); empty for the body as a whole.
    #[schema(example = "/concurrent_users")]
    pub pointer: String,
    /// What.
    pub detail: String,
}

/// A header that goes with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Header {
    RetryAfterSeconds(u32),
    Authenticate,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            hint: Some(hint.into()).filter(|hint| !hint.is_empty()),
            errors: Vec::new(),
            header: None,
        }
    }

    /// The request cannot be read.
    pub(crate) fn bad_request(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "urn:prony:problem:bad-request",
            "The request cannot be read",
            detail,
            hint,
        )
    }

    /// The request can be read, but not carried out as it stands.
    pub(crate) fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [fault] => format!("{}: {}", place(&fault.pointer), fault.detail),
            faults => format!("{} things are wrong with the body", faults.len()),
        };
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "urn:prony:problem:invalid-request",
            "The request is not valid",
            detail,
            "correct what `errors` names; /docs describes the body",
        );
        Self { errors, ..problem }
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "urn:prony:problem:unsupported-media-type",
            "The body is not JSON",
            "the content-type is not application/json",
            "send `Content-Type: application/json`",
        )
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:prony:problem:too-large",
            "The body is too large",
            format!("a body may have {bytes_max} bytes"),
            "",
        )
    }

    pub(crate) fn not_found(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "urn:prony:problem:not-found",
            "There is no such thing",
            detail,
            hint,
        )
    }

    /// What requests asked and were answered is not kept, where it might have been.
    pub(crate) fn content_not_kept(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "urn:prony:problem:content-not-kept",
            "Prompts and answers are not kept",
            detail,
            hint,
        )
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "urn:prony:problem:method-not-allowed",
            "The path takes another method",
            "the path exists, but not with this method",
            "/docs lists what each path takes",
        )
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        let problem = Self::new(
            StatusCode::UNAUTHORIZED,
            "urn:prony:problem:unauthorized",
            "A key is needed",
            detail,
            "send `Authorization: Bearer KEY` with a key from the server's configuration",
        );
        Self { header: Some(Header::Authenticate), ..problem }
    }

    pub(crate) fn forbidden(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "urn:prony:problem:forbidden",
            "That is not allowed",
            detail,
            hint,
        )
    }

    pub(crate) fn conflict(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "urn:prony:problem:conflict",
            "That does not fit what there is",
            detail,
            hint,
        )
    }

    pub(crate) fn too_many_requests(retry_after_s: u32) -> Self {
        let problem = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "urn:prony:problem:too-many-requests",
            "There are too many requests",
            "this client asks more often than it may",
            "wait as long as Retry-After says; /api/v1/live streams what changes",
        );
        Self { header: Some(Header::RetryAfterSeconds(retry_after_s)), ..problem }
    }

    pub(crate) fn busy(detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:prony:problem:busy",
            "The server is busy",
            detail,
            hint,
        );
        Self { header: Some(Header::RetryAfterSeconds(1)), ..problem }
    }

    fn store(detail: String, hint: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "urn:prony:problem:store",
            "The store cannot be used",
            detail,
            hint,
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "urn:prony:problem:internal",
            "Prony made a mistake",
            "the request met a fault of this program",
            "report it with the server's output",
        )
    }
}

/// A pointer in words.
fn place(pointer: &str) -> &str {
    match pointer.strip_prefix('/') {
        Some(name) => name,
        None => "the body",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("text and numbers can be written");
        let status = StatusCode::from_u16(self.status).expect("made from a status");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.header {
            None => {}
            Some(Header::RetryAfterSeconds(seconds)) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Some(Header::Authenticate) => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
        }
        response
    }
}

impl From<KeeperError> for Problem {
    fn from(error: KeeperError) -> Self {
        Self::store(error.problem, error.hint)
    }
}

impl From<DurableError> for Problem {
    fn from(error: DurableError) -> Self {
        Self::store(error.to_string(), "see the server's output, and whether its disk is sound")
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Store(error) => error.into(),
            HistoryError::Grid(error) => {
                let hint =
                    "from_unix_ms and to_unix_ms say which time, step_seconds or points how fine";
                Self::bad_request(error.to_string(), hint)
            }
            HistoryError::TooManyGroups => {
                Self::bad_request(error.to_string(), "group_by says what series are told apart by")
            }
        }
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::QueueFull { .. } => {
                Self::busy(error.to_string(), "wait for one to end, or cancel one that waits")
            }
            SubmitError::KeyReused { by } => Self::conflict(
                error.to_string(),
                format!("{by} was created with this key: use another key for another benchmark"),
            ),
            SubmitError::Keeper(error) => error.into(),
        }
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown(_) => {
                Self::not_found(error.to_string(), "GET /api/v1/benchmarks lists those there are")
            }
            CancelError::Ended(_) => {
                Self::conflict(error.to_string(), "only what waits or runs can be cancelled")
            }
            CancelError::Guest => {
                Self::conflict(error.to_string(), "stop that process where it was started")
            }
            CancelError::Keeper(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Unknown(_) => {
                Self::not_found(error.to_string(), "GET /api/v1/benchmarks lists those there are")
            }
            DeleteError::Active(_) => {
                Self::conflict(error.to_string(), "cancel it first, and wait until it has ended")
            }
            DeleteError::Keeper(error) => error.into(),
        }
    }
}
