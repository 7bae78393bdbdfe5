//! What happens now, several times a second, to everyone who watches.
//!
//! A window is put into words once, whoever watches. A watcher who is too slow misses windows, never
//! holds anyone up, and is told how many it missed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use analysis::Sketch;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use control::Benchmarks;
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::App;
use super::entry::ProgressEntry;
use super::problem::Problem;

/// Windows that a new watcher gets at once.
const SNAPSHOT_WINDOWS: usize = 120;
/// Windows that may wait for a watcher before it misses some.
const WAITING_MAX: usize = 64;
/// Who may watch at a time.
const WATCHERS_MAX: usize = 64;
/// How long the stream may be silent.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A short stretch of time.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveWindow {
    /// When it ended.
    pub at_unix_ms: u64,
    /// How long it was.
    pub interval_ms: u64,
    /// Each series that has something to tell.
    pub series: Vec<LiveSeries>,
    /// Each benchmark being carried out.
    pub benchmarks: Vec<LiveBenchmark>,
    /// What this machine and process use; null where nothing samples it.
    pub resources: Option<LiveResources>,
}

impl LiveWindow {
    /// The collector's window in words, beside what else goes on.
    #[must_use]
    pub fn of(
        window: &collect::LiveWindow,
        benchmarks: Vec<LiveBenchmark>,
        resources: Option<LiveResources>,
    ) -> Self {
        let seconds = window.interval.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            at_unix_ms: window.at_unix_ms,
            interval_ms: u64::try_from(window.interval.as_millis()).unwrap_or(u64::MAX),
            series: window.series.iter().map(|series| LiveSeries::of(series, seconds)).collect(),
            benchmarks,
            resources,
        }
    }
}

/// What requests of one kind do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct LiveSeries {
    /// What requests call the model.
    pub model: String,
    /// Who serves it.
    pub provider: String,
    /// Where it is served.
    pub region: Option<String>,
    /// Where it was asked from.
    pub vantage_region: Option<String>,
    /// The scenario of the prompts.
    pub scenario: String,
    /// Who asks: `bench`, `gateway` or `canary`.
    pub source: String,
    /// Requests that ended, a second.
    pub requests_per_second: f64,
    /// Of those, the failed ones.
    pub errors_per_second: f64,
    /// Tokens that came, a second.
    pub output_tokens_per_second: f64,
    /// Prompt tokens of requests that ended, a second.
    pub input_tokens_per_second: f64,
    /// Requests under way.
    pub in_flight: u64,
    /// What goes on like this costs; null where no price is known.
    pub spend_usd_per_hour: Option<f64>,
    /// To the first token.
    pub ttft_ms: Option<LivePercentiles>,
    /// Between tokens.
    pub tpot_ms: Option<LivePercentiles>,
    /// To the answer's end.
    pub e2e_ms: Option<LivePercentiles>,
}

impl LiveSeries {
    fn of(live: &collect::LiveSeries, seconds: f64) -> Self {
        let series = live.series.series();
        let (flow, ended) = (&live.rollup.flow, &live.rollup.ended);
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let rate = |count: u64| count as f64 / seconds;
        Self {
            model: series.model.to_string(),
            provider: series.provider.to_string(),
            region: named(&series.region),
            vantage_region: named(&series.vantage_region),
            scenario: series.scenario.to_string(),
            source: series.source.as_str().to_owned(),
            requests_per_second: rate(ended.requests()),
            errors_per_second: rate(ended.failed.total()),
            // Chunks are seen as they come, and most hold one token.
            output_tokens_per_second: rate(if live.chunks > 0 {
                live.chunks
            } else {
                flow.output_tokens
            }),
            input_tokens_per_second: rate(flow.input_tokens),
            in_flight: live.in_flight,
            spend_usd_per_hour: None,
            ttft_ms: LivePercentiles::of(&ended.ttft),
            tpot_ms: LivePercentiles::of(&ended.tpot),
            e2e_ms: LivePercentiles::of(&ended.e2e),
        }
    }
}

/// Percentiles of the requests that ended in a window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct LivePercentiles {
    /// The median.
    pub p50: f64,
    /// The 95th.
    pub p95: f64,
    /// The 99th.
    pub p99: f64,
}

impl LivePercentiles {
    fn of(sketch: &Sketch) -> Option<Self> {
        let at = |share| sketch.quantile_ms(share);
        Some(Self { p50: at(0.5)?, p95: at(0.95)?, p99: at(0.99)? })
    }
}

