//! What stands at which path.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialect::models::{self, ModelEntry};
use dialect::{AnswerEncoder, IncomingRequest, WireFormat, parse_request};
use domain::{Clock, Model, Request};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Response, StatusCode, request};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::answer::{self, AnswerBody, AnswerStream};
use crate::id::{IdSource, Name, answer_id};
use crate::refusal::Refusal;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Anthropic's name for [`REQUEST_ID`].
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// What Anthropic's clients must send.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The longest body of a request. Anthropic's own limit.
const BODY_BYTES_MAX: usize = 32 << 20;

/// How long a client may take over a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

const CHAT: &str = dialect::path(WireFormat::OpenAiChat);
const COMPLETIONS: &str = dialect::path(WireFormat::OpenAiCompletions);
const MESSAGES: &str = dialect::path(WireFormat::AnthropicMessages);

/// A model and what clients call it.
#[derive(Clone)]
pub struct Served {
    /// The name requests ask for it by.
    pub id: String,
    /// The model.
    pub model: Arc<dyn Model>,
    /// The most tokens of prompt and answer together, where that is known. A request for a longer
    /// answer than that is refused.
    pub context_length: Option<u64>,
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("id", &self.id)
            .field("context_length", &self.context_length)
            .finish_non_exhaustive()
    }
}

type Metrics = Box<dyn Fn(&mut String) + Send + Sync>;

/// Everything a connection needs to answer requests.
pub(crate) struct Front {
    models: Vec<Served>,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    ids: IdSource,
    started_unix_s: u64,
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").field("models", &self.models).finish_non_exhaustive()
    }
}

/// The places of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Answers(WireFormat),
    Models,
    /// What is told of the model of this id.
    Model(String),
    Health,
    Metrics,
}

impl Place {
    fn at(path: &str) -> Option<Self> {
        match path {
            CHAT => Some(Self::Answers(WireFormat::OpenAiChat)),
            COMPLETIONS => Some(Self::Answers(WireFormat::OpenAiCompletions)),
            MESSAGES => Some(Self::Answers(WireFormat::AnthropicMessages)),
            models::PATH => Some(Self::Models),
            "/health" => Some(Self::Health),
            "/metrics" => Some(Self::Metrics),
            _ => models::id_in(path).map(Self::Model),
        }
    }

    const fn method(&self) -> Method {
        match self {
            Self::Answers(_) => Method::POST,
            Self::Models | Self::Model(_) | Self::Health | Self::Metrics => Method::GET,
        }
    }

    /// The form of errors here.
    fn format(&self, head: &request::Parts) -> WireFormat {
        match self {
            Self::Answers(format) => *format,
            Self::Models | Self::Model(_) | Self::Health | Self::Metrics => clients_format(head),
        }
    }
}

/// The form of errors where the path leaves it open: Anthropic's for who sends the header that
/// Anthropic's clients must.
fn clients_format(head: &request::Parts) -> WireFormat {
    if head.headers.contains_key(ANTHROPIC_VERSION) {
        WireFormat::AnthropicMessages
    } else {
        WireFormat::OpenAiChat
    }
}

impl Front {
    pub(crate) fn new(models: Vec<Served>, metrics: Metrics, clock: Arc<dyn Clock>) -> Self {
        let unix_nanos = clock.unix_nanos();
        Self {
            models,
            metrics,
            clock,
            ids: IdSource::new(unix_nanos),
            started_unix_s: unix_nanos / 1_000_000_000,
        }
    }

