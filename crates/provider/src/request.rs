//! What stands before a request's body, the same for every request of a target but for its id.

use domain::{RequestId, Secret};

use crate::target::Target;

/// The head of a request to one endpoint.
pub(crate) struct RequestHead {
    method: http::Method,
    url: String,
    path: String,
    authority: String,
    /// Names in lower case; the values may be secrets.
    headers: Vec<(String, Secret)>,
}

impl RequestHead {
    /// Asks the model.
    pub(crate) fn ask(target: &Target) -> Self {
        let json = [("content-type", Secret::new("application/json"))];
        Self::new(target, http::Method::POST, dialect::path(target.format), json)
    }

    /// Asks which models there are.
    pub(crate) fn list_models(target: &Target) -> Self {
        Self::new(target, http::Method::GET, dialect::models::PATH, [])
    }

    /// The user's headers win over Prony's own.
    fn new<const N: usize>(
        target: &Target,
        method: http::Method,
        path: &str,
        extra: [(&'static str, Secret); N],
    ) -> Self {
        let path = format!("{}{path}", target.url.prefix);
        let authority = target.url.authority();
        let scheme = if target.url.secure { "https" } else { "http" };
        let url = format!("{scheme}://{authority}{path}");
        let given =
            |name: &str| target.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let own = [
            ("accept", Secret::new("*/*")),
            ("user-agent", Secret::new(concat!("prony/", env!("CARGO_PKG_VERSION")))),
        ];
        let headers = extra
            .into_iter()
            .chain(own)
            .chain(dialect::request_headers(target.format, target.key.as_ref()))
            .filter(|(name, _)| !given(name))
            .map(|(name, value)| (name.to_owned(), value))
            .chain(
                target
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_ascii_lowercase(), Secret::new(value))),
            )
            .collect();
        Self { method, url, path, authority, headers }
    }

    /// The head in HTTP/1.1, without the blank line that ends it.
    pub(crate) fn http1(&self) -> Secret {
        let Self { method, path, authority, .. } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {authority}\r\n");
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {}\r\n", value.reveal()));
        }
        Secret::new(text)
    }

    /// The head in HTTP/2. Values that may be secrets are marked as sensitive, which keeps them out
    /// of compression tables and debug output.
    ///
    /// # Panics
    /// Where a header was not checked ([`Target::check`]).
    pub(crate) fn http2(&self) -> http::Request<()> {
        let mut builder = http::Request::builder().method(&self.method).uri(&self.url);
        for (name, value) in &self.headers {
            let mut value = http::HeaderValue::from_str(value.reveal()).expect("it was checked");
            value.set_sensitive(!["accept", "content-type", "user-agent"].contains(&&**name));
            builder = builder.header(name, value);
        }
        builder.body(()).expect("URL and names were checked")
    }
}

/// The header that carries a request's id.
pub(crate) const ID_HEADER: &str = "x-request-id";

/// The value of [`ID_HEADER`].
pub(crate) fn id_value(id: RequestId) -> http::HeaderValue {
    http::HeaderValue::from_str(&id.to_string()).expect("digits and a dash are a legal value")
}
