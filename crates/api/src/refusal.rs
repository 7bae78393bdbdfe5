//! Why a request gets an error for an answer, and the answer it gets.

use std::time::Duration;

use dialect::{BadRequest, ErrorReport, WireFormat, encode_error};
use domain::{Failure, FailureKind};
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};

use crate::answer::AnswerBody;

/// Says whether another try makes sense, to packages that retry by themselves.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// [`RETRY_AFTER`] to the millisecond.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// An error that answers a request before anything else has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    kind: FailureKind,
    message: String,
    /// The member of the request that is at fault.
    param: Option<String>,
    /// The method to use instead.
    allow: Option<Method>,
    /// Where the model itself gave the request up: whether another try makes sense, and when.
    retry: Option<(bool, Option<Duration>)>,
}

impl Refusal {
    /// The request is at fault.
    pub(crate) fn rejected(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            kind: FailureKind::Rejected,
            message: message.into(),
            param: None,
            allow: None,
            retry: None,
        }
    }

    /// What stands here takes another method.
    pub(crate) fn wrong_method(takes: Method) -> Self {
        let message = format!("this path takes {takes}");
        Self { allow: Some(takes), ..Self::rejected(StatusCode::METHOD_NOT_ALLOWED, message) }
    }

    /// No model is called `asked`.
    pub(crate) fn unknown_model(asked: &str, known: &[&str]) -> Self {
        let message =
            format!("the model '{asked}' does not exist; served here: {}", known.join(", "));
        Self::rejected(StatusCode::NOT_FOUND, message)
    }

    /// The model failed.
    ///
    /// | kind | status |
    /// |---|---|
    /// | rejected | the model's own 4xx, else 400 |
    /// | rate limited | 429 |
    /// | overloaded, cancelled | 503; 529 in Anthropic's form |
    /// | timeout | 504 |
    /// | server error | 500 |
    /// | connect, client resources, unauthorized, in-stream, truncated, malformed | 502 |
    ///
    /// A server behind this one that refuses its credentials is no fault of the client's, hence
    /// 502.
    pub(crate) fn failed(format: WireFormat, failure: &Failure) -> Self {
        let (status, kind) = match failure.kind {
            FailureKind::Rejected => {
                let own = failure.status.filter(|status| (400..500).contains(status));
                (own.unwrap_or(400), FailureKind::Rejected)
            }
            FailureKind::RateLimited => (429, FailureKind::RateLimited),
            FailureKind::Overloaded | FailureKind::Cancelled => match format {
                WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
                    (503, FailureKind::Overloaded)
                }
                WireFormat::AnthropicMessages => (529, FailureKind::Overloaded),
            },
            FailureKind::Timeout => (504, FailureKind::Timeout),
            FailureKind::ServerError => (500, FailureKind::ServerError),
            FailureKind::Connect(_)
            | FailureKind::ClientResources
            | FailureKind::Unauthorized
            | FailureKind::InStream
            | FailureKind::Truncated
            | FailureKind::Malformed => (502, FailureKind::ServerError),
        };
        Self {
            status,
            kind,
            message: failure.message.clone(),
            param: None,
            allow: None,
            retry: Some((failure.retryable, failure.retry_after)),
        }
    }

    /// The whole answer to the request called `request_id`, in `format`.
    pub(crate) fn into_response(
        self,
        format: WireFormat,
        request_id: &str,
    ) -> Response<AnswerBody> {
        let report = ErrorReport {
            kind: self.kind,
            status: Some(self.status),
            message: &self.message,
            param: self.param.as_deref(),
            request_id: Some(request_id),
        };
        let body = encode_error(format, &report);
        let mut response = Response::new(AnswerBody::whole(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).expect("every status above has three digits");
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(method) = self.allow {
            let method = HeaderValue::from_str(method.as_str()).expect("methods are ASCII");
            headers.insert(ALLOW, method);
        }
        if let Some((retryable, after)) = self.retry {
            let word = if retryable { "true" } else { "false" };
            headers.insert(SHOULD_RETRY, HeaderValue::from_static(word));
            if let Some(after) = after {
                let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                headers.insert(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
                headers.insert(RETRY_AFTER_MS, HeaderValue::from(ms));
            }
        }
        response
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        Self { param: bad.param, ..Self::rejected(StatusCode::BAD_REQUEST, bad.message) }
    }
}
