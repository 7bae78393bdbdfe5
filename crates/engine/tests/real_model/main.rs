//! The engine on a small real model. Skipped where library or model is not installed, except under
//! CI.

mod alone;

use std::sync::Arc;
use std::time::Duration;

use domain::{
    Chunk, Completion, Failure, FailureKind, FinishReason, Message, Model as _, Payload, Progress,
    Prompt, Request, RequestId, Sampling, Sink, SystemClock, Timestamp, Tokens, ToolResult, Tools,
};
use engine::{Batching, Engine, EngineConfig, PlainText};
use llama::{Library, Model, ModelOptions};

use alone::{Alone, Rounding};

/// The model, or `None` where it is not installed.
fn real_model() -> Option<Model> {
    let (folder, file) = (testkit::llama_library()?, testkit::local_model()?);
    let library = Library::open(&folder).expect("the library opens");
    Some(Model::load(&library, &file, ModelOptions::default()).expect("the model loads"))
}

fn config() -> EngineConfig {
    EngineConfig {
        context: 2_048,
        batching: Batching::Continuous { max_size: 8 },
        prefix_cache: 0,
        threads: Some(1),
        ..EngineConfig::default()
    }
}

fn start(model: &Model, config: EngineConfig) -> Engine {
    Engine::start(model.clone(), config, Arc::new(SystemClock)).expect("the engine starts")
}

fn request(prompt: &str, max_tokens: u64) -> Request {
    Request {
        id: RequestId { run: 1, index: 0 },
        model: "smollm2".into(),
        prompt: Prompt::Text(prompt.into()),
        max_tokens: Some(max_tokens),
        ignore_eos: false,
        stream: true,
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        stop: Arc::new([]),
        tools: None,
    }
}

/// What a request was told.
#[derive(Debug, Default)]
struct Told {
    sent: Option<Timestamp>,
    text: String,
    chunks: Vec<Timestamp>,
}

impl Sink for Told {
    fn progress(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Sent(at) => self.sent = Some(at),
            Progress::Chunk(Chunk { at, payload: Payload::Text(text), .. }) => {
                assert!(at.arrived <= at.read);
                self.text.push_str(text);
                self.chunks.push(at.arrived);
            }
            other => panic!("the engine does not say {other:?}"),
        }
    }
}

async fn send(engine: &Engine, request: &Request) -> (Told, Result<Completion, Failure>) {
    let mut told = Told::default();
    let result = engine.send(request, &mut told).await;
    (told, result)
}

/// Sends all requests at once, and gives their answers in the same order.
async fn send_all(engine: &Arc<Engine>, requests: &[Request]) -> Vec<(Told, Completion)> {
    let mut tasks = tokio::task::JoinSet::new();
    for (index, request) in requests.iter().cloned().enumerate() {
        let engine = Arc::clone(engine);
        tasks.spawn(async move { (index, send(&engine, &request).await) });
    }
    let mut answers: Vec<_> = tasks.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers
        .into_iter()
        .map(|(_, (told, result))| (told, result.expect("the request succeeds")))
        .collect()
}

/// Waits, without a wall clock, until the engine's counters say so.
async fn until(engine: &Engine, done: impl Fn(&engine::Snapshot) -> bool) {
    while !done(&engine.snapshot()) {
        tokio::task::yield_now().await;
    }
}

const PROMPTS: [&str; 8] = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    \"\"\"Returns the n-th number.\"\"\"\n",
    "Water boils at 100 degrees Celsius because",
    "Dear Sir or Madam,\n\nI am writing to complain about",
    "The three primary colours are",
    "In 1821 Gaspard de Prony described a brake that",
    "1, 1, 2, 3, 5, 8, 13,",
];

