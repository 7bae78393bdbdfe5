//! The embedded engine on a small real model, behind this server, as the official Python packages
//! see it. Skipped where library, model or Python is not installed, except under CI.

mod support;

use std::sync::Arc;
use std::time::Duration;

use api::{ModelServer, Served, Stopped};
use domain::{Model, SystemClock};
use engine::{Batching, Engine, EngineConfig};
use llama::{Library, ModelOptions};
use support::test_with_official_packages;
use tokio_util::sync::CancellationToken;

fn start_engine() -> Option<Arc<Engine>> {
    let (folder, file) = (testkit::llama_library()?, testkit::local_model()?);
    let library = Library::open(&folder).expect("the library opens");
    let model = llama::Model::load(&library, &file, ModelOptions::default()).expect("it loads");
    let config = EngineConfig {
        context: 4_096,
        context_per_request: Some(1_024),
        batching: Batching::Continuous { max_size: 4 },
        threads: Some(1),
        ..EngineConfig::default()
    };
    let engine = Engine::start(model, config, Arc::new(SystemClock)).expect("the engine starts");
    Some(Arc::new(engine))
}

#[tokio::test]
async fn the_official_packages_are_content_with_the_engine() {
    let Some(python) = testkit::asset::python() else { return };
    let Some(engine) = start_engine() else { return };
    let model: Arc<dyn Model> = engine.clone();
    let served = Served { id: "smollm2".to_owned(), model, context_length: Some(1_024) };
    let watched = Arc::clone(&engine);
    let metrics = move |out: &mut String| {
        let now = watched.snapshot();
        out.push_str(&format!("requests_running {}\n", now.running + now.queued));
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let clock = Arc::new(SystemClock);
    let server =
        ModelServer::bind(address, vec![served], metrics, clock).await.expect("a port is free");
    let url = format!("http://{}", server.address());
    let stop = CancellationToken::new();
    let options =
        "--front --context 1024 --stops --endless smollm2 --running requests_running".split(' ');
    let options = options.map(str::to_owned).collect();
    let testing = test_with_official_packages(python, url, "smollm2", options, &stop);
    let serving = server.run(stop.cancelled(), Duration::from_secs(10));
    let (stopped, ()) = tokio::join!(serving, testing);
    assert_eq!(stopped, Stopped { cut_off: 0 });
    let end = engine.snapshot();
    assert_eq!((end.running, end.queued, end.failed), (0, 0, 0));
    assert!(end.cancelled >= 3, "one for each client that left, and those left by the way");
}