/// How far a benchmark is.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveBenchmark {
    /// Its id.
    id: String,
    /// How far it is.
    progress: ProgressEntry,
}

impl LiveBenchmark {
    /// Every benchmark being carried out.
    #[must_use]
    pub fn all(benchmarks: &Benchmarks) -> Vec<Self> {
        let entry = |(id, progress): (control::BenchmarkId, control::Progress)| Self {
            id: id.to_string(),
            progress: ProgressEntry::from(&progress),
        };
        benchmarks.running().into_iter().map(entry).collect()
    }
}

/// What this machine and process use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveResources {
    /// Processor time of this process, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Its memory.
    pub memory_mib: Option<f64>,
    /// The GPU; null where there is none.
    pub gpu: Option<LiveGpu>,
}

/// What a GPU does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct LiveGpu {
    /// How busy it is, in percent.
    pub utilisation_percent: f64,
    /// Its memory in use.
    pub memory_mib: f64,
    /// What it draws.
    pub power_watts: Option<f64>,
}

/// Hands windows to everyone who watches.
#[derive(Debug)]
pub struct LiveFeed {
    /// The last windows, each without its opening brace.
    recent: Mutex<VecDeque<Arc<str>>>,
    sender: broadcast::Sender<Arc<str>>,
    watchers: Arc<Semaphore>,
    closed: CancellationToken,
}

impl LiveFeed {
    /// A feed that ends for everyone once `closed`, so that a server can stop.
    #[must_use]
    pub fn new(closed: CancellationToken) -> Self {
        let (sender, _) = broadcast::channel(WAITING_MAX);
        let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
        Self { recent: Mutex::default(), sender, watchers, closed }
    }

    /// Hands a window to everyone.
    pub fn publish(&self, window: &LiveWindow) {
        let text = serde_json::to_string(window).expect("text and numbers can be written");
        let rest: Arc<str> = text.strip_prefix('{').expect("it is an object").into();
        let mut recent = self.recent();
        if recent.len() == SNAPSHOT_WINDOWS {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&rest));
        // Under the lock, so that nobody gets it twice or not at all. Where nobody watches, nobody
        // misses it.
        let _ = self.sender.send(rest);
    }

    fn recent(&self) -> MutexGuard<'_, VecDeque<Arc<str>>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The events of one watcher.
    fn watch(&self) -> Result<impl Stream<Item = Event> + Send + use<>, Problem> {
        let place = Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| {
            Problem::busy(format!("{WATCHERS_MAX} clients watch already"), "close one of them")
        })?;
        let recent = self.recent();
        let receiver = self.sender.subscribe();
        let windows: Vec<String> = recent.iter().map(|rest| told(rest, 0)).collect();
        drop(recent);
        let snapshot = format!("{{\"windows\":[{}]}}", windows.join(","));
        let first = stream::iter([Event::default().event("snapshot").data(snapshot)]);
        let watcher = Watcher { receiver, missed: 0, _place: place };
        let windows = stream::unfold(watcher, Watcher::next);
        Ok(first.chain(windows).take_until(self.closed.clone().cancelled_owned()))
    }
}

/// A window in words, for a watcher who missed so many.
fn told(rest: &str, missed: u64) -> String {
    format!("{{\"dropped_windows\":{missed},{rest}")
}

struct Watcher {
    receiver: broadcast::Receiver<Arc<str>>,
    /// Windows that this watcher was too slow for, since it began.
    missed: u64,
    /// Held as long as it watches.
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            match self.receiver.recv().await {
                Ok(rest) => {
                    let event = Event::default().event("window").data(told(&rest, self.missed));
                    return Some((event, self));
                }
                Err(RecvError::Lagged(windows)) => self.missed += windows,
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

/// Streams what happens now, as server-sent events
///
/// First a `snapshot` with the last 120 windows, `{"windows": […]}`, then a `window` several times a
/// second. Each has `dropped_windows`: how many this client was too slow for. Lines that begin with a
/// colon keep the connection alive.
#[utoipa::path(
    get,
    path = "/live",
    tag = "live",
    operation_id = "watch",
    responses(
        (status = 200, body = LiveWindow, content_type = "text/event-stream"),
        (status = 503, description = "Too many watch already"),
    ),
)]
pub(super) async fn watch(
    State(app): State<App>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let events = app.parts.live.watch()?.map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}
