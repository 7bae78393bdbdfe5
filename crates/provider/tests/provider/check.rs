//! What the tests share: answers a server may give, a request, and what came of it.

use std::sync::Arc;

use dialect::AnswerText;
use domain::{
    Completion, Failure, Model as _, Prompt, Request, RequestId, Sampling, SystemClock, WireFormat,
};
use provider::{BaseUrl, Provider, Target};
pub(crate) use testkit::answer::events;
use testkit::{CollectingSink, FakeServer, OwnedPayload, Reply, Step};

pub(crate) const FORMATS: [WireFormat; 3] =
    [WireFormat::OpenAiChat, WireFormat::OpenAiCompletions, WireFormat::AnthropicMessages];

/// The answer of [`events`] in one piece.
pub(crate) fn whole(format: WireFormat) -> &'static str {
    match format {
        WireFormat::OpenAiChat => {
            r#"{"choices":[{"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],
               "usage":{"prompt_tokens":3,"completion_tokens":2}}"#
        }
        WireFormat::OpenAiCompletions => {
            r#"{"choices":[{"text":"Hello","finish_reason":"stop"}],
               "usage":{"prompt_tokens":3,"completion_tokens":2}}"#
        }
        WireFormat::AnthropicMessages => {
            r#"{"type":"message","content":[{"type":"text","text":"Hello"}],
               "stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#
        }
    }
}

/// A streamed chat answer.
pub(crate) fn hello() -> Reply {
    Reply::sse(events(WireFormat::OpenAiChat))
}

/// A target at `server`, whose certificate it trusts.
pub(crate) fn target(server: &FakeServer) -> Target {
    let mut target = target_at(&server.url());
    target.tls.authorities_pem = server.certificate_pem().map(|pem| pem.as_bytes().to_vec());
    target
}

/// A chat target at `url`.
pub(crate) fn target_at(url: &str) -> Target {
    Target::new(BaseUrl::parse(url).expect("a URL"), WireFormat::OpenAiChat)
}

pub(crate) fn provider(target: Target) -> Provider {
    Provider::new(target, Arc::new(SystemClock)).expect("the target is usable")
}

/// A streamed request number `index`.
pub(crate) fn request(index: u64) -> Request {
    Request {
        id: RequestId { run: 0xab, index },
        model: "tiny".into(),
        prompt: Prompt::Text("Hi".into()),
        max_tokens: Some(2),
        ignore_eos: false,
        stream: true,
        sampling: Sampling::default(),
        stop: Arc::new([]),
        tools: None,
    }
}

/// What a request came to, and each step on the way.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) sink: CollectingSink,
    pub(crate) result: Result<Completion, Failure>,
}

impl Outcome {
    /// The answer's text, and the server's token counts.
    pub(crate) fn answer(&self) -> (String, u64, u64) {
        let completion = self.result.as_ref().expect("an answer");
        let usage = completion.usage.expect("token counts");
        let mut text = AnswerText::default();
        for step in &self.sink.steps {
            match step {
                Step::Chunk { payload: OwnedPayload::Text(plain), .. } => {
                    text.content.push_str(plain);
                }
                Step::Chunk { payload: OwnedPayload::Wire { format, data }, .. } => {
                    dialect::decode_text(*format, data, &mut text).expect("a readable event");
                }
                Step::Attempt(_) | Step::Connected(_) | Step::Sent(_) | Step::Headers { .. } => {}
            }
        }
        (text.content, usage.input.count(), usage.output.count())
    }

    /// Panics unless the answer is the one of [`events`].
    #[track_caller]
    pub(crate) fn is_hello(&self) {
        assert_eq!(self.answer(), ("Hello".to_owned(), 3, 2));
    }

    pub(crate) fn failure(&self) -> &Failure {
        self.result.as_ref().expect_err("a failure")
    }

    /// How many connections were opened for it.
    pub(crate) fn connected(&self) -> usize {
        self.sink.steps.iter().filter(|step| matches!(step, Step::Connected(_))).count()
    }

    /// The names of its steps up to the first chunk of each try.
    pub(crate) fn steps(&self) -> Vec<&'static str> {
        self.sink
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Attempt(_) => Some("attempt"),
                Step::Connected(_) => Some("connected"),
                Step::Sent(_) => Some("sent"),
                Step::Headers { .. } => Some("headers"),
                Step::Chunk { .. } => None,
            })
            .collect()
    }
}

/// Sends a request and waits for what comes of it.
pub(crate) async fn send(provider: &Provider, request: &Request) -> Outcome {
    let mut sink = CollectingSink::new();
    let result = provider.send(request, &mut sink).await;
    Outcome { sink, result }
}

/// Sends the first request to a server with these replies, which must all be asked for.
pub(crate) async fn ask(replies: impl IntoIterator<Item = Reply>) -> Outcome {
    let server = FakeServer::start(replies).await;
    let outcome = send(&provider(target(&server)), &request(0)).await;
    let _ = server.finish();
    outcome
}
