//! Whom to call and how: the checked settings of one remote model.

use std::fmt;
use std::time::Duration;

use dialect::RequestOptions;
use domain::{Secret, WireFormat};

/// Why a target's settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The URL is not one Prony can call.
    #[error("`{url}` is not a usable URL: {reason}")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header cannot be sent.
    #[error("header `{name}` cannot be sent: {reason}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A certificate file does not hold a certificate.
    #[error("the certificate authority file cannot be used: {0}")]
    Certificate(String),
}

/// Where a server's endpoints are: scheme, host, port and the path before `/v1/…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path before the endpoint's own, without a final slash; empty at the root.
    pub prefix: String,
}

impl BaseUrl {
    /// Reads a URL such as `http://127.0.0.1:8000`, with or without a path and a final `/v1`. A
    /// URL that already ends in an endpoint's path is taken as it is, without that path.
    ///
    /// # Errors
    /// [`TargetError::Url`] where the scheme is neither http nor https, or there is no host.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let fail = |reason: &str| TargetError::Url { url: text.into(), reason: reason.into() };
        let uri: http::Uri = text.parse().map_err(|error| fail(&format!("{error}")))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(fail("the scheme must be http or https")),
            None => return Err(fail("it must start with http:// or https://")),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(fail("credentials in a URL would end up in logs; pass the key by itself"));
        }
        if uri.query().is_some() {
            return Err(fail("a query string has no place before the endpoint's path"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| fail("no host"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if has_port && uri.port_u16().is_none() {
            return Err(fail("the port must be a number from 0 to 65535"));
        }
        let mut prefix = uri.path().trim_end_matches('/');
        for endpoint in ["/chat/completions", "/completions", "/messages"] {
            prefix = prefix.strip_suffix(endpoint).unwrap_or(prefix);
        }
        let prefix = prefix.strip_suffix("/v1").unwrap_or(prefix).to_owned();
        Ok(Self {
            secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            prefix,
        })
    }

    /// The `host` header's value: the port is left out where the scheme implies it.
    #[must_use]
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

/// Which HTTP to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2: many requests on a connection; by ALPN over TLS, by prior knowledge without.
    Http2,
}

/// How to trust a server over TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificate authorities to trust beside the public ones, as PEM.
    pub authorities_pem: Option<Vec<u8>>,
    /// Accepts any certificate, for a test server on a closed network.
    pub insecure: bool,
}

/// How long each step of one try at a request may take. A retry has its limits anew, and neither
/// connecting nor the pause before a retry counts against those of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To resolve, connect and agree on TLS.
    pub connect: Duration,
    /// From the request to the first token of a streamed answer, whatever of it came before: its
    /// head, a role, a ping. Of an answer in one piece, to the first byte of its body.
    pub first_token: Option<Duration>,
    /// Between two reads of the answer's body.
    pub between_bytes: Option<Duration>,
    /// From the request to the end of the answer, sending it included.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    /// Ten seconds to connect, ten minutes in all: a slow server is measured, a dead one noticed.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_token: None,
            between_bytes: None,
            total: Some(Duration::from_secs(600)),
        }
    }
}

/// Whether failed requests are tried again. A retry starts the clock of nothing: the record's
/// origin stays that of the first try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Tries after the first; zero by default.
    pub most: u32,
}

/// The settings of one remote model. Its debug output names headers and leaves their values out.
#[derive(Clone)]
pub struct Target {
    /// Where it is.
    pub url: BaseUrl,
    /// What it speaks.
    pub format: WireFormat,
    /// The API key, if any.
    pub key: Option<Secret>,
    /// Headers to send besides Prony's own.
    pub headers: Vec<(String, String)>,
    /// What the request's body holds besides the request.
    pub options: RequestOptions,
    /// Which HTTP to speak.
    pub http: HttpVersion,
    /// The most requests at once on one HTTP/2 connection; the server may allow fewer.
    pub streams_max: u32,
    /// How to trust it.
    pub tls: Tls,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Whether to try again.
    pub retries: Retries,
}

/// Headers that belong to the connection or to the request's framing, not to the user.
const CONNECTION_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "expect",
    "x-request-id",
];

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Target")
            .field("url", &self.url)
            .field("format", &self.format)
            .field("key", &self.key)
            .field("headers", &names)
            .field("http", &self.http)
            .field("timeouts", &self.timeouts)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// A target with default settings.
    #[must_use]
    pub fn new(url: BaseUrl, format: WireFormat) -> Self {
        Self {
            url,
            format,
            key: None,
            headers: Vec::new(),
            options: RequestOptions::default(),
            http: HttpVersion::default(),
            streams_max: 100,
            tls: Tls::default(),
            timeouts: Timeouts::default(),
            retries: Retries::default(),
        }
    }

    /// Checks that every header can be sent as it stands, the one that carries the key included.
    ///
    /// # Errors
    /// [`TargetError::Header`] for the first that cannot.
    pub fn check(&self) -> Result<(), TargetError> {
        for (name, value) in dialect::request_headers(self.format, self.key.as_ref()) {
            http::HeaderValue::from_str(value.reveal()).map_err(|_| TargetError::Header {
                name: name.into(),
                reason: "the API key holds a character that headers may not",
            })?;
        }
        for (name, value) in &self.headers {
            let fail = |reason| TargetError::Header { name: name.clone(), reason };
            http::HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| fail("the name holds a character that headers may not"))?;
            http::HeaderValue::from_str(value)
                .map_err(|_| fail("the value holds a control character"))?;
            if CONNECTION_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(fail("it is set by Prony itself"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_reduced_to_what_stands_before_the_endpoint() {
        for (given, shown) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
            ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000"),
            ("https://api.example.com/v1/chat/completions", "https://api.example.com"),
            ("https://example.com/openai/v1/messages", "https://example.com/openai"),
            ("https://example.com:8443/a/b/", "https://example.com:8443/a/b"),
            ("http://[::1]:9000/v1", "http://[::1]:9000"),
        ] {
            assert_eq!(BaseUrl::parse(given).expect(given).to_string(), shown);
        }
    }

    #[test]
    fn unusable_urls_say_why() {
        for (given, part) in [
            ("127.0.0.1:8000", "must start with http://"),
            ("ftp://host", "http or https"),
            ("http://user:key@host", "credentials"),
            ("http://host/v1?key=1", "query"),
            ("http://", ""),
            ("http://127.0.0.1:99999", "65535"),
            ("http://[::1]:x", ""),
        ] {
            let message = BaseUrl::parse(given).expect_err(given).to_string();
            assert!(message.contains(part), "{given}: {message}");
        }
    }
}
