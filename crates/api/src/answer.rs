//! An answer on its way from a model to a client.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use dialect::{AnswerEncoder, AnswerText, OutOfOrder, Part, decode_parts};
use domain::{
    BoxFuture, Chunk, ChunkKind, Completion, Failure, FailureKind, Model, Payload, Progress,
    Request, Sink, Tokens, Usage,
};
use http_body::{Body, Frame, SizeHint};

/// The body of any answer this server gives.
pub(crate) enum AnswerBody {
    /// Bytes that are all there, until they are taken.
    Whole(Option<Bytes>),
    /// Events that a model is still making.
    Stream(AnswerStream),
}

impl AnswerBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Stream(stream) => stream.poll_bytes(context),
        };
        bytes.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(stream) => stream.ended && stream.writing().out.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

/// Asks `model` and waits for the whole answer: its body.
///
/// # Errors
/// The model's failure.
pub(crate) async fn whole(
    model: &dyn Model,
    request: &Request,
    encoder: &AnswerEncoder,
) -> Result<Vec<u8>, Failure> {
    let mut gathering = Gathering { text: AnswerText::default(), chunks: 0, broken: None };
    let completion = model.send(request, &mut gathering).await?;
    if let Some(failure) = gathering.broken {
        return Err(failure);
    }
    let usage = completion.usage.unwrap_or_else(|| {
        let output = match gathering.chunks {
            // The whole answer, more likely than its only token.
            1 => gathering.text.joined().len().div_ceil(BYTES_PER_TOKEN) as u64,
            chunks => chunks,
        };
        estimate(request, output)
    });
    Ok(encoder.whole(&gathering.text, completion.finish, usage))
}

/// Keeps the text of an answer that goes out in one piece.
struct Gathering {
    text: AnswerText,
    chunks: u64,
    broken: Option<Failure>,
}

impl Sink for Gathering {
    fn progress(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Attempt(_) => {
                *self = Self { text: AnswerText::default(), chunks: 0, broken: None };
            }
            Progress::Connected(_) | Progress::Sent(_) | Progress::Headers { .. } => {}
            Progress::Chunk(chunk) => {
                self.chunks += u64::from(chunk.kind.is_token());
                let read = parts_of(&chunk, &mut |part| self.text.push(part));
                self.broken = self.broken.take().or(read.err());
            }
        }
    }
}

/// Hands the parts of `chunk` to `on`.
///
/// # Errors
/// Where it cannot be read, or is a tool call as bare text, which does not say which.
fn parts_of(chunk: &Chunk<'_>, on: &mut dyn FnMut(Part<'_>)) -> Result<(), Failure> {
    match (chunk.payload, chunk.kind) {
        (Payload::Wire { format, data }, _) => decode_parts(format, data, on)?,
        (Payload::Text(text), ChunkKind::Content) => on(Part::Content(text)),
        (Payload::Text(text), ChunkKind::Reasoning) => on(Part::Reasoning(text)),
        (Payload::Text(_), ChunkKind::ToolCall) => return Err(out_of_order(OutOfOrder::Nameless)),
        (Payload::Text(_), ChunkKind::Other) => {}
    }
    Ok(())
}

fn out_of_order(error: OutOfOrder) -> Failure {
    Failure::new(FailureKind::Malformed, error.to_string())
}

/// How many bytes of text make a token, about.
const BYTES_PER_TOKEN: usize = 4;

/// What the counts must have been, where the model does not say.
fn estimate(request: &Request, output: u64) -> Usage {
    let input = request.prompt.text().len().div_ceil(BYTES_PER_TOKEN) as u64;
    Usage { input: Tokens(input), output: Tokens(output), ..Usage::default() }
}

/// A streamed answer: the model's own future, and the events it has written since they were last
/// taken.
pub(crate) struct AnswerStream {
    sending: BoxFuture<'static, Result<(Completion, Usage), Failure>>,
    writing: Arc<Mutex<Writing>>,
    ended: bool,
}

impl AnswerStream {
    /// Asks `model` and waits for the first token, so that a failure before it can still be
    /// answered with a status of its own.
    ///
    /// # Errors
    /// The model's failure before the first token.
    pub(crate) async fn start(
        model: Arc<dyn Model>,
        request: Request,
        encoder: AnswerEncoder,
    ) -> Result<Self, Failure> {
        let writing =
            Arc::new(Mutex::new(Writing { encoder, out: Vec::new(), chunks: 0, broken: None }));
        let mut writer = Writer(Arc::clone(&writing));
        let sending = Box::pin(async move {
            let completion = model.send(&request, &mut writer).await?;
            let usage =
                // One token a chunk.
                completion.usage.unwrap_or_else(|| estimate(&request, writer.lock().chunks));
            Ok((completion, usage))
        });
        let mut stream = Self { sending, writing, ended: false };
        poll_fn(|context| stream.poll_begun(context)).await?;
        Ok(stream)
    }

