//! Which settings are about which subject: one that would do nothing is refused, never ignored.

use super::settings::{BenchSettings, EndpointType};
use crate::failure::UserError;

/// Refuses settings that are about another subject than the one named.
pub(super) fn check(settings: &BenchSettings) -> Result<(), UserError> {
    let target = &settings.target;
    let is_engine = target.engine.is_some();
    for (is_idle, flags, reason) in [
        (
            is_engine,
            &about_servers(settings)[..],
            "is about a server; --engine runs in this process",
        ),
        (
            target.url.is_some(),
            &about_engines(settings),
            "is about the embedded engine; --url names a server",
        ),
        (target.is_plain(), &about_tls(settings), "is about TLS; http:// goes without"),
    ] {
        let ignored = flags.iter().find(|(is_given, _)| *is_given && is_idle);
        if let Some((_, flag)) = ignored {
            return Err(UserError::usage(format!("{flag} {reason}")).hint("leave it out"));
        }
    }
    if is_engine && target.endpoint_type == Some(EndpointType::Messages) {
        return Err(UserError::usage(
            "--endpoint-type messages is about a server; --engine runs in this process",
        )
        .hint("use chat or completions, or leave it out"));
    }
    if settings.workload.output_len.is_some() && settings.workload.max_tokens.is_some() {
        return Err(UserError::usage("--max-tokens overrules the lengths of --output-len")
            .hint("leave one of the two out"));
    }
    if settings.workload.input_len.is_some() && settings.workload.tokenizer.is_none() && !is_engine
    {
        return Err(super::workload::no_tokenizer());
    }
    Ok(())
}

/// Whether a flag was given, and its name.
pub(super) type Given = (bool, &'static str);

pub(super) fn about_servers(settings: &BenchSettings) -> [Given; 12] {
    let target = &settings.target;
    [
        (target.api_key_file.is_some(), "--api-key-file"),
        (!target.header.is_empty(), "--header"),
        (target.extra_body.is_some(), "--extra-body"),
        (target.http2, "--http2"),
        (target.streams_max.is_some(), "--streams-max"),
        (target.ca_file.is_some(), "--ca-file"),
        (target.insecure, "--insecure"),
        (target.timeout.is_some(), "--timeout"),
        (target.connect_timeout.is_some(), "--connect-timeout"),
        (target.first_token_timeout.is_some(), "--first-token-timeout"),
        (target.retries.is_some(), "--retries"),
        (settings.load.cold_connections, "--cold-connections"),
    ]
}

pub(super) fn about_engines(settings: &BenchSettings) -> [Given; 10] {
    let embedded = &settings.target.embedded;
    [
        (embedded.llama_dir.is_some(), "--llama-dir"),
        (embedded.context.is_some(), "--context"),
        (embedded.context_per_request.is_some(), "--context-per-request"),
        (embedded.batch_size.is_some(), "--batch-size"),
        (embedded.batching.is_some(), "--batching"),
        (embedded.batch_delay.is_some(), "--batch-delay"),
        (embedded.prefill_chunk.is_some(), "--prefill-chunk"),
        (embedded.queue.is_some(), "--queue"),
        (embedded.threads.is_some(), "--threads"),
        (embedded.gpu_layers.is_some(), "--gpu-layers"),
    ]
}

pub(super) fn about_tls(settings: &BenchSettings) -> [Given; 2] {
    let target = &settings.target;
    [(target.ca_file.is_some(), "--ca-file"), (target.insecure, "--insecure")]
}
