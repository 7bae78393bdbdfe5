//! An answer under way, whichever HTTP brings it: what its head decides, its body's bytes as they
//! come, and how it ended.

use dialect::{AnswerDecoder, Piece};
use domain::{
    Arrival, Chunk, Completion, Failure, FailureKind, Payload, Progress, Sink, WireFormat,
};

use crate::patience::Stage;

/// The longest body that is kept whole: an unstreamed answer, or a list of models.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How much is kept of a refusal, which only has to say why.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// What the asker makes of a success. A refusal is kept as it came either way.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expect {
    /// It is a model's answer.
    Answer {
        /// The format to read it in.
        format: WireFormat,
        /// Whether it was asked for token by token.
        streamed: bool,
    },
    /// It is kept as it came.
    Anything,
}

/// The headers of an answer, as either HTTP holds them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fields<'h> {
    Http1(&'h [httparse::Header<'h>]),
    Http2(&'h http::HeaderMap),
}

impl<'h> Fields<'h> {
    /// The value of the first header called `name` (in lower case), if it is text.
    pub(crate) fn get(self, name: &str) -> Option<&'h str> {
        match self {
            Self::Http1(fields) => fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name))
                .and_then(|field| std::str::from_utf8(field.value).ok())
                .map(str::trim),
            Self::Http2(fields) => fields.get(name).and_then(|value| value.to_str().ok()),
        }
    }

    /// Whether the header called `name` mentions `token`, in any case of letters.
    pub(crate) fn mentions(self, name: &str, token: &str) -> bool {
        let is_token = |part: &[u8]| part.eq_ignore_ascii_case(token.as_bytes());
        self.get(name).is_some_and(|value| value.as_bytes().windows(token.len()).any(is_token))
    }

    /// A copy to keep, names in lower case.
    fn owned(self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &[u8]| {
            let value = std::str::from_utf8(value).ok()?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        match self {
            Self::Http1(fields) => {
                fields.iter().filter_map(|field| pair(field.name, field.value)).collect()
            }
            Self::Http2(fields) => fields
                .iter()
                .filter_map(|(name, value)| pair(name.as_str(), value.as_bytes()))
                .collect(),
        }
    }
}

/// The head of an answer, as far as anyone reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'h> {
    pub(crate) status: u16,
    pub(crate) fields: Fields<'h>,
}

/// An answer that is kept as it came: a refusal, or what no dialect is to read.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether only the beginning of the body is wanted.
    is_refusal: bool,
}

impl Kept {
    /// The value of the header whose lower-case name is `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The failure it stands for.
    pub(crate) fn failure(&self, unix_seconds: u64) -> Failure {
        let header = |name: &str| self.header(name);
        let mut failure =
            dialect::failure::from_response(self.status, header, &self.body, unix_seconds);
        if let (300..400, Some(location)) = (self.status, self.header("location")) {
            let location: String = location.chars().take(200).collect();
            failure.message = format!(
                "the server redirects to {location} (status {}): use that URL, redirects are not \
                 followed",
                self.status
            );
        }
        failure
    }
}

/// What becomes of the body's bytes.
#[derive(Debug)]
enum Body {
    /// Events, decoded as they come.
    Stream(WireFormat, Box<AnswerDecoder>),
    /// One JSON document, decoded at its end.
    Whole(WireFormat, Vec<u8>),
    /// Kept as they are.
    Kept(Kept),
}

/// An answer whose head has come.
#[derive(Debug)]
pub(crate) struct Answer {
    body: Body,
    has_body: bool,
    begun: bool,
}

