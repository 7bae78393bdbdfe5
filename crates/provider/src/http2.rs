//! Drives one exchange over a stream of an HTTP/2 connection.
//!
//! It stands on `h2` itself, the layer below hyper's client: frames can be matched with their
//! arrivals there, windows and budgets are set for many small frames, and an error keeps its code.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use domain::{Arrival, Clock, Failure, FailureKind, Progress, Sink, Timestamp};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};

use crate::answer::{Answer, Exchanged, Fields, Head, malformed, truncated};
use crate::ledger::Account;
use crate::links::{Link, Links};
use crate::patience::Patience;
use crate::request::{ID_HEADER, RequestHead, id_value};
use crate::transport::Connector;
use crate::wire::Call;

/// A target reached over HTTP/2: many requests at once on each connection.
#[derive(Debug)]
pub(crate) struct Http2 {
    links: Links,
    /// What every request begins with.
    head: http::Request<()>,
}

impl Http2 {
    pub(crate) fn new(connector: Connector, head: &RequestHead, streams_max: u32) -> Self {
        Self { links: Links::new(connector, streams_max), head: head.http2() }
    }

    pub(crate) const fn connector(&self) -> &Connector {
        self.links.connector()
    }

    /// Sees to it that a request to come finds room on an open connection.
    pub(crate) async fn prepare(&self) -> Result<(), Failure> {
        self.links.reserve().await
    }

    /// Sends `call` on a stream and reads its answer into `sink`. Dropping the future resets the
    /// stream and leaves the connection to the others.
    pub(crate) async fn exchange(&self, call: &Call<'_>, sink: &mut dyn Sink) -> Exchanged {
        let (seat, cost) = match self.links.seat().await {
            Ok(taken) => taken,
            Err(failure) => return Exchanged::failed(failure),
        };
        if let Some(cost) = cost {
            sink.progress(Progress::Connected(cost));
        }
        let mut answer = None;
        let end = self.send_and_read(seat.link(), call, &mut answer, sink).await;
        Exchanged::new(end, answer)
    }

    async fn send_and_read(
        &self,
        link: &Link,
        call: &Call<'_>,
        answer: &mut Option<Answer>,
        sink: &mut dyn Sink,
    ) -> Result<Arrival, Failure> {
        let mut patience = Patience::new(call.timeouts);
        let (account, (mut response, mut upload)) = self.open_stream(link, call)?;
        let response = patience
            .wait(|context| {
                if let Some(sent) = upload.poll(context, call.clock) {
                    sink.progress(Progress::Sent(sent));
                }
                Pin::new(&mut response).poll(context)
            })
            .await?
            .map_err(|error| failure(&error))?;
        let (head, body) = response.into_parts();
        let head = Head { status: head.status.as_u16(), fields: Fields::Http2(&head.headers) };
        let answer = answer.insert(Answer::begin(&head, call.expect, account.head(), sink)?);
        let mut reading = Reading { account, body, upload, clock: call.clock };
        poll_fn(|context| reading.poll(context, answer, &mut patience, sink)).await
    }

    fn open_stream(
        &self,
        link: &Link,
        call: &Call<'_>,
    ) -> Result<(Account, (ResponseFuture, Upload)), Failure> {
        let mut request = self.head.clone();
        if let Some(id) = call.id {
            request.headers_mut().insert(ID_HEADER, id_value(id));
        }
        if !call.body.is_empty() {
            request.headers_mut().insert(http::header::CONTENT_LENGTH, call.body.len().into());
        }
        let mut sender = link.sender();
        link.ledger()
            .enter(|| {
                let (response, send) = sender.send_request(request, call.body.is_empty())?;
                let stream = response.stream_id().as_u32();
                Ok((stream, (response, Upload::new(send, call.body.clone()))))
            })
            .map_err(|error: h2::Error| failure(&error))
    }
}

