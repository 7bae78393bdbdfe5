//! The listener: accepts connections, serves each, and lets them end in peace.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::front::{Front, Served};

/// How long a client may take over a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait where no connection can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// There is nothing to serve.
    #[error("there is no model to serve")]
    NoModel,
    /// Two models would answer to the same name.
    #[error("two models are called {0:?}")]
    SameName(String),
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How many connections were still busy when the grace ran out, and were cut off.
    pub cut_off: usize,
}

/// A server of models.
///
/// | path | answers |
/// |---|---|
/// | `POST /v1/chat/completions`, `POST /v1/completions` | in OpenAI's form |
/// | `POST /v1/messages` | in Anthropic's form |
/// | `GET /v1/models`, `GET /v1/models/{id}` | the models, readable by either package |
/// | `GET /health` | 200 as long as it serves |
/// | `GET /metrics` | text exposition |
///
/// A request's `x-request-id` is echoed, or made where it has none.
#[derive(Debug)]
pub struct ModelServer {
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
}

impl ModelServer {
    /// Listens on `address` (port 0 takes a free one) to serve `models`. `metrics` appends the
    /// exposition that `/metrics` answers with.
    ///
    /// # Errors
    /// Where the address cannot be listened on, or the models have no names to tell them apart.
    pub async fn bind(
        address: SocketAddr,
        models: Vec<Served>,
        metrics: impl Fn(&mut String) + Send + Sync + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BindError> {
        if models.is_empty() {
            return Err(BindError::NoModel);
        }
        for (index, served) in models.iter().enumerate() {
            if models[..index].iter().any(|other| other.id == served.id) {
                return Err(BindError::SameName(served.id.clone()));
            }
        }
        let refused = |source| BindError::Address { address, source };
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let front = Arc::new(Front::new(models, Box::new(metrics), clock));
        Ok(Self { listener, address, front })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then closes the listener, lets answers under way end for at
    /// most `grace`, and cuts off the rest. Dropping the future cuts off everything at once.
    pub async fn run(self, stop: impl Future<Output = ()>, grace: Duration) -> Stopped {
        let Self { listener, front, .. } = self;
        let closing = CancellationToken::new();
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((socket, _)) => {
                    connections.spawn(serve(socket, Arc::clone(&front), closing.clone()));
                }
                // The one that was to be accepted has gone, or there are no descriptors left.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop(listener);
        closing.cancel();
        let drained = async { while connections.join_next().await.is_some() {} };
        // Whether or not the grace sufficed, what is left is counted.
        let _ = tokio::time::timeout(grace, drained).await;
        let cut_off = connections.len();
        connections.shutdown().await;
        Stopped { cut_off }
    }
}

/// Serves one connection until its end, or until its present answer's end once `closing`.
async fn serve(socket: TcpStream, front: Arc<Front>, closing: CancellationToken) {
    // Without this each token waits for the acknowledgement of the one before. A socket that
    // refuses is one that the client has closed, which shows soon enough.
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| async { Ok::<_, Infallible>(front.respond(request).await) });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(socket), service)
    );
    tokio::select! {
        // How a client ends its connection is its own affair.
        _ = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
