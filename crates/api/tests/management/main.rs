//! The management API over a real socket: what clients send, and what they are told.

mod access;
mod ad_hoc;
mod alerts;
mod contents;
mod course;
mod document;
mod history;
mod hostile;
mod pages;
mod refusals;
mod stream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alert::{AlertBook, RuleSettings, Saved, SharedBook};
use api::management::{Certificate, KeyRing, LiveFeed, StoreFacts, form};
use api::{Management, ManagementServer};
use archive::{AvailabilityBook, History};
use collect::metrics::{Family, Kind, Labels, Sample, Value as MetricValue};
use control::{
    AdHocError, AdHocTarget, Benchmarks, Catalogue, KeeperError, MemoryKeeper, Prompts, Scenario,
    Status, Subject, Target, Workshop,
};
use domain::{BoxFuture, Seed, SystemClock};
use pace::Time;
use serde_json::Value;
use store::durable::{Store, StoreSettings};
use testkit::{ManualClock, Script, ScriptedModel, VirtualClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longer than any test.
const GRACE: Duration = Duration::from_secs(600);

/// A running server with two targets, `fast` and `endless`, the named scenarios, and room for three
/// benchmarks that wait. Nobody works the queue off before the test says so.
struct Desk {
    address: SocketAddr,
    benchmarks: Arc<Benchmarks>,
    catalogue: Arc<Catalogue>,
    live: Arc<LiveFeed>,
    /// The store that its history is of.
    store: Arc<Store>,
    /// What canaries found.
    availability: AvailabilityBook,
    alerts: SharedBook,
    /// What was kept of the alerts, the latest last.
    kept: Arc<Mutex<Vec<Saved>>>,
    /// Whether nothing more can be kept of them.
    is_full: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
    /// The server's clock, whose time tests set.
    clock: Arc<ManualClock>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Desk {
    async fn new() -> Self {
        Self::with(KeyRing::default(), None).await
    }

    async fn with(keys: KeyRing, certificate: Option<Certificate>) -> Self {
        let clock = Arc::new(ManualClock::new());
        let catalogue = Arc::new(catalogue());
        let known = Arc::clone(&catalogue);
        let read = move |request: &Value| form::read_back(request, &known);
        let keeper = Arc::new(MemoryKeeper::default());
        let benchmarks =
            Benchmarks::restore(keeper, clock.clone(), 3, &read).expect("memory can be read");
        let benchmarks = Arc::new(benchmarks);
        let stop = CancellationToken::new();
        let live = Arc::new(LiveFeed::new(stop.clone()));
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            StoreSettings { commit_interval: Duration::from_millis(1), ..StoreSettings::default() };
        let (store, _) =
            Store::open(folder.path(), settings, Arc::new(SystemClock)).expect("a store");
        let store = Arc::new(store);
        let availability =
            AvailabilityBook::open(Arc::clone(&store)).expect("an empty store can be read");
        let alerts = SharedBook::new(book());
        let (kept, is_full) =
            (Arc::<Mutex<Vec<Saved>>>::default(), Arc::new(AtomicBool::new(false)));
        let management = Management {
            benchmarks: Arc::clone(&benchmarks),
            catalogue: Arc::clone(&catalogue),
            history: History::new(store.reader().clone()),
            availability: availability.clone(),
            alerts: alerts.clone(),
            keep_alerts: keeping(Arc::clone(&kept), Arc::clone(&is_full)),
            live: Arc::clone(&live),
            keys: Arc::new(keys),
            store_content: false,
            metrics: Arc::new(metrics),
            store: Arc::new(|| StoreFacts { records: 7, ..StoreFacts::default() }),
            clock: clock.clone(),
        };
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let server = ManagementServer::bind(any_port, certificate).await.expect("a port is free");
        let address = server.address();
        let mut tasks = JoinSet::new();
        let (router, stopping) = (management.router(), stop.clone());
        tasks.spawn(async move {
            let stopped = server.run(router, stopping.cancelled(), GRACE).await;
            assert_eq!(stopped.cut_off, 0);
        });
        Self {
            address,
            benchmarks,
            catalogue,
            live,
            store,
            availability,
            alerts,
            kept,
            is_full,
            _folder: folder,
            clock,
            stop,
            tasks,
        }
    }

    /// Begins to work the queue off.
    fn work(&mut self) {
        let workshop = Workshop {
            region: "".into(),
            catalogue: Arc::clone(&self.catalogue),
            time: Time::Runtime(Arc::new(VirtualClock::new())),
            records: None,
            spent: || None,
        };
        let (benchmarks, stop) = (Arc::clone(&self.benchmarks), self.stop.clone());
        self.tasks.spawn(async move { benchmarks.work(&workshop, &stop).await });
    }

    /// Stops everything, and waits until it has stopped.
    async fn close(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        socket.write_all(request.as_bytes()).await.expect("it reads");
        socket
    }

    /// Sends a request with these further headers, each with its line end.
    async fn call(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let host = format!("host: {}\r\nconnection: close\r\n", self.address);
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{headers}content-length: {length}\r\n\r\n{body}"
        );
        Answer::read(self.send(&request).await).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "", "").await
    }

    async fn post(&self, path: &str, headers: &str, body: &Value) -> Answer {
        let headers = format!("content-type: application/json\r\n{headers}");
        self.call("POST", path, &headers, &body.to_string()).await
    }

    async fn create(&self, body: &Value) -> Answer {
        self.post("/api/v1/benchmarks", "", body).await
    }

    /// What is told of the benchmark at `link` once it stands as it is awaited. It is not asked for
    /// meanwhile: clients may ask only so often, and the server's clock stands still.
    async fn until(&self, link: &str, is_awaited: impl Fn(Status) -> bool) -> Value {
        let id = link.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
        while !self.benchmarks.get(id).is_some_and(|benchmark| is_awaited(benchmark.status)) {
            tokio::task::yield_now().await;
        }
        self.get(link).await.json()
    }
}

