//! Reads requests, and says what is wrong with them as problems.

use axum::RequestExt as _;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use control::BenchmarkId;
use domain::RequestId;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::problem::Problem;

/// The longest body of a request.
pub(super) const BODY_BYTES_MAX: usize = 1 << 20;

/// A body of JSON.
pub(super) struct Body(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // Also what keeps other sites' pages out: they cannot send this type unasked.
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let body: Bytes = request.extract().await.map_err(|error: BytesRejection| {
            if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Problem::too_large(BODY_BYTES_MAX)
            } else {
                Problem::bad_request("the body broke off", "send it again")
            }
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            // The error's own text may quote what was sent.
            let place = format!("line {}, column {}", error.line(), error.column());
            Problem::bad_request(format!("the body is no JSON: see {place}"), "send a JSON object")
        })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

/// The one name in the path, as text.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &PathRejection) -> Problem {
    Problem::bad_request(error.body_text(), "write the path in UTF-8, percent-encoded")
}

/// The id of a benchmark in the path.
pub(super) struct Id(pub(super) BenchmarkId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Named(text) = Named::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|_| no_such_benchmark(&text))
    }
}

/// The ids of a benchmark and of one of its requests in the path.
pub(super) struct RequestOf(pub(super) BenchmarkId, pub(super) RequestId);

impl<S: Send + Sync> FromRequestParts<S> for RequestOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((id, request)) = path.map_err(|error| unreadable(&error))?;
        let id = id.parse().map_err(|_| no_such_benchmark(&id))?;
        Ok(Self(id, request.parse().map_err(|_| no_such_request(&request))?))
    }
}

/// The benchmark has no request of this id.
pub(super) fn no_such_request(id: &impl std::fmt::Display) -> Problem {
    Problem::not_found(
        format!("the benchmark has no request {id}"),
        "GET /api/v1/benchmarks/{id}/records lists those there are",
    )
}

/// There is no benchmark of this id.
pub(super) fn no_such_benchmark(id: &impl std::fmt::Display) -> Problem {
    Problem::not_found(
        format!("there is no benchmark {id}"),
        "GET /api/v1/benchmarks lists those there are",
    )
}

/// Does what may wait for the disk, where no other answer waits with it.
pub(super) async fn blocking<T: Send + 'static, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Problem>
where
    E: Into<Problem> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Into::into),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
