//! What went wrong, read off an answer's status, headers and body in every shape servers use.

use std::time::Duration;

use domain::{Failure, FailureKind};
use serde_json::Value;

use crate::retry;

/// The longest message kept, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

/// The failure that an answer without success stands for.
///
/// `header` looks a lower-case name up; `now_unix_s` is the wall clock, to read a `retry-after` date
/// by. Whether another try makes sense follows the providers' own packages: statuses 408, 409, 429
/// and 500 up, unless the server says otherwise in `x-should-retry`, and never for a spent quota.
pub fn from_response<'h>(
    status: u16,
    header: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    now_unix_s: u64,
) -> Failure {
    let report = Report::read(body);
    let kind = kind_of_status(status);
    let message = match report.message.as_deref().map(one_line) {
        Some(message) if !message.is_empty() => format!("{message}{}", hint(status)),
        Some(_) | None => format!("the server answered with status {status}{}", hint(status)),
    };
    let retryable = match header("x-should-retry") {
        Some("true") => true,
        Some("false") => false,
        Some(_) | None => matches!(status, 408 | 409 | 429 | 500..),
    };
    Failure {
        kind,
        status: Some(status),
        message,
        retry_after: retry::from_headers(status, &header, now_unix_s).or(report.retry_after),
        retryable: retryable && !report.is_quota_spent(),
    }
}

/// The failure that an error inside an answer of status 200 stands for, as an event of its stream or
/// as its whole body.
pub(crate) fn in_stream(data: &[u8]) -> Failure {
    let report = Report::read(data);
    let kind = report.kind();
    let message = match report.message.as_deref().map(one_line) {
        Some(message) if !message.is_empty() => message,
        Some(_) | None => "the server reported an error without saying which".to_owned(),
    };
    let retryable = !report.is_quota_spent() && !report.blames_request();
    Failure {
        status: Some(200),
        retryable,
        retry_after: report.retry_after,
        ..Failure::new(kind, message)
    }
}

/// What serde_json says of bad input, without quoting any of it.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    let why = match error.classify() {
        serde_json::error::Category::Eof => "its JSON breaks off",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is no JSON",
        serde_json::error::Category::Data => "a member of its JSON has the wrong type",
    };
    format!("{why} (line {}, column {})", error.line(), error.column())
}

fn kind_of_status(status: u16) -> FailureKind {
    match status {
        401 | 403 => FailureKind::Unauthorized,
        408 => FailureKind::Timeout,
        429 => FailureKind::RateLimited,
        503 | 529 => FailureKind::Overloaded,
        400..500 => FailureKind::Rejected,
        _ => FailureKind::ServerError,
    }
}

const fn hint(status: u16) -> &'static str {
    match status {
        401 => " (status 401: check the API key)",
        403 => " (status 403: the API key may not do this)",
        404 => " (status 404: check the model's name and the URL; GET /v1/models lists the models)",
        _ => "",
    }
}

/// What an error body says, whatever its shape.
#[derive(Debug, Default)]
struct Report {
    message: Option<String>,
    /// Its `type` and `code`, words or numbers.
    labels: Vec<String>,
    /// The wait that Google asks for, in the body.
    retry_after: Option<Duration>,
}

impl Report {
    /// Reads the shapes of OpenAI, Anthropic, vLLM old and new, SGLang, llama.cpp, TGI, Ollama,
    /// OpenRouter, Azure, Bedrock, Google and FastAPI; and text that is no JSON, unless it is a web page.
    fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(body);
            let is_page = text.trim_start().starts_with('<');
            return Self { message: (!is_page).then(|| text.into_owned()), ..Self::default() };
        };
        let mut report = Self::default();
        report.read_value(&value);
        report
    }

    fn read_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.set_message(text),
            Value::Array(items) => {
                if let Some(first) = items.first() {
                    self.read_value(first);
                }
            }
            Value::Object(members) => {
                for inner in ["error", "x_groq", "detail", "choices"] {
                    if let Some(value) = members.get(inner) {
                        self.read_value(value);
                    }
                }
                if let Some(Value::Array(details)) = members.get("details") {
                    self.read_details(details);
                }
                for name in ["message", "msg"] {
                    if let Some(Value::String(text)) = members.get(name) {
                        self.set_message(text);
                    }
                }
                for name in ["type", "code", "error_type", "http_status_code", "status"] {
                    match members.get(name) {
                        Some(Value::String(label)) => self.labels.push(label.clone()),
                        Some(Value::Number(label)) => self.labels.push(label.to_string()),
                        Some(_) | None => {}
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Google's `details`, one of which may say how long to wait.
    fn read_details(&mut self, details: &[Value]) {
        let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str());
        self.retry_after = self.retry_after.or_else(|| delay.and_then(retry::from_go));
    }

    fn set_message(&mut self, text: &str) {
        if self.message.is_none() && !text.trim().is_empty() {
            self.message = Some(text.to_owned());
        }
    }

    fn has(&self, labels: &[&str]) -> bool {
        self.labels.iter().any(|label| labels.contains(&label.as_str()))
    }

    fn is_quota_spent(&self) -> bool {
        self.has(&["insufficient_quota", "billing_error"])
    }

    fn blames_request(&self) -> bool {
        self.has(&[
            "400",
            "401",
            "403",
            "404",
            "413",
            "422",
            "BadRequestError",
            "NotFoundError",
            "exceed_context_size_error",
            "authentication_error",
            "invalid_request_error",
            "not_found_error",
            "permission_error",
            "request_too_large",
            "validation",
        ])
    }

    fn kind(&self) -> FailureKind {
        const RATE: [&str; 6] = [
            "429",
            "insufficient_quota",
            "rate_limit_error",
            "rate_limit_exceeded",
            "RateLimitError",
            "too_many_requests",
        ];
        const OVERLOAD: [&str; 6] = [
            "503",
            "529",
            "overloaded",
            "overloaded_error",
            "unavailable_error",
            "service_unavailable",
        ];
        if self.has(&RATE) {
            FailureKind::RateLimited
        } else if self.has(&OVERLOAD) {
            FailureKind::Overloaded
        } else {
            FailureKind::InStream
        }
    }
}

/// `text` on one line and of bounded length, without control characters.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
            length += 1;
        }
        for c in word.chars() {
            if length == MESSAGE_CHARS_MAX {
                line.push('…');
                return line;
            }
            line.push(c);
            length += 1;
        }
    }
    line
}