/// A request's body on its way out, as fast as the server's window allows.
struct Upload {
    send: SendStream<Bytes>,
    left: Bytes,
    step: UploadStep,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum UploadStep {
    /// Bytes are left.
    Sending,
    /// The last byte was handed over, and nobody was told yet.
    Sent,
    /// There is nothing left to do, or the stream broke, which its answer will tell.
    Over,
}

impl Upload {
    fn new(mut send: SendStream<Bytes>, body: Bytes) -> Self {
        let step = if body.is_empty() { UploadStep::Sent } else { UploadStep::Sending };
        send.reserve_capacity(body.len());
        Self { send, left: body, step }
    }

    /// Sends what can be sent. Once, when the last byte has been handed over, gives the moment before:
    /// the connection's own task may write it at once, and the answer come before this returns.
    fn poll(&mut self, context: &mut Context<'_>, clock: &dyn Clock) -> Option<Timestamp> {
        if self.step == UploadStep::Over {
            return None;
        }
        let now = clock.now();
        while self.step == UploadStep::Sending {
            match self.send.poll_capacity(context) {
                Poll::Ready(Some(Ok(room))) => {
                    let piece = self.left.split_to(room.min(self.left.len()));
                    let last = self.left.is_empty();
                    if self.send.send_data(piece, last).is_err() {
                        self.step = UploadStep::Over;
                    } else if last {
                        self.step = UploadStep::Sent;
                    } else {
                        self.send.reserve_capacity(self.left.len());
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => self.step = UploadStep::Over,
                Poll::Pending => return None,
            }
        }
        let sent = (self.step == UploadStep::Sent).then_some(now);
        self.step = UploadStep::Over;
        sent
    }
}

/// An answer's body on its way in.
struct Reading<'a> {
    account: Account,
    body: RecvStream,
    upload: Upload,
    clock: &'a dyn Clock,
}

impl Reading<'_> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        answer: &mut Answer,
        patience: &mut Patience,
        sink: &mut dyn Sink,
    ) -> Poll<Result<Arrival, Failure>> {
        // An answer may begin before its request has ended.
        if let Some(sent) = self.upload.poll(context, self.clock) {
            sink.progress(Progress::Sent(sent));
        }
        loop {
            let Poll::Ready(next) = self.body.poll_data(context) else {
                return patience.poll(context, answer.stage()).map(Err);
            };
            let Some(piece) = next else { return Poll::Ready(Ok(self.account.last())) };
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => return Poll::Ready(Err(failure(&error))),
            };
            patience.note_read();
            // A stream that is over has no window left to give back to.
            let _ = self.body.flow_control().release_capacity(piece.len());
            if let Err(failure) = answer.take(&piece, self.account.next_data(), sink) {
                return Poll::Ready(Err(failure));
            }
        }
    }
}

/// What an error of a stream or its connection stands for. What the server says of itself in a
/// GOAWAY frame is left out: it is not for reports.
pub(crate) fn failure(error: &h2::Error) -> Failure {
    if let Some(error) = error.get_io() {
        return truncated(format!("the connection broke: {error}"));
    }
    let Some(reason) = error.reason() else {
        return malformed(format!("HTTP/2 failed: {error}"));
    };
    let code = format!("HTTP/2 {reason:?}");
    match reason {
        _ if error.is_library() => {
            malformed(format!("the server breaks the rules of HTTP/2 ({code})"))
        }
        Reason::REFUSED_STREAM => Failure::new(
            FailureKind::Overloaded,
            format!("the server refused the request ({code})"),
        ),
        Reason::ENHANCE_YOUR_CALM => Failure::new(
            FailureKind::RateLimited,
            format!("the server asked for fewer requests ({code})"),
        ),
        Reason::HTTP_1_1_REQUIRED => Failure::new(
            FailureKind::Rejected,
            format!("the server wants HTTP/1.1 for this request ({code})"),
        ),
        _ if error.is_go_away() => {
            truncated(format!("the server closed the connection before the answer's end ({code})"))
        }
        _ => truncated(format!("the server broke the answer off ({code})")),
    }
}