impl Answer {
    /// Begins an answer: tells `sink` of its head and decides what its body is.
    ///
    /// A success is an event stream if it says so, or if one was asked for and it does not say
    /// JSON: servers label streams in many ways, and some ignore the wish for one.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] where the success is a web page.
    pub(crate) fn begin(
        head: &Head<'_>,
        expect: Expect,
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<Self, Failure> {
        let Head { status, fields } = *head;
        let says = |token: &str| fields.mentions("content-type", token);
        let body = match expect {
            Expect::Answer { format, streamed } if (200..300).contains(&status) => {
                if says("text/event-stream") || streamed && !says("application/json") {
                    Body::Stream(format, Box::new(AnswerDecoder::new(format)))
                } else {
                    Body::Whole(format, Vec::new())
                }
            }
            Expect::Answer { .. } | Expect::Anything => Body::Kept(Kept {
                status,
                headers: fields.owned(),
                body: Vec::new(),
                is_refusal: matches!(expect, Expect::Answer { .. }),
            }),
        };
        sink.progress(Progress::Headers {
            at,
            server_request_id: dialect::server_request_id(|name| fields.get(name)),
            streamed: match (&body, expect) {
                (Body::Stream(..), _) => true,
                (Body::Whole(..), _) | (Body::Kept(_), Expect::Anything) => false,
                (Body::Kept(_), Expect::Answer { streamed, .. }) => streamed,
            },
        });
        if matches!(body, Body::Stream(..) | Body::Whole(..)) && says("text/html") {
            return Err(malformed(
                "the server answered with a web page, not as a model would; check the URL and its \
                 path",
            ));
        }
        Ok(Self { body, has_body: false, begun: false })
    }

    /// How far it has come. Of an answer in one piece the first byte stands for its first token.
    pub(crate) const fn stage(&self) -> Stage {
        match (&self.body, self.has_body, self.begun) {
            (_, false, _) => Stage::Head,
            (Body::Stream(..), true, false) => Stage::Preamble,
            (Body::Stream(..), true, true) | (Body::Whole(..) | Body::Kept(_), true, _) => {
                Stage::Tokens
            }
        }
    }

    /// Whether a token was handed on: such an answer is never asked for again.
    pub(crate) const fn begun(&self) -> bool {
        self.begun
    }

    /// Whether the end of the connection may be the end of the answer though its framing promised
    /// more: an event stream has an end mark of its own.
    pub(crate) const fn judges_its_end(&self) -> bool {
        matches!(self.body, Body::Stream(..))
    }

    /// Takes in the next bytes of the body.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        at: Arrival,
        sink: &mut dyn Sink,
    ) -> Result<(), Failure> {
        self.has_body |= !bytes.is_empty();
        match &mut self.body {
            Body::Stream(format, decoder) => {
                let format = *format;
                let begun = &mut self.begun;
                decoder.feed(bytes, &mut |piece| {
                    *begun |= piece.kind.is_token();
                    hand_on(piece, format, at, sink);
                })
            }
            Body::Kept(Kept { body: kept, is_refusal: true, .. }) => {
                let room = REFUSAL_BYTES_MAX - kept.len();
                kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(())
            }
            Body::Whole(_, kept) | Body::Kept(Kept { body: kept, .. }) => {
                if kept.len() + bytes.len() > BODY_BYTES_MAX {
                    return Err(malformed("the answer is longer than 64 MiB"));
                }
                kept.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The outcome of an answer whose last byte came `at`. An unstreamed answer is handed on as one
    /// chunk, body and all, even where it carries no token.
    pub(crate) fn finish(
        self,
        at: Arrival,
        unix_seconds: u64,
        sink: &mut dyn Sink,
    ) -> Result<Completion, Failure> {
        match self.body {
            Body::Stream(format, decoder) => {
                let answer = decoder.finish(&mut |piece| hand_on(piece, format, at, sink))?;
                Ok(Completion { finished: at, finish: answer.finish, usage: answer.usage })
            }
            Body::Whole(format, body) => {
                let whole = dialect::decode_whole(format, &body)?;
                hand_on(Piece { kind: whole.kind, data: &body }, format, at, sink);
                Ok(Completion { finished: at, finish: whole.finish, usage: whole.usage })
            }
            Body::Kept(kept) => Err(kept.failure(unix_seconds)),
        }
    }

    fn into_kept(self) -> Option<Kept> {
        match self.body {
            Body::Kept(kept) => Some(kept),
            Body::Stream(..) | Body::Whole(..) => None,
        }
    }
}

/// How one try at a request went.
#[derive(Debug)]
pub(crate) struct Exchanged {
    /// When the answer's last byte came, or why it did not.
    end: Result<Arrival, Failure>,
    /// The answer, if its head came.
    answer: Option<Answer>,
}

impl Exchanged {
    pub(crate) const fn new(end: Result<Arrival, Failure>, answer: Option<Answer>) -> Self {
        Self { end, answer }
    }

    /// A try that never got to an answer.
    pub(crate) const fn failed(failure: Failure) -> Self {
        Self::new(Err(failure), None)
    }

    /// Whether part of an answer was handed on.
    pub(crate) fn begun(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::begun)
    }

    /// The outcome of the request.
    pub(crate) fn completion(
        self,
        unix_seconds: u64,
        sink: &mut dyn Sink,
    ) -> Result<Completion, Failure> {
        let at = self.end?;
        let answer = self.answer.ok_or_else(|| truncated("the answer has no head"))?;
        answer.finish(at, unix_seconds, sink)
    }

    /// The answer as it came, where [`Expect::Anything`] was asked for.
    pub(crate) fn kept(self) -> Result<Kept, Failure> {
        self.end?;
        let kept = self.answer.and_then(Answer::into_kept);
        kept.ok_or_else(|| truncated("the answer has no head"))
    }
}

fn hand_on(piece: Piece<'_>, format: WireFormat, at: Arrival, sink: &mut dyn Sink) {
    let payload = Payload::Wire { format, data: piece.data };
    sink.progress(Progress::Chunk(Chunk { at, kind: piece.kind, payload }));
}

pub(crate) fn malformed(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Malformed, message)
}

pub(crate) fn truncated(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Truncated, message)
}