#[tokio::test]
async fn conversations_take_the_models_form() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, config());
    let messages: Arc<[Message]> = Arc::new([Message::User("Say only: yes".into())]);
    let asked = Request { prompt: Prompt::Messages(Arc::clone(&messages)), ..request("", 32) };
    let (told, result) = send(&engine, &asked).await;
    let completion = result.expect("the request succeeds");
    assert_eq!(told.text, "Yes.");
    assert_eq!(completion.finish, FinishReason::Stop);
    let text = model.apply_template(&messages, 0).expect("ChatML takes any conversation");
    let usage = completion.usage.expect("the engine counts tokens");
    assert_eq!(usage.input, Tokens(model.tokenize(&text, true).len() as u64));

    let (whole, _) = send(&engine, &Request { stream: false, ..asked }).await;
    assert_eq!((&whole.text, whole.chunks.len()), (&told.text, 1), "unstreamed: all at once");

    // Plain text takes that form too where the engine is told so.
    let plain = request("Say only: yes", 32);
    let (continued, _) = send(&engine, &plain).await;
    assert_ne!(continued.text, told.text);
    let engine = start(&model, EngineConfig { plain_text: PlainText::Said, ..config() });
    let (said, result) = send(&engine, &plain).await;
    assert_eq!(said.text, told.text);
    assert_eq!(result.expect("the request succeeds").usage, completion.usage);
}

#[tokio::test]
async fn stop_texts_end_the_answer_before_them() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, config());
    let whole = Alone::run(&model, PROMPTS[7], 24, Rounding::Usual).text(&model);
    // A stop text that begins and ends inside tokens.
    let at = whole.len() / 2;
    let stop = &whole[at..at + 3];
    let first = whole.find(stop).expect("it was cut from there");
    let asked = Request { stop: Arc::new([stop.to_owned()]), ..request(PROMPTS[7], 24) };
    let (told, result) = send(&engine, &asked).await;
    assert_eq!(told.text, whole[..first]);
    assert_eq!(result.expect("the request succeeds").finish, FinishReason::Stop);
    until(&engine, |stats| stats.running == 0).await;
}

#[tokio::test]
async fn ignoring_the_end_fills_the_whole_length() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, config());
    let messages: Arc<[Message]> = Arc::new([Message::User("Say only: yes".into())]);
    let asked = Request { prompt: Prompt::Messages(messages), ignore_eos: true, ..request("", 60) };
    let (told, result) = send(&engine, &asked).await;
    let completion = result.expect("the request succeeds");
    assert_eq!(completion.finish, FinishReason::Length);
    assert_eq!(completion.usage.expect("the engine counts tokens").output, Tokens(60));
    assert!(told.text.starts_with("Yes.") && told.text.len() > 60, "{}", told.text);
}

#[tokio::test]
async fn the_same_seed_draws_the_same() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, config());
    let drawn = |seed| Request {
        sampling: Sampling { temperature: Some(1.2), seed, ..Sampling::default() },
        ..request(PROMPTS[1], 16)
    };
    let first = send(&engine, &drawn(Some(5))).await.0.text;
    assert_eq!(send(&engine, &drawn(Some(5))).await.0.text, first);
    assert_ne!(send(&engine, &drawn(Some(6))).await.0.text, first);
    let unseeded = send(&engine, &drawn(None)).await.0.text;
    assert_ne!(send(&engine, &drawn(None)).await.0.text, unseeded);
}

