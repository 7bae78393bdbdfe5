//! Which problems each operation may answer with. Most follow from what stands before every path and
//! from what an operation takes; an operation itself declares only what else it refuses.

use http::StatusCode;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{ContentBuilder, Header, ObjectBuilder, Ref, Response, Type};
use utoipa::openapi::{OpenApi, RefOr};

const MEDIA_TYPE: &str = "application/problem+json";

/// What the guard and the store may answer before any operation does its own.
const ANY: [StatusCode; 5] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::INTERNAL_SERVER_ERROR,
    StatusCode::SERVICE_UNAVAILABLE,
];
/// What may be wrong with a body.
const OF_BODIES: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
];

/// Completes every operation's answers, and gives each problem its media type.
pub(super) fn declare(document: &mut OpenApi) {
    for path in document.paths.paths.values_mut() {
        let methods =
            [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete];
        methods.into_iter().flatten().for_each(complete);
    }
}

fn complete(operation: &mut Operation) {
    for status in implied(operation) {
        let responses = &mut operation.responses.responses;
        let response = responses
            .entry(status.as_str().to_owned())
            .or_insert_with(|| RefOr::T(Response::new(description(status))));
        if let RefOr::T(response) = response
            && let Some((name, header)) = header(status)
        {
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
        {
            let schema = Ref::from_schema_name("Problem");
            let content = ContentBuilder::new().schema(Some(schema)).build();
            response.content.insert(MEDIA_TYPE.to_owned(), content.into());
        }
    }
}

/// The problems that follow from what an operation takes.
fn implied(operation: &Operation) -> Vec<StatusCode> {
    let takes = |place: &ParameterIn| {
        let mut parameters = operation.parameters.iter().flatten();
        parameters.any(|given| matches!(given, RefOr::T(given) if given.parameter_in == *place))
    };
    let mut statuses = ANY.to_vec();
    if operation.request_body.is_some() {
        statuses.extend(OF_BODIES);
    }
    if takes(&ParameterIn::Query) || takes(&ParameterIn::Path) {
        statuses.push(StatusCode::BAD_REQUEST);
    }
    if takes(&ParameterIn::Path) {
        statuses.push(StatusCode::NOT_FOUND);
    }
    statuses
}

fn description(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request cannot be read: its address, a header or its body",
        StatusCode::UNAUTHORIZED => "A key is needed, and none that is known here was sent",
        StatusCode::FORBIDDEN => {
            "The key's role does not allow it, or another site's page asks a server without keys"
        }
        StatusCode::NOT_FOUND => "There is no such thing",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body is not declared as JSON",
        StatusCode::UNPROCESSABLE_ENTITY => "The body asks for what cannot be done",
        StatusCode::TOO_MANY_REQUESTS => "This client asks more often than it may",
        StatusCode::SERVICE_UNAVAILABLE => "The server is busy",
        _ => "The store cannot be used, or Prony made a mistake",
    }
}

/// The header that goes with a problem.
fn header(status: StatusCode) -> Option<(&'static str, Header)> {
    let (name, of, description) = match status {
        StatusCode::UNAUTHORIZED => ("WWW-Authenticate", Type::String, "How a key is sent"),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            ("Retry-After", Type::Integer, "After how many seconds to try again")
        }
        _ => return None,
    };
    let schema = ObjectBuilder::new().schema_type(of).build();
    let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description));
    Some((name, header.build()))
}
