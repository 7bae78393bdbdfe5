//! Where a webhook is: a URL, of which only the server is ever shown.

use std::fmt;

use domain::Secret;

/// A checked URL. Whoever knows the URL of a webhook can write to it, so its path and query are
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the connection is encrypted.
    pub(crate) is_secure: bool,
    /// Host name or address, without brackets.
    pub(crate) host: String,
    /// TCP port.
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: Secret,
}

impl Endpoint {
    /// Reads a URL such as `https://hooks.example.com/services/T0/B0/x`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it, without the URL.
    pub fn parse(url: &Secret) -> Result<Self, String> {
        let uri: ::http::Uri = url.reveal().trim().parse().map_err(|error| {
            format!("it is no URL ({error}); write it as in https://hooks.example.com/path")
        })?;
        let is_secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err("it must start with https:// or http://".into()),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("credentials have no place in it; set `authorization`".into());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("it names no host")?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            is_secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            target: Secret::new(target),
        })
    }

    /// The same server, `path` after the path it has.
    ///
    /// # Errors
    /// A sentence, where the URL has a query.
    pub fn join(mut self, path: &str) -> Result<Self, String> {
        let before = self.target.reveal();
        if before.contains('?') {
            return Err("a query has no place in it".into());
        }
        self.target = Secret::new(format!("{}{path}", before.trim_end_matches('/')));
        Ok(self)
    }

    /// The `host` header's value.
    pub(crate) fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.is_secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

/// The server alone.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_only_their_server_is_shown() {
        for (url, shown, target) in [
            ("https://hooks.example.com/T0/B0?k=1", "https://hooks.example.com", "/T0/B0?k=1"),
            ("http://127.0.0.1:9093", "http://127.0.0.1:9093", "/"),
            ("http://[::1]:80/a", "http://[::1]", "/a"),
        ] {
            let endpoint = Endpoint::parse(&Secret::new(url)).expect(url);
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(format!("{endpoint:?}"), format!("Endpoint({shown})"));
            assert_eq!(endpoint.target.reveal(), target);
        }
        let joined = |url| Endpoint::parse(&Secret::new(url)).expect(url).join("/api/v2/alerts");
        for (url, target) in [("http://a", "/api/v2/alerts"), ("http://a/b/", "/b/api/v2/alerts")] {
            assert_eq!(joined(url).expect(url).target.reveal(), target);
        }
        assert!(joined("http://a/?b").is_err());
    }

    #[test]
    fn what_is_no_url_is_refused_without_quoting_it() {
        for (url, part) in [
            ("hooks.example.com/secret", "it is no URL (invalid format)"),
            ("/secret", "must start with https://"),
            ("ftp://hooks.example.com/secret", "must start with https://"),
            ("https://user:secret@example.com", "credentials have no place"),
            ("https://example.com/sec ret", "no URL"),
        ] {
            let said = Endpoint::parse(&Secret::new(url)).expect_err(url);
            assert!(said.contains(part) && !said.contains("sec"), "{url}: {said}");
        }
    }
}
