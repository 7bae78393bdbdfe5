//! The HTTP/2 side of the fake server.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;

use crate::http1::Stream;
use crate::reply::{Head, Piece};
use crate::server::Shared;
use crate::{Ending, Received, Reply};

/// Answers requests until either side ends the connection.
pub(crate) async fn serve<S: Stream>(stream: S, connection: u64, shared: &Arc<Shared>) {
    let goodbye = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (shared, goodbye) = (Arc::clone(shared), Arc::clone(&goodbye));
        async move {
            let reply = match receive(request, connection).await {
                Ok(received) => shared.answer(received),
                Err(error) => {
                    shared.violation(format!("a broken body: {error}"));
                    Reply::status(400)
                }
            };
            if reply.ending == Ending::Close {
                goodbye.notify_one();
            }
            Ok::<_, Infallible>(respond(reply, shared))
        }
    });
    let mut served = pin!(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
    );
    loop {
        tokio::select! {
            // How a client ends its connection is its own affair.
            _ = served.as_mut() => return,
            () = goodbye.notified() => served.as_mut().graceful_shutdown(),
        }
    }
}

async fn receive(request: http::Request<Incoming>, connection: u64) -> hyper::Result<Received> {
    let (parts, body) = request.into_parts();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let body = body.collect().await?.to_bytes().to_vec();
    Ok(Received {
        method: parts.method.to_string(),
        target,
        headers,
        body,
        raw_head: Vec::new(),
        connection,
    })
}

fn respond(reply: Reply, shared: Arc<Shared>) -> http::Response<PlayedBody> {
    let Reply { head, body, ending, framing: _ } = reply;
    let Head::Message { status, headers } = head else {
        panic!("a raw reply makes no sense over HTTP/2");
    };
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = PlayedBody { pieces: body.into(), ending, waiting: None, whole: false, shared };
    response.body(body).expect("scripted headers are valid")
}

/// How long a reset is put off: a reset stream forgets what waits to be written, and what stands
/// before the reset in the script shall reach the client.
const BEFORE_RESET: Duration = Duration::from_millis(1);

/// A body that plays a reply's pieces.
struct PlayedBody {
    pieces: VecDeque<Piece>,
    ending: Ending,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    whole: bool,
    shared: Arc<Shared>,
}

impl Body for PlayedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                ready!(waiting.as_mut().poll(context));
                self.waiting = None;
            }
            match self.pieces.pop_front() {
                Some(Piece::Bytes(bytes)) => {
                    return Poll::Ready(Some(Ok(Frame::data(bytes.into()))));
                }
                Some(Piece::Pause(pause)) => {
                    self.waiting = Some(Box::pin(tokio::time::sleep(pause)));
                }
                Some(Piece::Hold(gate)) => {
                    self.waiting = Some(Box::pin(async move { gate.pass().await }));
                }
                None => match self.ending {
                    Ending::Stall => return Poll::Pending,
                    Ending::KeepAlive | Ending::Close => {
                        self.whole = true;
                        return Poll::Ready(None);
                    }
                    Ending::Truncate | Ending::Reset if self.whole => {
                        return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
                    }
                    Ending::Truncate | Ending::Reset => {
                        self.whole = true;
                        self.waiting = Some(Box::pin(tokio::time::sleep(BEFORE_RESET)));
                    }
                },
            }
        }
    }
}

impl Drop for PlayedBody {
    fn drop(&mut self) {
        if !self.whole {
            self.shared.abandoned();
        }
    }
}