#[tokio::test]
async fn dropping_a_request_frees_its_place_at_once() {
    let Some(model) = real_model() else { return };
    let batching = Batching::Continuous { max_size: 1 };
    let engine = Arc::new(start(&model, EngineConfig { batching, queue: 1, ..config() }));
    let endless = Request { ignore_eos: true, ..request(PROMPTS[1], 1_900) };
    let mut tasks = tokio::task::JoinSet::new();
    let spawn = |tasks: &mut tokio::task::JoinSet<_>, request: &Request| {
        let (engine, request) = (Arc::clone(&engine), request.clone());
        tasks.spawn(async move { send(&engine, &request).await.1 })
    };
    let running = spawn(&mut tasks, &endless);
    until(&engine, |stats| stats.generated_tokens > 0).await;
    let waiting = spawn(&mut tasks, &endless);
    until(&engine, |stats| stats.queued == 1).await;

    let (_, refused) = send(&engine, &endless).await;
    let refused = refused.expect_err("one runs, one waits, and no more may");
    assert_eq!((refused.kind, refused.status), (FailureKind::Overloaded, None));
    assert_eq!(engine.snapshot().refused, 1);

    waiting.abort();
    until(&engine, |stats| stats.queued == 0).await;
    running.abort();
    until(&engine, |stats| stats.running == 0).await;
    let stats = engine.snapshot();
    assert_eq!((stats.cancelled, stats.completed, stats.context_held), (1, 0, 0));
    let (_, next) = send(&engine, &request(PROMPTS[0], 4)).await;
    assert!(next.is_ok(), "{next:?}");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_with_a_remedy() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, EngineConfig { context_per_request: Some(64), ..config() });
    let long = "word ".repeat(100);
    let sampling = |sampling| Request { sampling, ..request("Hi", 4) };
    for (asked, expect) in [
        (
            request(&long, 4),
            "a prompt of 101 tokens and max_tokens 4 does not fit into 64 tokens: shorten the \
             prompt, lower max_tokens, or raise the engine's context_per_request (at most its \
             context, 2048)",
        ),
        (
            request("Hi", 64),
            "a prompt of 1 tokens and max_tokens 64 does not fit into 64 tokens: shorten the \
             prompt, lower max_tokens, or raise the engine's context_per_request (at most its \
             context, 2048)",
        ),
        (request("Hi", 0), "max_tokens must be at least 1"),
        (request("", 4), "the prompt is empty"),
        (
            sampling(Sampling { temperature: Some(-1.0), ..Sampling::default() }),
            "temperature must be between 0 and 100, and is -1",
        ),
        (
            Request { tools: Some(Arc::new(Tools::default())), ..request("Hi", 4) },
            "this engine's models cannot call tools: leave the request's tools out",
        ),
        (
            Request {
                prompt: Prompt::Messages(Arc::new([
                    Message::User("Hi".into()),
                    Message::Tool(ToolResult {
                        call_id: "c".into(),
                        content: "42".into(),
                        is_error: false,
                    }),
                ])),
                ..request("", 4)
            },
            "this engine's models know no tools: leave calls and their results out of the \
             conversation",
        ),
        (
            sampling(Sampling { top_p: Some(f64::NAN), ..Sampling::default() }),
            "top_p must be between 0 and 1, and is NaN",
        ),
    ] {
        let (told, result) = send(&engine, &asked).await;
        let failure = result.expect_err("it cannot be answered");
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Rejected, expect));
        assert!(told.sent.is_none() && !failure.retryable);
    }
    let unbounded = Request { max_tokens: None, ignore_eos: true, ..request("Hi", 1) };
    let (_, result) = send(&engine, &unbounded).await;
    let usage = result.expect("it fits").usage.expect("the engine counts tokens");
    assert_eq!(usage.input + usage.output, Tokens(64), "no limit asked: as far as it fits");
}

#[tokio::test]
async fn a_known_beginning_is_read_from_the_cache() {
    let Some(model) = real_model() else { return };
    let engine = start(&model, EngineConfig { prefix_cache: 4, ..config() });
    let story = "The lighthouse keeper had lived alone on the rock for thirty years. ".repeat(6);
    let asked = request(&format!("{story}Every evening"), 24);
    let cold = send(&engine, &asked).await;
    let warm = send(&engine, &asked).await;
    let other = send(&engine, &request(&format!("{story}One day"), 4)).await;
    let cached = |answer: &(Told, Result<Completion, Failure>)| {
        let completion = answer.1.as_ref().expect("the request succeeds");
        let usage = completion.usage.expect("the engine counts tokens");
        (usage.cache_read.count(), usage.input.count())
    };
    assert_eq!(cached(&cold).0, 0);
    // All but the last token, which must be decoded to draw the next.
    assert_eq!(cached(&warm).0, cached(&warm).1 - 1);
    assert_eq!(cached(&other).0, model.tokenize(&story, true).len() as u64 - 1);
    assert_eq!(warm.0.text, cold.0.text);
    let stats = engine.snapshot();
    assert_eq!(stats.cached_tokens, cached(&warm).0 + cached(&other).0);
    assert!(stats.context_held > 0);
}