    fn poll_begun(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let result = self.poll_sending(context);
        let mut writing = lock(&self.writing);
        match result {
            Poll::Pending if writing.chunks == 0 => Poll::Pending,
            Poll::Ready(Err(failure)) if writing.chunks == 0 => Poll::Ready(Err(failure)),
            Poll::Pending => Poll::Ready(Ok(())),
            Poll::Ready(result) => {
                writing.end(result);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Lets the model go on, and takes what it has written. `None` is the end.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.ended
            && let Poll::Ready(result) = self.poll_sending(context)
        {
            self.writing().end(result);
        }
        let out = std::mem::take(&mut self.writing().out);
        match (out.is_empty(), self.ended) {
            (false, _) => Poll::Ready(Some(out.into())),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }

    fn poll_sending(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(Completion, Usage), Failure>> {
        let result = self.sending.as_mut().poll(context);
        let broken = self.writing().broken.take();
        let result = broken.map_or(result, |failure| Poll::Ready(Err(failure)));
        self.ended = result.is_ready();
        result
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        lock(&self.writing)
    }
}

/// The events of a streamed answer as they are written.
struct Writing {
    encoder: AnswerEncoder,
    /// Whole events, not yet taken.
    out: Vec<u8>,
    /// The token-bearing chunks so far.
    chunks: u64,
    /// Why the model's answer cannot be passed on any further.
    broken: Option<Failure>,
}

impl Writing {
    /// Writes a chunk.
    fn chunk(&mut self, chunk: Chunk<'_>) -> Result<(), Failure> {
        if !chunk.kind.is_token() {
            return Ok(());
        }
        if self.chunks == 0 {
            self.encoder.begin(&mut self.out);
        }
        self.chunks += 1;
        let Self { encoder, out, .. } = self;
        let mut written = Ok(());
        parts_of(&chunk, &mut |part| {
            if written.is_ok() {
                written = encoder.part(part, out).map_err(out_of_order);
            }
        })?;
        written
    }

    fn end(&mut self, result: Result<(Completion, Usage), Failure>) {
        match result {
            Ok((completion, usage)) => {
                if self.chunks == 0 {
                    self.encoder.begin(&mut self.out);
                }
                self.encoder.end(completion.finish, usage, &mut self.out);
            }
            Err(failure) => {
                self.encoder.error_event(failure.kind, &failure.message, &mut self.out);
            }
        }
    }
}

/// The model's end of [`Writing`]. Model and client are polled on one task, so the lock is never
/// waited for.
struct Writer(Arc<Mutex<Writing>>);

impl Writer {
    fn lock(&self) -> MutexGuard<'_, Writing> {
        lock(&self.0)
    }
}

impl Sink for Writer {
    fn progress(&mut self, progress: Progress<'_>) {
        let mut writing = self.lock();
        if writing.broken.is_some() {
            return;
        }
        let written = match progress {
            Progress::Attempt(_) if writing.chunks > 0 => Err(Failure::new(
                FailureKind::Truncated,
                "the model began the answer anew after part of it was sent",
            )),
            Progress::Attempt(_)
            | Progress::Connected(_)
            | Progress::Sent(_)
            | Progress::Headers { .. } => Ok(()),
            Progress::Chunk(chunk) => writing.chunk(chunk),
        };
        writing.broken = written.err();
    }
}

fn lock(writing: &Mutex<Writing>) -> MutexGuard<'_, Writing> {
    writing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use dialect::WireFormat;
    use domain::{Arrival, Timestamp};

    use super::*;

    /// Makes one token each time it is polled, without end.
    struct Endless;

    impl Model for Endless {
        fn send<'a>(
            &'a self,
            _: &'a Request,
            sink: &'a mut dyn Sink,
        ) -> BoxFuture<'a, Result<Completion, Failure>> {
            Box::pin(async move {
                loop {
                    sink.progress(Progress::Chunk(Chunk {
                        at: Arrival::at(Timestamp::default()),
                        kind: ChunkKind::Content,
                        payload: Payload::Text("x"),
                    }));
                    tokio::task::yield_now().await;
                }
            })
        }
    }

    #[tokio::test]
    async fn a_model_goes_no_faster_than_its_client_reads() {
        let encoder = AnswerEncoder::new(WireFormat::OpenAiChat, "a", "m", 0, false);
        let request = testkit::model::request(0);
        let mut stream =
            AnswerStream::start(Arc::new(Endless), request, encoder).await.expect("it begins");
        assert_eq!(stream.writing().chunks, 1);
        let mut context = Context::from_waker(Waker::noop());
        for read in 2..50 {
            let taken = stream.poll_bytes(&mut context);
            assert!(matches!(taken, Poll::Ready(Some(bytes)) if bytes.ends_with(b"\n\n")));
            assert_eq!(stream.writing().chunks, read, "one poll, one token");
            assert!(stream.writing().out.is_empty(), "nothing piles up");
        }
    }
}