fn metrics() -> Vec<Family> {
    let sample = Sample { labels: Labels::default(), own: None, value: MetricValue::Number(3.0) };
    let (name, help, kind) = ("llm_requests_total", "Requests.", Kind::Counter);
    vec![Family { name, help, kind, samples: vec![sample] }]
}

/// Keeps what it is given, unless there is no room.
fn keeping(
    kept: Arc<Mutex<Vec<Saved>>>,
    is_full: Arc<AtomicBool>,
) -> Arc<dyn Fn(Saved) -> Result<(), KeeperError> + Send + Sync> {
    Arc::new(move |saved| {
        if is_full.load(Ordering::Relaxed) {
            let (problem, hint) = ("the disk is full".to_owned(), "make room".to_owned());
            return Err(KeeperError { problem, hint });
        }
        kept.lock().expect("no panic").push(saved);
        Ok(())
    })
}

/// A book of two rules about which nothing is known yet.
fn book() -> AlertBook {
    let rules = [
        "name = 'HighLatency'\nmetric = 'e2e_p95'\nabove = '2s'\nwindow = '5m'\nfor = '5m'\n\
         group_by = ['model']\nseverity = 'critical'\n",
        "name = 'NoTraffic'\nmetric = 'no_traffic'\nwindow = '10m'\nseverity = 'warning'\n",
    ];
    let rule = |text| toml::from_str::<RuleSettings>(text).expect("its form").check();
    AlertBook::new(rules.map(|text| rule(text).expect("it is sound")).into(), vec![], Seed(3))
}

fn catalogue() -> Catalogue {
    let clock = Arc::new(VirtualClock::new());
    let models = [("fast", Script::tokens(3)), ("endless", Script::tokens(1).hanging())];
    Catalogue {
        targets: models
            .map(|(name, script)| target(name, ScriptedModel::always(clock.clone(), script)))
            .into(),
        scenarios: ["short_queries", "long_documents", "code_generation"].map(scenario).into(),
        ad_hoc: Arc::new(ad_hoc_target),
    }
}

/// A scripted model in place of any server at this machine; there is one key, `LAB_KEY`.
fn ad_hoc_target(described: AdHocTarget) -> Result<Target, AdHocError> {
    if !described.url.starts_with("http://127.0.0.1") {
        return Err(AdHocError::Url("cannot be used here".to_owned()));
    }
    if described.key_env.as_deref().is_some_and(|variable| variable != "LAB_KEY") {
        return Err(AdHocError::KeyEnv("is not listed".to_owned()));
    }
    let model = ScriptedModel::always(Arc::new(VirtualClock::new()), Script::tokens(3));
    let (provider, region) = (described.provider.unwrap_or_default(), described.region);
    Ok(Target { provider, region, ..target(&described.name, model) })
}

fn target(name: &str, model: ScriptedModel) -> Target {
    let subject = Subject {
        model: Arc::new(model),
        name: format!("{name}-model"),
        description: format!("{name}, scripted"),
        tokenizer: None,
        is_embedded: false,
    };
    let open = move || -> BoxFuture<'static, Result<Subject, control::Problem>> {
        let subject = subject.clone();
        Box::pin(async { Ok(subject) })
    };
    Target {
        name: name.to_owned(),
        provider: "scripted".to_owned(),
        model: format!("{name}-model"),
        url_host: Some("127.0.0.1".to_owned()),
        region: Some("here".to_owned()),
        labels: BTreeMap::from([("team".to_owned(), "search".to_owned())]),
        open: Arc::new(open),
    }
}

fn scenario(name: &str) -> Scenario {
    Scenario {
        name: name.to_owned(),
        description: format!("what {name} are"),
        count: None,
        prompts: Arc::new(Prompts::Scenario(name.parse().expect("a scenario"))),
        tokenizer: None,
    }
}

/// What the server sent until it closed the connection.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn read(mut socket: TcpStream) -> Self {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).await.expect("it closes in order");
        Self::parse(&String::from_utf8(bytes).expect("UTF-8"))
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head[9..12].parse().expect("a status");
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (this, value) = line.split_once(": ")?;
            (this == name).then_some(value)
        })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}
