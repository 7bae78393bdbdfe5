//! The embedded engine as its users meet it, on a small real model. One test at a time runs here:
//! see the project's nextest settings.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{FakeHub, Program, Transcript};

const PRONY: &str = env!("CARGO_BIN_EXE_prony");

/// A folder to run the program in, and what the engine needs.
struct Desk {
    folder: TempDir,
    library: String,
    model: PathBuf,
}

impl Desk {
    /// `None` where the model or the library is not installed.
    fn new() -> Option<Self> {
        let (library, model) = (testkit::llama_library()?, testkit::local_model()?);
        let folder = tempfile::tempdir().expect("there is room for a folder");
        Some(Self { folder, library: library.display().to_string(), model })
    }

    fn prony(&self, variables: &[(&str, &str)], line: &str, model: &str) -> Transcript {
        let arguments = self.arguments(line, model);
        Transcript::run(Path::new(PRONY), &arguments, variables, self.folder.path())
    }

    fn start(&self, line: &str, model: &str) -> Program {
        Program::start(Path::new(PRONY), &self.arguments(line, model), &[], self.folder.path())
    }

    /// `{model}` of the line stands for `model`, whose path may have spaces.
    fn arguments(&self, line: &str, model: &str) -> Vec<String> {
        let words = line.split_whitespace().map(|word| word.replace("{model}", model));
        let engine = ["--threads", "1", "--llama-dir", &self.library].map(str::to_owned);
        words.chain(engine).collect()
    }

    fn model(&self) -> String {
        self.model.display().to_string()
    }
}

/// Sends one request on a connection of its own; returns the status and the body, as it came.
fn http(url: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").expect("a plain address");
    let mut socket = TcpStream::connect(host).expect("the server listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all((head + body).as_bytes()).expect("the server reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the server answers in text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").expect("a head has an end").1.to_owned();
    (status.expect("an answer begins with its status"), body)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_engine_serves_whole_and_streamed_answers_until_ctrl_c() {
    let Some(desk) = Desk::new() else { return };
    let engine = desk.start("engine --model {model} --port 0 --alias small", &desk.model());
    let url = engine.url();
    assert_eq!(http(&url, "GET", "/health", "").0, 200);
    let (_, models) = http(&url, "GET", "/v1/models", "");
    assert_eq!(parsed(&models)["data"][0]["id"], "small");

    let ask = |stream: bool| {
        json!({
            "model": "small",
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 6,
            "temperature": 0,
            "stream": stream,
            "stream_options": if stream { json!({"include_usage": true}) } else { Value::Null },
        })
        .to_string()
    };
    let (status, whole) = http(&url, "POST", "/v1/chat/completions", &ask(false));
    assert_eq!(status, 200, "{whole}");
    let whole = parsed(&whole);
    let said = whole["choices"][0]["message"]["content"].as_str().expect("text");
    assert!(!said.is_empty());
    assert_eq!(whole["usage"]["completion_tokens"], 6);

    let (status, stream) = http(&url, "POST", "/v1/chat/completions", &ask(true));
    assert_eq!(status, 200, "{stream}");
    let events: Vec<&str> = stream.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let (last, events) = events.split_last().expect("events came");
    assert_eq!(*last, "[DONE]");
    let text: String = events
        .iter()
        .map(|event| parsed(event))
        .filter_map(|event| event["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, said, "greedy answers are the same, streamed or not");

    let (_, metrics) = http(&url, "GET", "/metrics", "");
    assert!(metrics.contains("prony_engine_requests_completed_total 2"), "{metrics}");

    // The program's own load test is one of its clients.
    let bench = Transcript::run(
        Path::new(PRONY),
        &["bench", "--url", &url, "--num-prompts", "4", "--concurrency", "2", "--max-tokens", "4"],
        &[],
        desk.folder.path(),
    );
    assert_eq!(bench.code, Some(0), "{}", bench.stderr);

    engine.interrupt();
    let end = engine.finish();
    assert_eq!((end.code, &*end.stdout), (Some(0), ""), "{}", end.stderr);
}

#[test]
fn every_way_of_batching_answers_all_requests() {
    let Some(desk) = Desk::new() else { return };
    for flags in [
        "--batching continuous --gpu-layers 0",
        "--batching static --batch-size 2 --queue 8",
        "--batching dynamic --batch-size 2 --batch-delay 5ms --context 1024 --prefill-chunk 32",
    ] {
        let line = format!(
            "bench --engine {{model}} --concurrency 3 --num-prompts 4 --max-tokens 4 \
             --output json {flags}"
        );
        let run = desk.prony(&[], &line, &desk.model());
        assert_eq!(run.code, Some(0), "{flags}: {}", run.stderr);
        let summary = parsed(&run.stdout);
        assert_eq!(summary["runs"][0]["completed"], 4, "{flags}");
        assert_eq!(summary["runs"][0]["output_tokens_source"]["server"], 4, "{flags}");
    }
}

#[test]
fn prompts_are_chat_unless_they_are_to_be_continued() {
    let Some(desk) = Desk::new() else { return };
    let ask = |flags: &str| {
        let line = format!(
            "bench --engine {{model}} --num-prompts 1 --max-tokens 1 --output json {flags}"
        );
        let run = desk.prony(&[], &line, &desk.model());
        assert_eq!(run.code, Some(0), "{flags}: {}", run.stderr);
        let summary = parsed(&run.stdout);
        let target = summary["config"]["target"].as_str().expect("it is named");
        let form = target.rsplit(' ').next().expect("a text has an end").to_owned();
        (form, summary["runs"][0]["total_input_tokens"].as_u64().expect("they are counted"))
    };
    let (chat, text) = (ask("--endpoint-type chat"), ask("--endpoint-type completions"));
    assert_eq!((&*chat.0, &*text.0), ("chat", "completions"));
    assert!(chat.1 > text.1 + 20, "the model's form comes on top: {} and {}", chat.1, text.1);
    assert_eq!(ask(""), chat, "this model is made for chat");
}

#[test]
fn a_full_queue_refuses() {
    let Some(desk) = Desk::new() else { return };
    let line = "bench --engine {model} --concurrency 8 --num-prompts 8 --max-tokens 8 \
                --batch-size 1 --queue 1 --output json";
    let run = desk.prony(&[], line, &desk.model());
    assert_eq!(run.code, Some(17), "{}", run.stderr);
    let failed = &parsed(&run.stdout)["runs"][0]["errors"]["overloaded"];
    assert!(failed.as_u64().is_some_and(|failed| failed > 0), "{failed}");
}

#[test]
fn a_model_of_the_hub_is_fetched_once() {
    let Some(desk) = Desk::new() else { return };
    let hub = FakeHub::start("owner/repo/tiny.gguf", &desk.model);
    let cache = desk.folder.path().join("cache").display().to_string();
    std::fs::create_dir(&cache).expect("the folder is new");
    let variables = [("HF_ENDPOINT", &*hub.url()), ("HF_HOME", &cache)];
    let line = "bench --engine {model} --num-prompts 1 --max-tokens 2 --output json";
    let name = "hf:owner/repo/tiny.gguf";
    let first = desk.prony(&variables, line, name);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert_eq!(parsed(&first.stdout)["runs"][0]["model"], "tiny");
    let asked = hub.asked();
    let wholes = asked.iter().filter(|asked| asked.ends_with("bytes=0-")).count();
    // Once where it points, once where the bytes lie.
    assert_eq!(wholes, 2, "{asked:?}");

    let second = desk.prony(&variables, line, name);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(hub.asked(), asked, "the copy in the cache was not used");
}