    /// Answers any request; an error is an answer too.
    pub(crate) async fn respond(&self, request: http::Request<Incoming>) -> Response<AnswerBody> {
        let (head, body) = request.into_parts();
        let given = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        let name = self.ids.name(given);
        let mut response = match Place::at(head.uri.path()) {
            None => no_such_path(&head, &name.shown),
            Some(place) => {
                let format = place.format(&head);
                let answered = if place.method() == head.method {
                    self.at(place, name.clone(), body).await
                } else {
                    Err(Refusal::wrong_method(place.method()))
                };
                answered.unwrap_or_else(|refusal| refusal.into_response(format, &name.shown))
            }
        };
        let id = HeaderValue::from_str(&name.shown).expect("it came in a header, or is ASCII");
        response.headers_mut().insert(ANTHROPIC_REQUEST_ID, id.clone());
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    async fn at(
        &self,
        place: Place,
        name: Name,
        body: Incoming,
    ) -> Result<Response<AnswerBody>, Refusal> {
        match place {
            Place::Answers(format) => self.answer(format, name, body).await,
            Place::Models => Ok(self.list()),
            Place::Model(id) => self.tell_of(&id),
            Place::Health => Ok(whole("application/json", r#"{"status":"ok"}"#)),
            Place::Metrics => {
                let mut text = String::new();
                (self.metrics)(&mut text);
                Ok(whole("text/plain; version=0.0.4; charset=utf-8", text))
            }
        }
    }

    async fn answer(
        &self,
        format: WireFormat,
        name: Name,
        body: Incoming,
    ) -> Result<Response<AnswerBody>, Refusal> {
        let body = read(body).await?;
        let asked = parse_request(format, &body)?;
        drop(body);
        let served = self.suited(&asked)?;
        let encoder = AnswerEncoder::new(
            format,
            &answer_id(format, name.id),
            &served.id,
            self.clock.unix_nanos() / 1_000_000_000,
            asked.include_usage,
        );
        let request = Request {
            id: name.id,
            model: asked.model.into(),
            prompt: asked.prompt,
            max_tokens: asked.max_tokens,
            ignore_eos: asked.ignore_eos,
            stream: asked.stream,
            sampling: asked.sampling,
            stop: asked.stop.into(),
            tools: asked.tools.map(Arc::new),
        };
        let failed = |failure| Refusal::failed(format, &failure);
        if request.stream {
            let model = Arc::clone(&served.model);
            let stream = AnswerStream::start(model, request, encoder).await.map_err(failed)?;
            let mut response = Response::new(AnswerBody::Stream(stream));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            Ok(response)
        } else {
            let body = answer::whole(&*served.model, &request, &encoder).await.map_err(failed)?;
            Ok(whole("application/json", body))
        }
    }

    fn find(&self, id: &str) -> Result<&Served, Refusal> {
        self.models.iter().find(|served| served.id == id).ok_or_else(|| {
            let known: Vec<&str> = self.models.iter().map(|served| &*served.id).collect();
            Refusal::unknown_model(id, &known)
        })
    }

    /// The model asked for, if it can serve as long an answer.
    fn suited(&self, asked: &IncomingRequest) -> Result<&Served, Refusal> {
        let served = self.find(&asked.model)?;
        match (asked.max_tokens, served.context_length) {
            (Some(wanted), Some(most)) if wanted > most => Err(Refusal::rejected(
                StatusCode::BAD_REQUEST,
                format!(
                    "'max_tokens' is {wanted}, but the context of '{}' holds {most} tokens",
                    served.id
                ),
            )),
            _ => Ok(served),
        }
    }

    fn list(&self) -> Response<AnswerBody> {
        let entries: Vec<ModelEntry> = self.models.iter().map(entry).collect();
        whole("application/json", models::encode_models(&entries, self.started_unix_s))
    }

    fn tell_of(&self, id: &str) -> Result<Response<AnswerBody>, Refusal> {
        let entry = entry(self.find(id)?);
        Ok(whole("application/json", models::encode_model(&entry, self.started_unix_s)))
    }
}

fn entry(served: &Served) -> ModelEntry {
    ModelEntry { id: served.id.clone(), max_model_len: served.context_length }
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let too_long = || {
        let message = format!("the body is longer than {BODY_BYTES_MAX} bytes");
        Refusal::rejected(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    // What the head promises is enough to refuse it.
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_long());
    }
    let reading = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIMEOUT, reading).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Refusal::rejected(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(Refusal::rejected(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not come within {} s", BODY_TIMEOUT.as_secs()),
        )),
    }
}

fn whole(content_type: &'static str, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn no_such_path(head: &request::Parts, request_id: &str) -> Response<AnswerBody> {
    let message = format!(
        "there is no {}; there are {CHAT}, {COMPLETIONS}, {MESSAGES}, {}, /health and /metrics",
        head.uri.path(),
        models::PATH
    );
    // As an error of status 404 it would read as a missing model.
    let refusal = Refusal::rejected(StatusCode::BAD_REQUEST, message);
    let mut response = refusal.into_response(clients_format(head), request_id);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
