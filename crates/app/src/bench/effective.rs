//! The settings in force, as results keep them: defaults filled in, secrets left out.
//!
//! Every setting is taken apart by name, so that one which is added is not forgotten here.

use std::time::Duration;

use analysis::Slo;
use engine::Batching;
use load::{Arrivals, Load};
use provider::Target;
use serde_json::{Map, Value, json};

use super::check::{Bench, Subject};
use super::settings::{
    BenchSettings, HttpSettings, LoadSettings, OutputSettings, TargetSettings, WorkloadSettings,
};
use super::subject::Ready;
use super::workload;
use crate::engine_source::EmbeddedSettings;
use crate::value::{List, Span};

/// The settings of a bench on what is `ready`.
pub(super) fn config(settings: &BenchSettings, bench: &Bench, ready: &Ready) -> Value {
    let BenchSettings { config: _, target, load, workload, output, http, embedded } = settings;
    // What is checked holds these. Keys and paths of keys stay out.
    let TargetSettings { url: _, engine: _, endpoint_type: _, model: _, api_key_file: _ } = target;
    let mut entries = match &bench.subject {
        Subject::Embedded { model, .. } => {
            object(json!({ "engine": engine_entries(model, embedded) }))
        }
        Subject::Remote { target, .. } => server_entries(http, target),
    };
    entries.insert("target".to_owned(), json!(ready.description));
    entries.insert("models".to_owned(), json!(ready.names));
    entries.extend(load_entries(load, bench));
    entries.extend(workload_entries(workload, bench));
    entries.extend(output_entries(output, bench));
    Value::Object(entries)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(entries) => entries,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("entries are written as an object")
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn server_entries(settings: &HttpSettings, target: &Target) -> Map<String, Value> {
    // The target holds these, and what they leave to defaults.
    let HttpSettings {
        header: _,
        extra_body,
        timeout: _,
        connect_timeout: _,
        first_token_timeout: _,
        retries: _,
        cold_connections,
        http2,
        streams_max: _,
        ca_file,
        insecure,
    } = settings;
    object(json!({
        "url": target.url.to_string(),
        "endpoint": dialect::path(target.format),
        "http2": http2,
        "streams_max": http2.then_some(target.streams_max),
        "ca_file": ca_file.as_ref().map(|path| path.display().to_string()),
        "insecure": insecure,
        "headers": target.headers.iter().map(|(name, _)| &**name).collect::<Vec<&str>>(),
        "extra_body": extra_body.is_some(),
        "timeout_ms": target.timeouts.total.map(ms),
        "connect_timeout_ms": ms(target.timeouts.connect),
        "first_token_timeout_ms": target.timeouts.first_token.map(ms),
        "retries": target.retries.most,
        "cold_connections": cold_connections,
    }))
}

fn engine_entries(model: &str, settings: &EmbeddedSettings) -> Value {
    let EmbeddedSettings {
        llama_dir,
        context: _,
        context_per_request: _,
        batch_size: _,
        batching: _,
        batch_delay: _,
        prefill_chunk: _,
        queue: _,
        threads: _,
        gpu_layers,
    } = settings;
    let config = settings.config();
    let (batching, delay) = match config.batching {
        Batching::Continuous { .. } => ("continuous", None),
        Batching::Static { .. } => ("static", None),
        Batching::Dynamic { max_delay, .. } => ("dynamic", Some(ms(max_delay))),
    };
    json!({
        "model": model,
        "llama_dir": llama_dir.as_ref().map(|path| path.display().to_string()),
        "context": config.context,
        "context_per_request": config.context_per_request,
        "batching": batching,
        "batch_size": config.batching.size_max(),
        "batch_delay_ms": delay,
        "prefill_chunk": config.prefill_chunk,
        "queue": config.queue,
        "threads": config.threads,
        "gpu_layers": gpu_layers,
    })
}

fn load_entries(settings: &LoadSettings, bench: &Bench) -> Map<String, Value> {
    let LoadSettings {
        concurrency,
        request_rate,
        arrivals: _,
        burstiness: _,
        ramp_up: _,
        num_prompts: _,
        duration: _,
        requests_per_user,
        think_time,
        max_errors: _,
        max_error_rate: _,
        warmup: _,
        seed: _,
        client_threads,
    } = settings;
    let rates = request_rate.as_ref().map(|List(rates)| {
        let written = |per_s: f64| if per_s.is_finite() { json!(per_s) } else { json!("inf") };
        rates.iter().map(|rate| written(rate.per_s)).collect::<Vec<Value>>()
    });
    let users = concurrency.as_ref().map(|List(users)| users.iter().map(|users| users.0).collect());
    let arrivals = bench.loads.iter().find_map(|load| match load {
        Load::Open(open) => Some(open.arrivals),
        Load::Closed(_) => None,
    });
    let (arrivals, burstiness) = match arrivals {
        Some(Arrivals::Poisson) => (Some("poisson"), None),
        Some(Arrivals::Constant) => (Some("constant"), None),
        Some(Arrivals::Gamma { burstiness }) => (Some("gamma"), Some(burstiness)),
        None => (None, None),
    };
    object(json!({
        "loads": bench.loads.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "concurrency": users.or_else(|| rates.is_none().then(|| vec![1])),
        "request_rate_per_s": rates,
        "arrivals": arrivals,
        "burstiness": burstiness,
        "ramp_up_ms": ms(bench.protocol.ramp),
        "num_prompts": bench.protocol.stop.requests,
        "duration_ms": bench.protocol.stop.duration.map(ms),
        "requests_per_user": requests_per_user,
        "think_time_ms": think_time.map_or(0.0, |Span(think)| ms(think)),
        "max_errors": bench.protocol.stop.failures,
        "max_error_rate": bench.error_share_max,
        "warmup": bench.protocol.warmup,
        "seed": bench.protocol.seed.0,
        "client_threads": client_threads.unwrap_or(1),
    }))
}

fn workload_entries(settings: &WorkloadSettings, bench: &Bench) -> Map<String, Value> {
    let WorkloadSettings {
        scenario: _,
        dataset,
        input_len,
        output_len,
        prefix_len,
        max_tokens,
        ignore_eos,
        tokenizer,
        temperature,
        top_p,
        stop,
        no_stream: _,
    } = settings;
    object(json!({
        "scenarios": workload::scenarios(settings)
            .map(|scenarios| scenarios.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "dataset": dataset.as_ref().map(|path| path.display().to_string()),
        "input_len": input_len.map(|length| length.to_string()),
        "output_len": output_len.map(|length| length.to_string()),
        "prefix_len": input_len.map(|_| prefix_len.unwrap_or(0)),
        "max_tokens": max_tokens,
        "ignore_eos": ignore_eos,
        "ignore_eos_sent": bench.protocol.ignore_eos,
        "tokenizer": tokenizer,
        "temperature": temperature,
        "top_p": top_p,
        "stop": stop,
        "stream": bench.protocol.stream,
    }))
}

fn output_entries(settings: &OutputSettings, bench: &Bench) -> Map<String, Value> {
    // How results are shown and where they are kept changes no figure.
    let OutputSettings {
        output: _,
        output_dir: _,
        save_result: _,
        overwrite: _,
        format: _,
        convention: _,
        goodput: _,
        store: _,
        store_content: _,
        content_retention: _,
        no_store: _,
        no_progress: _,
        quiet: _,
    } = settings;
    let limits = |Slo { ttft, tpot, e2el }: Slo| json!({ "ttft": ttft.map(ms), "tpot": tpot.map(ms), "e2el": e2el.map(ms) });
    object(json!({
        "convention": bench.protocol.convention.as_str(),
        "goodput_ms": bench.protocol.slo.map(limits),
    }))
}
