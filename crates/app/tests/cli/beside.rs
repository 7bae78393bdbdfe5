//! What `prony serve` joins to a benchmark: what is seen of processes and servers meanwhile, and
//! metrics pushed to who collects them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use serde_json::{Value, json};
use testkit::program::until;
use testkit::server::unused_address;
use testkit::{FakeServer, Reply};

use crate::desk::{Desk, Sim, items, text};
use crate::serving::{Served, benchmark};

/// What vLLM tells.
const METRICS: &str = r#"
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.5
vllm:generation_tokens_total{engine="0",model_name="m"} 1000.0
"#;

/// A server with a target `sim`, and further lines in its table and behind it.
fn served(sim: &Sim, in_target: &str, behind: &str) -> Served {
    let desk = Desk::new();
    let url = &sim.url;
    desk.write(
        "prony.toml",
        format!("[targets.sim]\nurl = \"{url}/v1\"\nmodel = \"sim\"\n{in_target}\n{behind}"),
    );
    // Anything lives that long: the test itself.
    desk.write("sim.pid", format!("{}\n", std::process::id()));
    Served::resume(desk)
}

fn simulated() -> (Desk, Sim) {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 5ms --itl 1ms");
    (desk, sim)
}

/// The numbers of a column that are known.
fn known(column: &Value) -> Vec<f64> {
    items(column).iter().filter_map(Value::as_f64).collect()
}

/// The known numbers of a figure of a source.
fn figure(source: &Value, name: &str) -> Vec<f64> {
    let figures = items(&source["figures"]);
    let found = figures.iter().find(|figure| figure["name"] == name);
    found.map(|figure| known(&figure["values"])).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_seen_while_a_benchmark_runs_stands_beside_it() {
    let metrics = Reply::status(200).bytes(METRICS);
    let exporter = FakeServer::builder().on("GET", "/metrics", metrics).start().await;
    let (_desk, sim) = simulated();
    let beside = format!(
        "metrics_url = [\"{}/metrics\", \"http://{}/metrics\"]\npid_file = \"sim.pid\"",
        exporter.url(),
        unused_address()
    );
    let served = served(&sim, &beside, "");
    let id = served.create(&benchmark(3.0, 2));
    until("it is completed", || served.benchmark(&id)["status"] == "completed");

    let path = format!("/api/v1/benchmarks/{id}");
    until("what was seen is kept", || {
        let timeline = served.get(&format!("{path}/timeline"));
        known(&timeline["cpu_percent"]).len() >= 2
    });
    let timeline = served.get(&format!("{path}/timeline"));
    assert!(known(&timeline["memory_mib"]).iter().all(|mib| *mib > 1.0), "{timeline}");
    assert!(known(&timeline["cpu_percent"]).iter().any(|percent| *percent > 0.0), "{timeline}");

    let resources = served.get(&format!("{path}/resources"));
    assert_eq!(resources["step_ms"], timeline["step_ms"]);
    let sources = items(&resources["sources"]);
    let kinds: Vec<&str> = sources.iter().map(|source| text(&source["kind"])).collect();
    assert_eq!(kinds, ["prony", "process", "server", "server"], "{resources}");
    assert!(!figure(&sources[0], "machine_cpu").is_empty(), "{resources}");
    assert!(figure(&sources[1], "memory").iter().any(|mib| *mib > 1.0), "{resources}");
    for (name, expected) in [
        ("requests_running", 3.0),
        ("requests_waiting", 2.0),
        ("kv_cache_usage", 50.0),
        ("output_tokens", 0.0),
    ] {
        let values = figure(&sources[2], name);
        assert!(!values.is_empty(), "{name}: {resources}");
        assert!(values.iter().all(|value| *value == expected), "{name}: {resources}");
    }
    assert_eq!(sources[2]["problem"], Value::Null);
    assert_eq!(items(&sources[3]["figures"]), Vec::<Value>::new());
    assert!(text(&sources[3]["problem"]).starts_with("cannot connect: "), "{resources}");

    served.program.interrupt();
    let end = served.program.finish();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let told = "warning: the metrics of target sim cannot be read: cannot connect: ";
    assert_eq!(end.stderr.matches(told).count(), 1, "{}", end.stderr);
    sim.stop();
}

/// A push as it came.
#[derive(Clone)]
struct Push {
    /// The request's first line and headers.
    head: Vec<String>,
    metrics: ExportMetricsServiceRequest,
}

/// Takes whatever is pushed, for as long as the test's process lives.
struct Receiver {
    address: SocketAddr,
    pushes: Arc<Mutex<Vec<Push>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let pushes = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&pushes);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let push = take(socket.expect("somebody connects"));
                taken.lock().expect("nobody panics").push(push);
            }
        });
        Self { address, pushes }
    }

    fn pushes(&self) -> Vec<Push> {
        self.pushes.lock().expect("nobody panics").clone()
    }
}

