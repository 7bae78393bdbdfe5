//! What will be answered to a request, worked out before the first byte is written.

use domain::{FailureKind, FinishReason, Timestamp, Tokens, Usage, WireFormat};

use crate::admission::Pass;
use crate::config::prompt_tokens;
use crate::connection::Incoming;
use crate::fault::Fault;
use crate::log::Served;
use crate::server::Server;

/// What an error says that was put in on purpose.
pub(crate) const FAULT_MESSAGE: &str = "a fault that was asked for";

/// An answer to give.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) encoder: dialect::AnswerEncoder,
    pub(crate) id: String,
    pub(crate) tokens: u64,
    pub(crate) finish: FinishReason,
    pub(crate) usage: Usage,
    pub(crate) fault: Option<Fault>,
    pub(crate) pass: Pass,
    pub(crate) keep_alive: bool,
}

/// A request that gets an error instead.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The error's body in the words of `format`.
    pub(crate) fn body(&self, format: WireFormat) -> Vec<u8> {
        let report = dialect::ErrorReport {
            kind: self.kind(),
            status: Some(self.status),
            message: &self.message,
            param: None,
            request_id: None,
        };
        dialect::encode_error(format, &report)
    }

    /// What a client takes the status for.
    fn kind(&self) -> FailureKind {
        dialect::failure::from_response(self.status, |_| None, b"", 0).kind
    }
}

impl Plan {
    /// Reads a request for an answer, notes in `record` what it asks for and what will go wrong, and
    /// lets it into the service.
    pub(crate) fn make(
        server: &Server,
        incoming: &Incoming,
        format: WireFormat,
        record: &mut Served,
    ) -> Result<Self, Refusal> {
        let config = &server.config;
        if config.api_key.is_some() && incoming.head.key != config.api_key {
            return Err(Refusal::new(401, "the API key is missing or wrong"));
        }
        let request = dialect::parse_request(format, &incoming.body)
            .map_err(|error| Refusal::new(400, error.to_string()))?;
        record.streamed = request.stream;
        record.prompt_tokens = prompt_tokens(&request.prompt);
        if !config.models.contains(&request.model) {
            return Err(Refusal::new(404, "there is no model of that name"));
        }
        let index = record.index;
        let tokens = server.answer_tokens(index, request.max_tokens, request.ignore_eos);
        record.fault = config.faults.draw(server.seeds.faults, index, tokens);
        if let Some(Fault::Status(status)) = record.fault {
            return Err(Refusal::new(status, FAULT_MESSAGE));
        }
        let Some(pass) = server.door.enter(incoming.received, index, record.prompt_tokens) else {
            let status = if format == WireFormat::AnthropicMessages { 529 } else { 503 };
            return Err(Refusal::new(status, "too many requests are waiting"));
        };
        let id = format!("req_{index:016x}");
        let created_unix_s = server.unix_s(incoming.received);
        let cut = request.max_tokens.is_some_and(|most| tokens >= most);
        Ok(Self {
            encoder: dialect::AnswerEncoder::new(
                format,
                &id,
                &request.model,
                created_unix_s,
                request.include_usage,
            ),
            id,
            tokens,
            finish: if cut { FinishReason::Length } else { FinishReason::Stop },
            usage: Usage {
                input: record.prompt_tokens,
                output: Tokens(tokens),
                ..Usage::default()
            },
            fault: record.fault,
            pass,
            keep_alive: incoming.head.keep_alive,
        })
    }

    /// The fault, where it happens among the `size` tokens from `at`.
    pub(crate) fn fault_among(&self, at: u64, size: u64) -> Option<Fault> {
        self.fault.filter(|fault| fault.at().is_some_and(|token| (at..at + size).contains(&token)))
    }

    /// The name of the header that carries the server's own id.
    pub(crate) const fn id_header(format: WireFormat) -> &'static str {
        match format {
            WireFormat::OpenAiChat | WireFormat::OpenAiCompletions => "x-request-id",
            WireFormat::AnthropicMessages => "request-id",
        }
    }
}

/// Where each chunk of an answer stands in it.
pub(crate) fn chunks(tokens: u64, tokens_per_chunk: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let size = tokens_per_chunk.min(tokens - at);
        let chunk = (size > 0).then_some((at, size));
        at += size;
        chunk
    })
}

/// A request's record as it arrives.
pub(crate) fn arrival(
    index: u64,
    connection: u64,
    format: WireFormat,
    incoming: &mut Incoming,
) -> Served {
    Served {
        index,
        request_id: incoming.head.request_id.take(),
        connection,
        format,
        streamed: false,
        status: 0,
        prompt_tokens: Tokens::ZERO,
        received: incoming.received,
        head: None,
        output_tokens: Tokens::ZERO,
        writes: 0,
        tokens: Vec::new(),
        fault: None,
        finished: Timestamp::default(),
        end: crate::log::End::ShutDown,
    }
}
