//! Pushes metrics again and again, for as long as it is let.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Random, Secret, Seed};
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName,
    HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Method, Request};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::answer::{PushError, Reservation, judge};
use super::{Conventions, encode};
use crate::Collector;
use crate::http::{AddressError, Server};
use crate::metrics::{Family, Kind, Sample, Value};

/// The longest the first wait before another try is; each further one may be twice as long.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait before another try, unless the receiver asks for more.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// The longest that a receiver can ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// How long the last push may take, for which whoever stops Prony waits.
const LAST_TIMEOUT: Duration = Duration::from_secs(2);

/// Headers that the pusher sets itself.
const OWN_HEADERS: [HeaderName; 6] =
    [HOST, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING];

/// How metrics are pushed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the receiver is, such as `http://127.0.0.1:4318`; `/v1/metrics` follows its path.
    pub endpoint: String,
    /// Headers to send along, such as a key.
    pub headers: Vec<(String, Secret)>,
    /// How often.
    pub interval: Duration,
    /// How long a push may take.
    pub timeout: Duration,
    /// Which names to use.
    pub conventions: Conventions,
    /// What tells this process from every other, such as a random UUID made at its start.
    pub instance: String,
}

impl Settings {
    /// Every ten seconds to `endpoint`, by the names of the usual version.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, instance: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            headers: Vec::new(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            conventions: Conventions::default(),
            instance: instance.into(),
        }
    }

    /// Whether metrics can be pushed that way.
    ///
    /// # Errors
    /// Where they cannot.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.parts().map(|_| ())
    }

    /// The server, and the headers that it is sent.
    fn parts(&self) -> Result<(Server, HeaderMap), SettingsError> {
        if self.interval.is_zero() || self.timeout.is_zero() {
            return Err(SettingsError::Zero);
        }
        Ok((server(&self.endpoint)?, headers(&self.headers)?))
    }
}

/// Why metrics cannot be pushed that way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is no address.
    #[error("the endpoint is no URL; write it as in http://127.0.0.1:4318")]
    Endpoint,
    /// It is not plain HTTP.
    #[error("metrics are pushed over http alone; put an OpenTelemetry Collector in between")]
    Scheme,
    /// It has more than a server and a path.
    #[error("credentials and a query have no place in the endpoint; set headers")]
    EndpointParts,
    /// No such header can be sent.
    #[error("the header {0:?} has characters that no HTTP header may have, or is not yours to set")]
    Header(String),
    /// Pushes without a pause.
    #[error("the interval and the timeout have to be more than zero")]
    Zero,
}

/// How pushing fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Pushes that were taken.
    pub taken: u64,
    /// Pushes that were not.
    pub failures: u64,
    /// Points that the receiver would not have, of pushes it took.
    pub refused_points: u64,
    /// When a push was last taken, in milliseconds since 1970.
    pub last_success_unix_ms: Option<u64>,
    /// What last went wrong.
    pub last_failure: Option<Failure>,
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// What, in one sentence.
    pub message: String,
}

