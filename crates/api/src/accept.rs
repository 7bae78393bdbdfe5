//! Accepts connections, and lets them end in peace.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a client may take over a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long to wait where no connection can be accepted, for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// How many connections were still busy when the grace ran out, and were cut off.
    pub cut_off: usize,
}

/// Serves each connection with what `serve` makes of it, until `stop` is done; then closes the
/// listener, tells connections to end after their present answer, waits for at most `grace`, and
/// cuts off the rest. Dropping the future cuts off everything at once.
///
/// At most `connections_max` are served at a time; the others wait in the system's backlog.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    connections_max: usize,
    stop: impl Future<Output = ()>,
    grace: Duration,
    serve: impl Fn(TcpStream, SocketAddr, CancellationToken) -> F,
) -> Stopped
where
    F: Future<Output = ()> + Send + 'static,
{
    let closing = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let is_full = connections.len() >= connections_max;
        let accepted = tokio::select! {
            accepted = listener.accept(), if !is_full => accepted,
            _ = connections.join_next(), if is_full => continue,
            () = &mut stop => break,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((socket, peer)) => {
                // Without this each token waits for the acknowledgement of the one before. A socket
                // that refuses is one that the client has closed, which shows soon enough.
                let _ = socket.set_nodelay(true);
                connections.spawn(serve(socket, peer, closing.clone()));
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

/// Speaks HTTP/1.1 over `stream` until its end, or until its present answer's end once `closing`.
pub(crate) async fn speak<S, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    service: S,
    closing: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
    B: Body<Data: Send> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
    );
    tokio::select! {
        // How a client ends its connection is its own affair.
        _ = connection.as_mut() => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
