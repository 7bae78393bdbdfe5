//! Who gets through, and how often: keys, the traps of a server without keys, and bounds on how much
//! one client may ask and all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use domain::{Clock, Timestamp};
use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Uri};
use tokio::sync::Semaphore;

use super::key::{KeyRing, Role};
use super::problem::Problem;

/// Requests that are answered at a time; streams, once they have begun, do not count.
const REQUESTS_AT_ONCE: usize = 256;
/// How long an answer, or the beginning of a stream, may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Requests a client may have saved up.
const BURST: f64 = 300.0;
/// Requests a second that a client may go on with.
const PER_SECOND: f64 = 100.0;
/// Clients that are told apart.
const CLIENTS_MAX: usize = 1_024;

/// The address that a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    name: String,
    pub(crate) role: Role,
}

/// Lets requests through, or not.
pub(crate) struct Guard {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    allowances: Mutex<HashMap<String, Allowance>>,
    at_once: Semaphore,
}

/// What a client may still ask: a bucket of tokens.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    saved: f64,
    at: Timestamp,
}

impl Allowance {
    fn saved(&self, now: Timestamp) -> f64 {
        (self.saved + now.since(self.at).as_secs_f64() * PER_SECOND).min(BURST)
    }
}

impl Guard {
    pub(crate) fn new(keys: Arc<KeyRing>, clock: Arc<dyn Clock>) -> Self {
        let (allowances, at_once) = (Mutex::default(), Semaphore::new(REQUESTS_AT_ONCE));
        Self { keys, clock, allowances, at_once }
    }

    /// Says who asks.
    fn identify(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Caller, Problem> {
        if let Some(role) = self.keys.role_of_everybody() {
            refuse_foreign_pages(headers)?;
            return Ok(Caller { name: peer.to_string(), role });
        }
        let Some(given) = headers.get(AUTHORIZATION) else {
            return Err(Problem::unauthorized("the request carries none"));
        };
        let scheme = |text: &str| text.eq_ignore_ascii_case("bearer");
        let shown = given.to_str().ok().and_then(|text| text.split_once(' '));
        let key = shown
            .filter(|(word, _)| scheme(word))
            .and_then(|(_, shown)| self.keys.find(shown.trim()))
            .ok_or_else(|| Problem::unauthorized("the one that was sent is not known here"))?;
        Ok(Caller { name: format!("key {}", key.name), role: key.role })
    }

    /// Takes one request off what `client` may ask.
    fn spend(&self, client: &str) -> Result<(), Problem> {
        let now = self.clock.now();
        let mut allowances = self.allowances.lock().unwrap_or_else(PoisonError::into_inner);
        if allowances.len() >= CLIENTS_MAX && !allowances.contains_key(client) {
            // Whoever has saved up everything may as well be new.
            allowances.retain(|_, allowance| allowance.saved(now) < BURST);
            if allowances.len() >= CLIENTS_MAX {
                return Err(Problem::busy("too many clients ask at once", "try again"));
            }
        }
        let allowance =
            allowances.entry(client.to_owned()).or_insert(Allowance { saved: BURST, at: now });
        let saved = allowance.saved(now);
        if saved < 1.0 {
            return Err(Problem::too_many_requests(1));
        }
        *allowance = Allowance { saved: saved - 1.0, at: now };
        Ok(())
    }
}

/// A server without keys trusts whoever is on this machine, and so must not be fooled by a web page
/// that is open on it: neither by one whose host name was made to point here, nor by one that sends
/// requests across.
fn refuse_foreign_pages(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let hint = "name the server 127.0.0.1 or localhost, or give it keys";
    let host = text(HOST).and_then(|host| host.parse::<http::uri::Authority>().ok());
    if !host.as_ref().is_some_and(|host| is_loopback(host.host())) {
        return Err(Problem::forbidden("without keys it is served to this machine alone", hint));
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let own = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
    if own.as_ref().and_then(Uri::authority) != host.as_ref() {
        return Err(Problem::forbidden("the request comes from another site's page", hint));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Lets a request through to what stands behind, if it may, and its caller be known there.
pub(crate) async fn admit(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = peer(&request);
    let identified = guard.identify(request.headers(), peer);
    // Whoever is refused asks on the account of the address, so that refusals are bounded too.
    let account = identified.as_ref().map_or_else(|_| peer.to_string(), |c| c.name.clone());
    if let Err(problem) = guard.spend(&account) {
        return problem.into_response();
    }
    let caller = match identified {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let Ok(_turn) = guard.at_once.try_acquire() else {
        let detail = format!("{REQUESTS_AT_ONCE} requests are being answered");
        return Problem::busy(detail, "try again").into_response();
    };
    request.extensions_mut().insert(caller);
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Problem::internal().into_response(),
        Err(_) => {
            let hint = "send the body faster, or ask for less";
            Problem::busy("the answer took too long", hint).into_response()
        }
    }
}

/// Lets a request through for what is no secret: without a key, and yet neither for a foreign page
/// nor beyond what an address may ask.
pub(crate) async fn admit_anyone(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let passed =
        if guard.keys.is_empty() { refuse_foreign_pages(request.headers()) } else { Ok(()) };
    if let Err(problem) = guard.spend(&peer(&request).to_string()).and(passed) {
        return problem.into_response();
    }
    next.run(request).await
}

fn peer(request: &Request) -> IpAddr {
    request.extensions().get().map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(peer)| *peer)
}

/// Lets callers through who have at least this role.
pub(crate) async fn require(State(role): State<Role>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else {
        // A path that was left out of the guard's care must not be open.
        return Problem::internal().into_response();
    };
    if caller.role < role {
        let detail = format!("the key's role is {}", caller.role.as_str());
        let hint = format!("use a key whose role is {} or more", role.as_str());
        return Problem::forbidden(detail, hint).into_response();
    }
    next.run(request).await
}

/// The answer to whatever has no path.
pub(crate) async fn no_such_path() -> Problem {
    Problem::not_found("nothing stands at this path", "/docs lists every path")
}

/// The answer where the path takes other methods.
pub(crate) async fn wrong_method() -> Problem {
    Problem::wrong_method()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, StatusCode};
    use testkit::ManualClock;

    use super::*;
    use crate::management::key::{Key, KeyDigest};

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn guard(keys: Vec<Key>) -> (Guard, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        (Guard::new(Arc::new(KeyRing::new(keys)), clock.clone()), clock)
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("legal"))).collect()
    }