/// How pushing fares, by the names of Prometheus.
#[must_use]
pub fn families(status: &Status) -> Vec<Family> {
    let counter = |name, help, samples: &[(Option<&'static str>, u64)]| {
        let sample = |(outcome, count): &(Option<&'static str>, u64)| Sample {
            labels: outcome.iter().map(|outcome| ("outcome", Arc::from(*outcome))).collect(),
            own: None,
            value: Value::Number(*count as f64),
        };
        Family { name, help, kind: Kind::Counter, samples: samples.iter().map(sample).collect() }
    };
    vec![
        counter(
            "prony_otlp_pushes_total",
            "Pushes over OTLP, by whether the receiver took them.",
            &[(Some("taken"), status.taken), (Some("failed"), status.failures)],
        ),
        counter(
            "prony_otlp_refused_points_total",
            "Points that the receiver would not have, of pushes it took.",
            &[(None, status.refused_points)],
        ),
    ]
}

impl Status {
    fn note(&mut self, pushed: &Result<Option<Reservation>, PushError>, at_unix_ms: u64) {
        let message = match pushed {
            Ok(reservation) => {
                self.taken += 1;
                self.last_success_unix_ms = Some(at_unix_ms);
                let Some(Reservation { refused_points, said }) = reservation else { return };
                self.refused_points += refused_points;
                format!("taken but for {refused_points} points: {said}")
            }
            Err(error) => {
                self.failures += 1;
                error.to_string()
            }
        };
        self.last_failure = Some(Failure { at_unix_ms, message });
    }
}

/// Pushes what a collector has counted. It shares nothing with the collector but its sums, so that
/// a receiver that hangs holds nothing up.
#[derive(Debug)]
pub struct Pusher {
    collector: Arc<Collector>,
    settings: Settings,
    server: Server,
    headers: HeaderMap,
    status: watch::Sender<Status>,
}

impl Pusher {
    /// Will push what `collector` has counted.
    ///
    /// # Errors
    /// Where it cannot be done with these settings.
    pub fn new(settings: Settings, collector: Arc<Collector>) -> Result<Self, SettingsError> {
        let (server, headers) = settings.parts()?;
        Ok(Self { collector, settings, server, headers, status: watch::Sender::default() })
    }

    /// How pushing fares.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The same from now on, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Pushes until `stop`, and once more then: stop it after the collector's worker has ended, so
    /// that the last push has everything. A push that has failed for now is tried again with longer
    /// and longer waits, each time with what has been counted by then.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = stop => {}
            () = self.push_again_and_again() => {}
        }
        // Its outcome is in the status.
        let _ = self.push(self.settings.timeout.min(LAST_TIMEOUT)).await;
    }

    async fn push_again_and_again(&self) {
        let mut random = Seed(0).child(&self.settings.instance).random();
        let mut tries = 0;
        loop {
            let due = Instant::now() + self.settings.interval;
            match self.push(self.settings.timeout).await {
                Err(error) if error.is_passing() => {
                    sleep(wait(tries, error.retry_after(), &mut random)).await;
                    tries += 1;
                }
                Ok(()) | Err(_) => {
                    tries = 0;
                    sleep_until(due).await;
                }
            }
        }
    }

    /// Pushes once, and notes how that went.
    async fn push(&self, patience: Duration) -> Result<(), PushError> {
        let pushed = timeout(patience, self.try_push()).await;
        let pushed = pushed.unwrap_or(Err(PushError::Timeout(patience)));
        let at_unix_ms = self.collector.clock.unix_nanos() / 1_000_000;
        self.status.send_modify(|status| status.note(&pushed, at_unix_ms));
        pushed.map(|_| ())
    }

    async fn try_push(&self) -> Result<Option<Reservation>, PushError> {
        let mut request = Request::new(Full::new(self.body().await));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = self.headers.clone();
        let answer = self.server.exchange(request).await?;
        judge(answer, self.settings.headers.iter().map(|(_, value)| value))
    }

    /// The message, made on a thread where nothing else waits for its turn: with many series it is
    /// long.
    async fn body(&self) -> Bytes {
        let collector = Arc::clone(&self.collector);
        let Settings { conventions, instance, .. } = self.settings.clone();
        let make = move || {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            let message = encode(&collector, conventions, &instance);
            gzip.write_all(&message).and_then(|()| gzip.finish()).expect("a vector takes all")
        };
        tokio::task::spawn_blocking(make).await.expect("it does not panic").into()
    }
}

/// The server, and the path that the protocol has.
fn server(endpoint: &str) -> Result<Server, SettingsError> {
    let parse = |url: &str| {
        Server::parse(url).map_err(|error| match error {
            AddressError::Invalid => SettingsError::Endpoint,
            AddressError::Scheme => SettingsError::Scheme,
        })
    };
    let url = parse(endpoint)?.url().clone();
    let has_credentials = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if has_credentials || url.query().is_some() {
        return Err(SettingsError::EndpointParts);
    }
    parse(&format!("{}/v1/metrics", endpoint.trim_end_matches('/')))
}

fn headers(given: &[(String, Secret)]) -> Result<HeaderMap, SettingsError> {
    let mut headers = HeaderMap::new();
    let agent = HeaderValue::from_static(concat!("prony/", env!("CARGO_PKG_VERSION")));
    headers.insert(USER_AGENT, agent);
    for (name, value) in given {
        let refused = || SettingsError::Header(name.clone());
        let key: HeaderName = name.parse().map_err(|_| refused())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| refused())?;
        value.set_sensitive(true);
        if OWN_HEADERS.contains(&key) {
            return Err(refused());
        }
        headers.insert(key, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(headers)
}

/// How long to wait before another try, when so many were in vain: half of it by chance, so that
/// many do not all come back at once.
fn wait(tries: u32, retry_after: Option<Duration>, random: &mut Random) -> Duration {
    let longest = BACKOFF_MIN.saturating_mul(2_u32.saturating_pow(tries)).min(BACKOFF_MAX);
    let wait = longest.mul_f64(f64::midpoint(random.unit(), 1.0));
    wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_minute_and_never_fall_short_of_what_is_asked() {
        let mut random = Seed(1).random();
        for (tries, longest) in [(0, 1), (1, 2), (5, 32), (6, 60), (7, 60), (u32::MAX, 60)] {
            let longest = Duration::from_secs(longest);
            for _ in 0..100 {
                let got = wait(tries, None, &mut random);
                assert!(got >= longest / 2 && got <= longest, "{got:?} after {tries}");
            }
        }
        let mut asked = |seconds| wait(0, Some(Duration::from_secs(seconds)), &mut random);
        assert_eq!(asked(90), Duration::from_secs(90));
        assert_eq!(asked(86_400), RETRY_AFTER_MAX);
        assert!(asked(0) >= BACKOFF_MIN / 2);
    }
}
