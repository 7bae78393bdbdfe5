//! Which settings are about which subject: one that would do nothing is refused, never ignored.

use super::settings::{BenchSettings, EndpointType};
use crate::failure::UserError;
use crate::value::{Count, Span};

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
    for (is_zero, flag, problem, hint) in zeros(settings) {
        if is_zero {
            return Err(UserError::usage(format!("{flag} 0 {problem}")).hint(hint));
        }
    }
    if is_engine && settings.target.endpoint_type == Some(EndpointType::Messages) {
        return Err(UserError::usage(
            "--endpoint-type messages is about a server; --engine runs in this process",
        )
        .hint("use chat or completions, or leave it out"));
    }
    let judges_streams =
        settings.output.goodput.is_some_and(|limits| limits.ttft.or(limits.tpot).is_some());
    if settings.workload.no_stream && judges_streams {
        return Err(UserError::usage(
            "no answer keeps --goodput's ttft or tpot with --no-stream: a whole answer has neither",
        )
        .hint("limit e2el alone, or leave --no-stream out"));
    }
    if settings.output.output_dir.is_some() && matches!(settings.output.save_result, Some(Some(_)))
    {
        return Err(UserError::usage("--output-dir and --save-result name two directories")
            .hint("leave one of the two out"));
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

/// Whether a setting is zero, its flag, what that would do, and the way out.
fn zeros(settings: &BenchSettings) -> [(bool, &'static str, &'static str, &'static str); 9] {
    let (http, load) = (&settings.http, &settings.load);
    let count = |given: Option<u64>| given == Some(0);
    let time = |given: Option<Span>| given.is_some_and(|Span(time)| time.is_zero());
    let users = load.concurrency.as_ref().is_some_and(|list| list.0.contains(&Count(0)));
    let (nothing, one) = ("sends nothing", "give 1 or more");
    let (ends, longer) = ("ends every request at once", "give a time such as 30s, or leave it out");
    [
        (users, "--concurrency", nothing, one),
        (count(load.num_prompts), "--num-prompts", nothing, one),
        (count(load.requests_per_user), "--requests-per-user", nothing, one),
        (time(load.duration), "--duration", nothing, "give a time such as 30s"),
        (
            count(load.max_errors),
            "--max-errors",
            "ends a run before its first request",
            "give 1 to end it at the first failure, or leave it out to end it at none",
        ),
        (count(settings.workload.max_tokens), "--max-tokens", "asks for no answer", one),
        (time(http.timeout), "--timeout", ends, longer),
        (time(http.connect_timeout), "--connect-timeout", ends, longer),
        (time(http.first_token_timeout), "--first-token-timeout", ends, longer),
    ]
}

/// Whether a flag was given, and its name.
pub(super) type Given = (bool, &'static str);

pub(super) fn about_servers(settings: &BenchSettings) -> [Given; 13] {
    let (target, http) = (&settings.target, &settings.http);
    [
        (target.model.is_some(), "--model"),
        (target.api_key_file.is_some(), "--api-key-file"),
        (!http.header.is_empty(), "--header"),
        (http.extra_body.is_some(), "--extra-body"),
        (http.http2, "--http2"),
        (http.streams_max.is_some(), "--streams-max"),
        (http.ca_file.is_some(), "--ca-file"),
        (http.insecure, "--insecure"),
        (http.timeout.is_some(), "--timeout"),
        (http.connect_timeout.is_some(), "--connect-timeout"),
        (http.first_token_timeout.is_some(), "--first-token-timeout"),
        (http.retries.is_some(), "--retries"),
        (http.cold_connections, "--cold-connections"),
    ]
}

pub(super) fn about_engines(settings: &BenchSettings) -> [Given; 10] {
    let embedded = &settings.embedded;
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
    let http = &settings.http;
    [(http.ca_file.is_some(), "--ca-file"), (http.insecure, "--insecure")]
}