#[tokio::test]
async fn a_long_prompt_does_not_stall_answers_under_way() {
    let Some(model) = real_model() else { return };
    let engine = Arc::new(start(&model, EngineConfig { prefill_chunk: 32, ..config() }));
    let (running, long) = (Request { ignore_eos: true, ..request(PROMPTS[1], 200) }, {
        request(&"The rain in Spain stays mainly in the plain. ".repeat(60), 1)
    });
    let prompt = model.tokenize(&long.prompt.text(), true).len();
    let mut tasks = tokio::task::JoinSet::new();
    let streaming = Arc::clone(&engine);
    tasks.spawn(async move { send(&streaming, &running).await.1.expect("it succeeds") });
    until(&engine, |stats| stats.generated_tokens > 2).await;

    let before = engine.snapshot();
    let (_, result) = send(&engine, &long).await;
    result.expect("the long prompt succeeds");
    let after = engine.snapshot();
    assert_eq!(after.tick_prefill_max, 32, "no more than a chunk joins a batch");
    let ticks = after.ticks - before.ticks;
    assert!(ticks >= (prompt / 32) as u64, "{prompt} tokens in {ticks} batches");
    let moved = after.tick_answers - before.tick_answers;
    assert!(moved + 1 >= ticks, "the answer moved on {moved} times in {ticks} batches");
    tasks.abort_all();
}

#[tokio::test]
async fn batches_form_as_the_policy_says() {
    let Some(model) = real_model() else { return };
    // Four answers, of which one is long, then four more: batches that run to completion leave
    // places empty while the long one goes on.
    let requests: Vec<Request> = [40, 4, 4, 4, 4, 4, 4, 4]
        .into_iter()
        .map(|length| Request { ignore_eos: true, ..request(PROMPTS[1], length) })
        .collect();
    let max_delay = Duration::from_secs(60);
    let mut ticks = Vec::new();
    for batching in [
        Batching::Dynamic { max_size: 4, max_delay },
        Batching::Static { size: 4 },
        Batching::Continuous { max_size: 4 },
    ] {
        let engine = Arc::new(start(&model, EngineConfig { batching, ..config() }));
        let answers = send_all(&engine, &requests).await;
        assert_eq!(answers.len(), 8);
        let stats = engine.snapshot();
        assert_eq!(stats.completed, 8);
        ticks.push(stats.ticks);
    }
    // Dynamic: two full batches, of 40 and of 4 tokens. Continuous: all of it beside the long one.
    assert_eq!(ticks[0], 44, "{ticks:?}");
    assert!(ticks[1] >= 44, "{ticks:?}");
    assert!(ticks[2] <= 42, "{ticks:?}");
}

#[tokio::test]
async fn a_batch_that_does_not_fill_starts_after_the_delay() {
    let Some(model) = real_model() else { return };
    let batching = Batching::Dynamic { max_size: 4, max_delay: Duration::from_millis(50) };
    let engine = start(&model, EngineConfig { batching, ..config() });
    let (told, result) = send(&engine, &request(PROMPTS[0], 2)).await;
    assert!(result.is_ok(), "{result:?}");
    let waited = told.chunks[0].since(told.sent.expect("it was sent"));
    assert!(waited >= Duration::from_millis(50), "{waited:?}");
}
