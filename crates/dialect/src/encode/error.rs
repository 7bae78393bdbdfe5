//! How a server words its errors.

use domain::{FailureKind, WireFormat};

use crate::json;

/// An error, as it is told to a client.
#[derive(Clone, Copy, Debug)]
pub struct ErrorReport<'a> {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// The answer's status, which picks the words where `kind` has none of its own; `None` inside a
    /// stream.
    pub status: Option<u16>,
    /// What happened.
    pub message: &'a str,
    /// The member of the request that is at fault; told in OpenAI form.
    pub param: Option<&'a str>,
    /// What the request is called; told in Anthropic form, which repeats the header's.
    pub request_id: Option<&'a str>,
}

/// The body of an answer with an error status, or the data of an event that tells of one.
#[must_use]
pub fn encode_error(format: WireFormat, report: &ErrorReport<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write_error(format, report, &mut out);
    out
}

/// Appends what [`encode_error`] returns.
pub(super) fn write_error(format: WireFormat, report: &ErrorReport<'_>, out: &mut Vec<u8>) {
    let &ErrorReport { kind, status, message, param, request_id } = report;
    match format {
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => {
            let (label, code) = openai_error(kind, status);
            out.extend_from_slice(br#"{"error":{"message":"#);
            json::string(message, out);
            out.extend_from_slice(br#","type":"#);
            json::string(label, out);
            out.extend_from_slice(br#","param":"#);
            json::value(&param, out);
            out.extend_from_slice(br#","code":"#);
            json::value(&code, out);
            out.extend_from_slice(b"}}");
        }
        WireFormat::AnthropicMessages => {
            out.extend_from_slice(br#"{"type":"error","error":{"type":"#);
            json::string(anthropic_error(kind, status), out);
            out.extend_from_slice(br#","message":"#);
            json::string(message, out);
            out.push(b'}');
            if let Some(id) = request_id {
                out.extend_from_slice(br#","request_id":"#);
                json::string(id, out);
            }
            out.push(b'}');
        }
    }
}

/// OpenAI's type and code of an error.
const fn openai_error(
    kind: FailureKind,
    status: Option<u16>,
) -> (&'static str, Option<&'static str>) {
    match kind {
        FailureKind::Unauthorized => ("invalid_request_error", Some("invalid_api_key")),
        FailureKind::RateLimited => ("requests", Some("rate_limit_exceeded")),
        FailureKind::Overloaded => ("server_error", Some("overloaded")),
        FailureKind::Rejected => match status {
            Some(404) => ("invalid_request_error", Some("model_not_found")),
            Some(_) | None => ("invalid_request_error", None),
        },
        FailureKind::Connect(_)
        | FailureKind::ClientResources
        | FailureKind::Timeout
        | FailureKind::ServerError
        | FailureKind::InStream
        | FailureKind::Truncated
        | FailureKind::Malformed
        | FailureKind::Cancelled => ("server_error", None),
    }
}

/// Anthropic's type of an error.
const fn anthropic_error(kind: FailureKind, status: Option<u16>) -> &'static str {
    match kind {
        FailureKind::Unauthorized => match status {
            Some(403) => "permission_error",
            Some(_) | None => "authentication_error",
        },
        FailureKind::RateLimited => "rate_limit_error",
        FailureKind::Overloaded => "overloaded_error",
        FailureKind::Timeout => "timeout_error",
        FailureKind::Rejected => match status {
            Some(404) => "not_found_error",
            Some(413) => "request_too_large",
            Some(_) | None => "invalid_request_error",
        },
        FailureKind::Connect(_)
        | FailureKind::ClientResources
        | FailureKind::ServerError
        | FailureKind::InStream
        | FailureKind::Truncated
        | FailureKind::Malformed
        | FailureKind::Cancelled => "api_error",
    }
}
