//! The server as the official OpenAI and Anthropic Python packages see it; and the simulated server
//! beside it, which is one to them as well.

mod support;

use std::sync::Arc;
use std::time::Duration;

use api::{ModelServer, Served, Stopped};
use domain::{ChunkKind, Failure, FailureKind, FinishReason, Model, Request, Secret, SystemClock};
use sim::{Sim, SimConfig, Time};
use support::test_with_official_packages;
use testkit::{Script, ScriptedModel};
use tokio_util::sync::CancellationToken;

/// Answers up to the first stop sequence.
fn answering(request: &Request) -> Script {
    const ANSWER: &str = "Red, seven. É\u{1f600}\n\"ok\"";
    let stops = request.stop.iter().filter_map(|stop| ANSWER.find(&**stop));
    let cut = stops.min().unwrap_or(ANSWER.len());
    Script::answer(ANSWER[..cut].split_inclusive(' '))
}

/// Fails before the first token of a whole answer, after two of a streamed one.
fn overloaded(request: &Request) -> Script {
    let failure = Failure::new(FailureKind::Overloaded, "the queue is full");
    if request.stream { Script::tokens(2).failing(failure) } else { Script::failure(failure) }
}

/// Refuses each first of two requests for a while.
fn limited(index: u64) -> Script {
    let failure = Failure {
        retry_after: Some(Duration::from_millis(5)),
        ..Failure::new(FailureKind::RateLimited, "not so fast")
    };
    if index.is_multiple_of(2) { Script::failure(failure) } else { Script::tokens(2) }
}

/// Thinks, answers and calls two tools, as a remote model in OpenAI form would.
fn thinking(request: &Request) -> Script {
    let script = Script::tokens(0).finish(FinishReason::ToolCalls);
    let format = dialect::WireFormat::OpenAiChat;
    if !request.stream {
        let body = r#"{"choices":[{"message":{"content":"Hello","reasoning":"hmm","tool_calls":[
            {"id":"c0","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},
            {"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}]},
            "finish_reason":"tool_calls"}]}"#;
        return script.wire(format, ChunkKind::Content, body);
    }
    [
        (ChunkKind::Reasoning, r#"{"reasoning":"hmm"}"#),
        (ChunkKind::Content, r#"{"content":"Hel"}"#),
        (ChunkKind::Content, r#"{"content":"lo"}"#),
        (ChunkKind::ToolCall, r#"{"tool_calls":[{"index":0,"id":"c0","function":{"name":"f"}}]}"#),
        (ChunkKind::ToolCall, r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}"#),
        (ChunkKind::ToolCall, r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#),
        (ChunkKind::ToolCall, r#"{"tool_calls":[{"index":1,"id":"c1","function":{"name":"g"}}]}"#),
    ]
    .into_iter()
    .fold(script, |script, (kind, delta)| {
        script.wire(format, kind, format!(r#"{{"choices":[{{"delta":{delta}}}]}}"#))
    })
}

#[tokio::test]
async fn the_official_packages_are_content() {
    let Some(python) = testkit::asset::python() else { return };
    let clock = Arc::new(SystemClock);
    type Director = fn(u64, &Request) -> Script;
    let model = |direct: Director| Arc::new(ScriptedModel::new(clock.clone(), direct));
    let endless = model(|_, _| Script::tokens(2).hanging());
    let served = |id: &str, model: Arc<ScriptedModel>| {
        let model: Arc<dyn Model> = model;
        Served { id: id.to_owned(), model, context_length: (id == "scripted").then_some(4_096) }
    };
    let models = vec![
        served("scripted", model(|_, request| answering(request))),
        served("failing", model(|_, request| overloaded(request))),
        served("limited", model(|index, _| limited(index))),
        served("thinking", model(|_, request| thinking(request))),
        served("endless", Arc::clone(&endless)),
    ];
    let watched = Arc::clone(&endless);
    let metrics = move |out: &mut String| {
        out.push_str(&format!("requests_running {}\n", watched.in_flight()));
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let server = ModelServer::bind(address, models, metrics, clock).await.expect("a port is free");
    let url = format!("http://{}", server.address());
    let stop = CancellationToken::new();
    let options = "--front --context 4096 --stops --failing failing --limited limited \
                   --thinking thinking --endless endless --running requests_running";
    let options = options.split(' ').map(str::to_owned).collect();
    let testing = test_with_official_packages(python, url, "scripted", options, &stop);
    let serving = server.run(stop.cancelled(), Duration::from_secs(10));
    let (stopped, ()) = tokio::join!(serving, testing);
    assert_eq!(stopped, Stopped { cut_off: 0 });
    assert_eq!(endless.cancelled(), 3, "one for each client that left");
}

#[tokio::test]
async fn the_official_packages_are_content_with_the_simulated_server() {
    let Some(python) = testkit::asset::python() else { return };
    let key = "sk-simulated";
    let config = SimConfig {
        api_key: Some(Secret::new(key)),
        // One word, so that every answer says the same.
        vocabulary: vec!["word ".to_owned()],
        ..SimConfig::default()
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let sim = Sim::bind(config, address, &Time::Machine).expect("a port is free");
    let url = format!("http://{}", sim.local_addr());
    let stop = CancellationToken::new();
    let options = vec!["--key".to_owned(), key.to_owned()];
    let testing = test_with_official_packages(python, url, "sim", options, &stop);
    let (served, ()) = tokio::join!(sim.run(stop.clone()), testing);
    served.expect("its timer works");
}
