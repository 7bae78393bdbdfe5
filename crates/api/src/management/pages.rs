//! The dashboard: whatever has no path of its own and is a file of it, or was meant to be a view.
//!
//! It is served to whoever asks, for it holds no data: the pages ask the API, with a key where one
//! is needed.

use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use dashboard::Asset;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};

use super::guard;

/// What the pages may do: load and ask what comes from where they came.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// For a file whose name changes with what it holds.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// For a file that must be asked for again each time, which an entity tag keeps cheap.
const ASK_AGAIN: &str = "no-cache";
/// Where other things than pages stand.
const NO_PAGES: &[&str] = &["api", "docs", "metrics", "health"];

/// Answers with a file of the dashboard, or shows a browser to the view that an address means.
pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    if !matches!(method, Method::GET | Method::HEAD) || NO_PAGES.contains(&first) {
        return guard::no_such_path().await.into_response();
    }
    if let Some(asset) = dashboard::asset(path) {
        return answer(asset, &headers);
    }
    match view(&uri) {
        Some(address) if takes(&headers, ACCEPT, "text/html") => {
            (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response()
        }
        _ => guard::no_such_path().await.into_response(),
    }
}

fn answer(asset: Asset, asked: &HeaderMap) -> Response {
    let mut headers = HeaderMap::new();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(ETAG, asset.etag);
    set(CACHE_CONTROL, if asset.is_immutable { FOR_EVER } else { ASK_AGAIN });
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(REFERRER_POLICY, "no-referrer");
    if asset.gzip.is_some() {
        set(VARY, "accept-encoding");
    }
    if is_known(asked, asset.etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    set(CONTENT_TYPE, asset.content_type);
    let compressed = asset.gzip.filter(|_| takes(asked, ACCEPT_ENCODING, "gzip"));
    if compressed.is_some() {
        set(CONTENT_ENCODING, "gzip");
    }
    (headers, Bytes::from_static(compressed.unwrap_or(asset.bytes))).into_response()
}

/// Whether the client has what this tag stands for.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list(headers, IF_NONE_MATCH).any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

/// Whether a header of what a client takes has `wanted` in it, by its name and not as refused.
fn takes(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    list(headers, name).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_wanted = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted));
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        is_wanted && quality.and_then(|text| text.parse().ok()) != Some(0.0)
    })
}

fn list(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',').map(str::trim))
}

/// The address of the view that `uri` means. Views stand behind the `#`, so that they need no path of
/// the server's; who leaves it out is shown to the right place, in words that a proxy may move.
fn view(uri: &Uri) -> Option<String> {
    let path = uri.path().strip_prefix('/')?;
    let names: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    if names.iter().any(|name| name.is_empty()) || names.last()?.contains('.') {
        return None;
    }
    let up = match path.matches('/').count() {
        0 => "./".to_owned(),
        depth => "../".repeat(depth),
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{up}#/{}{query}", names.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSET: Asset = Asset {
        bytes: b"let x = 1;",
        gzip: Some(b"\x1f\x8b"),
        content_type: "text/javascript; charset=utf-8",
        etag: "W/\"abc\"",
        is_immutable: true,
    };

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_file_is_compressed_for_who_takes_that() {
        for (accepted, encoding) in [
            ("gzip, deflate, br", Some("gzip")),
            ("br, GZIP;q=0.5", Some("gzip")),
            ("br, gzip;q=0", None),
            ("identity", None),
        ] {
            let response = answer(ASSET, &headers(ACCEPT_ENCODING, accepted));
            let given = response.headers().get(CONTENT_ENCODING);
            assert_eq!(given.and_then(|value| value.to_str().ok()), encoding, "{accepted}");
            assert_eq!(response.headers()[VARY], "accept-encoding");
        }
        let plain = Asset { gzip: None, ..ASSET };
        let response = answer(plain, &headers(ACCEPT_ENCODING, "gzip"));
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
        assert!(!response.headers().contains_key(VARY));
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        for (known, status) in [
            ("W/\"abc\"", 304),
            ("\"xyz\", W/\"abc\"", 304),
            // A proxy that compresses keeps the tag, and may say so.
            ("\"abc\"", 304),
            ("*", 304),
            ("\"xyz\"", 200),
            ("abc", 200),
        ] {
            let response = answer(ASSET, &headers(IF_NONE_MATCH, known));
            assert_eq!(response.status(), status, "{known}");
            assert_eq!(response.headers()[ETAG], ASSET.etag);
        }
    }

    #[test]
    fn what_may_change_is_asked_for_again() {
        let kept = |is_immutable| {
            let response = answer(Asset { is_immutable, ..ASSET }, &HeaderMap::new());
            response.headers()[CACHE_CONTROL].clone()
        };
        assert_eq!(kept(true), "public, max-age=31536000, immutable");
        assert_eq!(kept(false), "no-cache");
    }

    #[test]
    fn an_address_without_the_hash_leads_to_its_view() {
        for (address, leads_to) in [
            ("/live", Some("./#/live")),
            ("/live?lines=model", Some("./#/live?lines=model")),
            ("/benchmarks/", Some("../#/benchmarks")),
            ("/benchmarks/b1?run=2", Some("../#/benchmarks/b1?run=2")),
            ("/a/b/c", Some("../../#/a/b/c")),
            ("/favicon.ico", None),
            ("/assets/gone.js", None),
            ("//evil/live", None),
            ("/", None),
        ] {
            let uri = address.parse().expect("an address");
            assert_eq!(view(&uri).as_deref(), leads_to, "{address}");
        }
    }
}