/// Reads a push, of which every byte has to be understood, and answers it.
fn take(socket: TcpStream) -> Push {
    let mut reader = BufReader::new(socket);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("it is text");
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse().ok()).expect("it says how long it is");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("it is whole");
    let mut message = Vec::new();
    GzDecoder::new(&*body).read_to_end(&mut message).expect("it is gzip");
    let metrics = ExportMetricsServiceRequest::decode(&*message).expect("it is protobuf");
    assert_eq!(metrics.encoded_len(), message.len());
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(answer).expect("it waits for the answer");
    Push { head, metrics }
}

/// How many requests a push says have ended.
fn ended(push: &ExportMetricsServiceRequest) -> u64 {
    let metrics = push.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let mut durations = metrics
        .flat_map(|scope| &scope.metrics)
        .filter(|metric| metric.name == "gen_ai.client.operation.duration");
    match durations.next().and_then(|metric| metric.data.as_ref()) {
        Some(Data::ExponentialHistogram(data)) => data.data_points.iter().map(|p| p.count).sum(),
        Some(other) => panic!("{other:?}"),
        None => 0,
    }
}

/// What tells the process that pushed from every other.
fn instance(push: &ExportMetricsServiceRequest) -> String {
    let resource = push.resource_metrics[0].resource.as_ref().expect("it says whose they are");
    let found = resource.attributes.iter().find(|entry| entry.key == "service.instance.id");
    match found.and_then(|entry| entry.value.as_ref()?.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn metrics_are_pushed_to_their_end() {
    let receiver = Receiver::start();
    let (_desk, sim) = simulated();
    let otlp = format!(
        "[otlp]\nendpoint = \"http://{}/otlp\"\ninterval = \"100ms\"\n\
         headers = {{ x-key = {{ file = \"sim.pid\" }} }}\n",
        receiver.address
    );
    let served = served(&sim, "", &otlp);
    until("a first push", || !receiver.pushes().is_empty());
    let id = served.create(&json!({
        "models": ["sim"], "test_scenarios": ["short_queries"],
        "concurrent_users": 4, "num_requests": 30, "duration_minutes": 5,
    }));
    until("it is completed", || served.benchmark(&id)["status"] == "completed");
    let (_, metrics) = served.call("GET", "/metrics", &json!({}));
    assert!(metrics.contains("prony_otlp_pushes_total{outcome=\"failed\"} 0\n"), "{metrics}");
    served.stop();

    let pushes = receiver.pushes();
    let (first, last) = (&pushes[0], pushes.last().expect("there are some"));
    assert_eq!(first.head[0], "POST /otlp/v1/metrics HTTP/1.1");
    assert!(first.head.contains(&format!("x-key: {}", std::process::id())), "{:?}", first.head);
    assert_eq!((ended(&first.metrics), ended(&last.metrics)), (0, 30));
    let [one, other] = [first, last].map(|push| instance(&push.metrics));
    assert_eq!((one.len(), &one), (36, &other));
    sim.stop();
}

#[test]
fn a_receiver_out_of_reach_is_told_once_and_holds_nothing_up() {
    let (_desk, sim) = simulated();
    let nowhere: SocketAddr = unused_address();
    let otlp = format!("[otlp]\nendpoint = \"http://{nowhere}\"\ninterval = \"100ms\"\n");
    let served = served(&sim, "", &otlp);
    let id = served.create(&json!({
        "models": ["sim"], "test_scenarios": ["short_queries"],
        "concurrent_users": 4, "num_requests": 10, "duration_minutes": 5,
    }));
    until("it is completed", || served.benchmark(&id)["status"] == "completed");
    until("two pushes have failed", || {
        let (_, metrics) = served.call("GET", "/metrics", &json!({}));
        let failed = metrics.lines().find_map(|line| {
            line.strip_prefix("prony_otlp_pushes_total{outcome=\"failed\"} ")?.parse().ok()
        });
        failed >= Some(2_u64)
    });
    served.program.interrupt();
    let end = served.program.finish();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let told = format!("warning: metrics are not pushed to http://{nowhere}: cannot connect: ");
    assert_eq!(end.stderr.matches(&told).count(), 1, "{}", end.stderr);
    sim.stop();
}
