//! A receiver of OTLP on a real loopback socket, which reads strictly and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A push as it came.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) metrics: ExportMetricsServiceRequest,
}

/// What to answer a push.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Status(u16, Vec<(&'static str, &'static str)>, Vec<u8>),
    /// Nothing, ever.
    Hang,
}

/// Answers pushes in the order of its script, and those beyond it with success.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    script: Mutex<VecDeque<Answer>>,
    pushes: watch::Sender<Vec<Push>>,
}

impl Receiver {
    pub(crate) async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Mutex::new(script.into_iter().collect());
        let shared = Arc::new(Shared { script, pushes: watch::Sender::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _tasks: tasks }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The pushes so far, once there are so many.
    pub(crate) async fn pushes(&self, count: usize) -> Vec<Push> {
        let mut pushes = self.shared.pushes.subscribe();
        pushes.wait_for(|pushes| pushes.len() >= count).await.unwrap().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        connections.spawn(serve(socket, Arc::clone(&shared)));
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let answer = service_fn(|request| take(request, &shared));
    // Fails where the pusher hangs up on an answer that never comes.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), answer)
        .await;
}

async fn take(
    request: Request<Incoming>,
    shared: &Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let metrics = gunzip_and_read(&body.collect().await.unwrap().to_bytes());
    let path = head.uri.path().to_owned();
    let answer = shared.script.lock().unwrap().pop_front();
    let push = Push { at, path, headers: head.headers, metrics };
    shared.pushes.send_modify(|pushes| pushes.push(push));
    let (status, headers, body) = match answer {
        Some(Answer::Status(status, headers, body)) => (status, headers, body),
        Some(Answer::Hang) => std::future::pending().await,
        None => (200, Vec::new(), Vec::new()),
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body)).unwrap())
}

fn gunzip_and_read(body: &[u8]) -> ExportMetricsServiceRequest {
    let mut message = Vec::new();
    GzDecoder::new(body).read_to_end(&mut message).unwrap();
    read(&message)
}

/// Reads a message of which every byte has to be understood: a field that the decoder does not know,
/// or that has another type, is not written again.
pub(crate) fn read(message: &[u8]) -> ExportMetricsServiceRequest {
    let request = ExportMetricsServiceRequest::decode(message).unwrap();
    assert_eq!(request.encoded_len(), message.len());
    request
}
