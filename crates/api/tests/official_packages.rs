//! The server as the official OpenAI and Anthropic Python packages see it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use api::{ModelServer, Served, Stopped};
use domain::{Failure, FailureKind, Model, SystemClock};
use testkit::{Script, ScriptedModel};
use tokio_util::sync::CancellationToken;

/// Fails before the first token of a whole answer, after two of a streamed one.
fn overloaded(stream: bool) -> Script {
    let failure = Failure::new(FailureKind::Overloaded, "the queue is full");
    if stream { Script::tokens(2).failing(failure) } else { Script::failure(failure) }
}

#[tokio::test]
async fn the_official_packages_are_content() {
    let Some(python) = testkit::asset::python() else { return };
    let clock = Arc::new(SystemClock);
    let served = |id: &str, model: ScriptedModel| {
        let model: Arc<dyn Model> = Arc::new(model);
        Served { id: id.to_owned(), model, context_length: None }
    };
    let answer = Script::answer(["Red", ", ", "sev", "en. ", "É\u{1f600}\n", "\"ok\""]);
    let failing = ScriptedModel::new(clock.clone(), |_, request| overloaded(request.stream));
    let models = vec![
        served("scripted", ScriptedModel::always(clock.clone(), answer)),
        served("failing", failing),
    ];
    let address = "127.0.0.1:0".parse().expect("an address");
    let server = ModelServer::bind(address, models, |_| {}, clock).await.expect("a port is free");
    let url = format!("http://{}", server.address());
    let stop = CancellationToken::new();
    let testing = async {
        let script = testkit::asset::workspace().join("tests/python/official_packages.py");
        let run = move || run(&python, &script, &url);
        let output = tokio::task::spawn_blocking(run).await.expect("no panic");
        stop.cancel();
        output
    };
    let serving = server.run(stop.cancelled(), Duration::from_secs(10));
    let (stopped, output) = tokio::join!(serving, testing);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stopped, Stopped { cut_off: 0 });
}

fn run(python: &Path, script: &Path, url: &str) -> Output {
    Command::new(python)
        .arg("-B")
        .arg(script)
        .args([url, "scripted", "failing"])
        .output()
        .expect("the virtual environment's interpreter starts")
}
