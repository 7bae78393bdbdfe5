//! The server that settings name: where it is, and how it is spoken to.

use std::path::Path;

use dialect::{IgnoreEos, RequestOptions};
use domain::{Secret, WireFormat};
use provider::{BaseUrl, HttpVersion, Retries, Target, TargetError, Timeouts, Tls};

use super::check::{read, read_bytes};
use super::settings::{BenchSettings, EndpointType};
use crate::failure::{Exit, UserError};
use crate::value::Span;
use crate::{hosted, output};

/// The server at `url`, as `settings` say.
pub(super) fn target(url: &str, settings: &BenchSettings) -> Result<Target, UserError> {
    let BenchSettings { target: named, http, workload, .. } = settings;
    let base = BaseUrl::parse(url).map_err(|error| url_error(url, error))?;
    let format = match named.endpoint_type {
        Some(EndpointType::Chat) => WireFormat::OpenAiChat,
        Some(EndpointType::Completions) => WireFormat::OpenAiCompletions,
        Some(EndpointType::Messages) => WireFormat::AnthropicMessages,
        None => provider::probe::likely_format(url),
    };
    let mut target = Target::new(base, format);
    target.key = key(named.api_key_file.as_deref(), format)?;
    target.headers =
        http.header.iter().map(|text| header(text)).collect::<Result<_, UserError>>()?;
    target.options = RequestOptions {
        extra_body: extra_body(http.extra_body.as_deref())?,
        include_usage: true,
        limit_field: hosted::limit_field(&target.url.host),
        ignore_eos: if workload.ignore_eos { IgnoreEos::Field } else { IgnoreEos::Unsupported },
        ..RequestOptions::default()
    };
    target.http = if http.http2 { HttpVersion::Http2 } else { HttpVersion::Http1 };
    if let Some(streams_max) = http.streams_max {
        if !http.http2 {
            return Err(UserError::usage(
                "--streams-max is about HTTP/2; over HTTP/1.1 a connection carries one request",
            )
            .hint("add --http2, or leave it out"));
        }
        target.streams_max = streams_max;
    }
    target.tls = Tls {
        authorities_pem: http.ca_file.as_deref().map(read).transpose()?,
        insecure: http.insecure,
    };
    let base = Timeouts::default();
    target.timeouts = Timeouts {
        connect: http.connect_timeout.map_or(base.connect, |Span(time)| time),
        first_token: http.first_token_timeout.map(|Span(time)| time),
        total: http.timeout.map_or(base.total, |Span(time)| Some(time)),
        ..base
    };
    target.retries = Retries { most: http.retries.unwrap_or(0) };
    target.check().map_err(|error| UserError::usage(error.to_string()))?;
    Ok(target)
}

/// A URL may hold credentials, so no more of it is repeated than a host and a port.
fn url_error(url: &str, error: TargetError) -> UserError {
    match error {
        TargetError::Url { reason, .. } => {
            let told = UserError::usage(format!("the URL given to --url cannot be used: {reason}"));
            told.hint(match with_scheme(url) {
                Some(meant) => format!("write --url {meant}"),
                None => "write it like --url http://127.0.0.1:8000".to_owned(),
            })
        }
        error @ (TargetError::Header { .. } | TargetError::Certificate(_)) => {
            UserError::usage(error.to_string())
        }
    }
}

/// What a host and port without a scheme mean. `None` for anything else: a key may have been given in
/// the URL's place.
fn with_scheme(url: &str) -> Option<String> {
    let address = url.trim_end_matches('/').trim_end_matches("/v1");
    let (host, port) = address.rsplit_once(':')?;
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_of_host) || port.parse::<u16>().is_err() {
        return None;
    }
    let scheme = if port == "443" { "https" } else { "http" };
    // `localhost` may be ::1 first, where many servers do not listen.
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    Some(format!("{scheme}://{host}:{port}"))
}

/// Takes `Name: value` apart. What is wrong is said without repeating any of it: it may be a key.
fn header(text: &str) -> Result<(String, String), UserError> {
    let wrong = |problem: &str| {
        UserError::usage(format!("a header given to --header {problem}"))
            .hint("write it like --header 'Authorization: Bearer KEY', in quotes")
    };
    let (name, value) = text.split_once(':').ok_or_else(|| wrong("has no colon"))?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_allowed) {
        return Err(wrong("has a name that headers may not have"));
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Whether the user says in the extra body how the model's end is to be ignored.
pub(super) fn names_ignore_eos(options: &RequestOptions) -> bool {
    options.extra_body.as_ref().is_some_and(|body| body.contains_key("ignore_eos"))
}

fn key(file: Option<&Path>, format: WireFormat) -> Result<Option<Secret>, UserError> {
    if let Some(path) = file {
        // The key itself may have been given in place of a file, so that is not repeated.
        let hint = "give the path of a file whose first line is the key";
        let bytes = read_bytes(path).map_err(|error| {
            let problem = format!("cannot read the file given to --api-key-file: {error}");
            UserError::new(Exit::File, problem).hint(hint)
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().next().unwrap_or_default().trim();
        if line.is_empty() {
            return Err(UserError::new(
                Exit::File,
                "the file given to --api-key-file has no key on its first line",
            )
            .hint(hint));
        }
        return Ok(Some(Secret::new(line)));
    }
    let variable = match format {
        WireFormat::AnthropicMessages => "ANTHROPIC_API_KEY",
        WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => "OPENAI_API_KEY",
    };
    Ok(output::environment(variable).map(Secret::new))
}

fn extra_body(
    text: Option<&str>,
) -> Result<Option<serde_json::Map<String, serde_json::Value>>, UserError> {
    let Some(text) = text else { return Ok(None) };
    // Only the place of an error is told: its text may quote the value, which may hold a secret.
    let place = match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(body)) => return Ok(Some(body)),
        Ok(_) => String::new(),
        Err(error) => format!(": see line {}, column {}", error.line(), error.column()),
    };
    Err(UserError::usage(format!("--extra-body is not a JSON object{place}"))
        .hint(r#"write it like --extra-body '{"top_k": 20}'"#))
}

#[cfg(test)]
mod tests {
    use dialect::LimitField;

    use super::*;

    #[test]
    fn an_address_without_a_scheme_is_told_what_it_most_likely_means() {
        for (given, meant) in [
            ("localhost:9123", Some("http://127.0.0.1:9123")),
            ("127.0.0.1:8000/v1", Some("http://127.0.0.1:8000")),
            ("[::1]:8000/", Some("http://[::1]:8000")),
            ("gpu-7:8000", Some("http://gpu-7:8000")),
            ("api.example.com:443", Some("https://api.example.com:443")),
            // Each of these may be a key, or hold one.
            ("api.example.com/v1", None),
            ("me:key@host:8000", None),
            ("host:8000/v1?key=1", None),
            ("host:8000/key", None),
            ("host:key", None),
            ("ftp://host:21", None),
            ("sk-4714", None),
            (":8000", None),
            ("", None),
        ] {
            assert_eq!(with_scheme(given).as_deref(), meant, "{given}");
        }
    }

    #[test]
    fn the_limit_of_an_answer_is_worded_as_the_server_knows_it() {
        for (url, field) in [
            ("http://127.0.0.1:8000", LimitField::MaxTokens),
            ("https://api.mistral.ai", LimitField::MaxTokens),
            ("https://api.openai.com", LimitField::MaxCompletionTokens),
        ] {
            let url = BaseUrl::parse(url).expect("a legal URL");
            assert_eq!(hosted::limit_field(&url.host), field, "{}", url.host);
        }
    }
}