    #[test]
    fn without_keys_only_this_machine_s_own_pages_get_through() {
        let (guard, _) = guard(Vec::new());
        for (host, origin, passes) in [
            (Some("127.0.0.1:8080"), None, true),
            (Some("localhost:8080"), None, true),
            (Some("LOCALHOST"), None, true),
            (Some("[::1]:8080"), None, true),
            (Some("127.0.0.1:8080"), Some("http://127.0.0.1:8080"), true),
            // A page of another site.
            (Some("127.0.0.1:8080"), Some("https://evil.example"), false),
            (Some("127.0.0.1:8080"), Some("http://127.0.0.1:9999"), false),
            (Some("127.0.0.1:8080"), Some("null"), false),
            // A name of another site that was made to point here.
            (Some("evil.example:8080"), Some("http://evil.example:8080"), false),
            (Some("127.0.0.1.evil.example"), None, false),
            (None, None, false),
        ] {
            let pairs = [(HOST, host), (ORIGIN, origin)];
            let given: Vec<_> =
                pairs.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
            let caller = guard.identify(&headers(&given), PEER);
            assert_eq!(caller.is_ok(), passes, "{host:?} {origin:?}: {caller:?}");
            assert!(caller.is_err() || caller.is_ok_and(|caller| caller.role == Role::Operator));
        }
    }

    #[test]
    fn with_keys_only_those_get_through() {
        let digest = KeyDigest::of("s3cret");
        let (guard, _) = guard(vec![Key { name: "ci".into(), role: Role::Viewer, digest }]);
        for (authorization, passes) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Bearer  s3cret", true),
            ("Bearer S3cret", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("Basic s3cret", false),
            ("s3cret", false),
        ] {
            let caller = guard.identify(&headers(&[(AUTHORIZATION, authorization)]), PEER);
            assert_eq!(caller.is_ok(), passes, "{authorization}");
        }
        let nothing = guard.identify(&headers(&[(HOST, "127.0.0.1")]), PEER);
        let response = nothing.expect_err("no key").into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }

    #[test]
    fn a_client_asks_as_often_as_it_may() {
        let (guard, clock) = guard(Vec::new());
        let spent = |client: &str| (0..1_000).take_while(|_| guard.spend(client).is_ok()).count();
        assert_eq!(spent("a"), 300);
        assert_eq!(spent("b"), 300, "each has its own");
        clock.advance(Duration::from_millis(100));
        assert_eq!(spent("a"), 10);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(spent("a"), 300);
    }

    #[test]
    fn clients_are_told_apart_in_bounded_memory() {
        let (guard, clock) = guard(Vec::new());
        for client in 0..CLIENTS_MAX {
            assert!(guard.spend(&client.to_string()).is_ok());
        }
        assert!(guard.spend("one more").is_err());
        assert!(guard.spend("0").is_ok(), "those known go on");
        clock.advance(Duration::from_secs(1));
        assert!(guard.spend("one more").is_ok());
    }
}
