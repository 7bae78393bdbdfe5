//! `prony engine`: a model file behind an OpenAI- and Anthropic-compatible API.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use api::{ModelServer, Served};
use clap::Args;
use domain::{Clock, Model, SystemClock};
use engine::{Engine, PlainText, Snapshot};

use crate::engine_source::{self, EmbeddedSettings};
use crate::failure::{Exit, FREE_PORT, UserError};
use crate::signal::Interrupts;
use crate::{Outcome, limit, output};

/// How long answers under way may go on after a signal to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Settings of `prony engine`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  prony engine --model model.gguf
  prony engine --model hf:OWNER/REPO/model.gguf --alias my-model --port 9000 --batch-size 16
  prony engine --model model.gguf --llama-dir /opt/llama-cuda --gpu-layers 99

It answers on /v1/chat/completions, /v1/completions, /v1/messages, /v1/models and /metrics.")]
pub(crate) struct EngineSettings {
    /// GGUF file to serve, or hf:OWNER/REPO/FILE
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// Name that requests ask for [default: the file's]
    #[arg(long, value_name = "NAME", visible_alias = "served-model-name")]
    alias: Option<String>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    #[command(flatten)]
    embedded: EmbeddedSettings,
}

/// Serves until a signal.
pub(crate) fn main(settings: &EngineSettings) -> Outcome {
    // How many clients will come is not known.
    let _ = limit::raise();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let embedded = &settings.embedded;
    // Text comes to the completions endpoint alone, which continues it.
    let plain_text = Some(PlainText::Continued);
    let engine = engine_source::start(&settings.model, embedded, plain_text, Arc::clone(&clock))?;
    let engine = Arc::new(engine);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| UserError::new(Exit::Other, format!("cannot start a runtime: {error}")))?
        .block_on(serve(settings, engine, clock))
}

async fn serve(settings: &EngineSettings, engine: Arc<Engine>, clock: Arc<dyn Clock>) -> Outcome {
    let mut interrupts = Interrupts::watch()?;
    let served = Served {
        id: settings.alias.clone().unwrap_or_else(|| engine_source::name_of(&settings.model)),
        model: Arc::clone(&engine) as Arc<dyn Model>,
        context_length: Some(engine.context_per_request() as u64),
    };
    let name = served.id.clone();
    let watched = Arc::clone(&engine);
    let metrics = move |out: &mut String| write_metrics(&watched.snapshot(), out);
    let address = SocketAddr::new(settings.host, settings.port);
    let server = ModelServer::bind(address, vec![served], metrics, clock)
        .await
        .map_err(|error| UserError::new(Exit::Other, error.to_string()).hint(FREE_PORT))?;
    output::talk(&format!("serving {name} on http://{}/v1 (Ctrl-C stops)", server.address()));
    server.run(interrupts.next(), GRACE).await;
    Ok(Exit::Success)
}

/// The engine's counters in Prometheus' text form.
fn write_metrics(now: &Snapshot, out: &mut String) {
    let metrics = [
        ("prony_engine_requests_running", "gauge", now.running),
        ("prony_engine_requests_waiting", "gauge", now.queued),
        ("prony_engine_context_held_tokens", "gauge", now.context_held),
        ("prony_engine_context_tokens", "gauge", now.context),
        ("prony_engine_requests_completed_total", "counter", now.completed),
        ("prony_engine_requests_failed_total", "counter", now.failed),
        ("prony_engine_requests_cancelled_total", "counter", now.cancelled),
        ("prony_engine_requests_refused_total", "counter", now.refused),
        ("prony_engine_prompt_tokens_total", "counter", now.prompt_tokens),
        ("prony_engine_cached_tokens_total", "counter", now.cached_tokens),
    ];
    for (name, kind, value) in metrics {
        writeln!(out, "# TYPE {name} {kind}\n{name} {value}")
            .expect("writing to memory cannot fail");
    }
}
