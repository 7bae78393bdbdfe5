//! Settings from a file.

use crate::desk::{Desk, integer, items, printed, text};

#[test]
fn a_file_holds_settings_and_flags_win() {
    let desk = Desk::new();
    let sim = desk.sim("");
    desk.write(
        "bench.toml",
        format!(
            "url = \"{}\"\nconcurrency = [1, 2]\nnum-prompts = 4\nmax_tokens = 3\n\
             scenario = \"code_generation\"\nheader = [\"x-a: 1\", \"x-b: 2\"]\n\
             no_progress = true\noutput = \"json\"\nmax-error-rate = 0.5\n",
            sim.url
        ),
    );
    let loads = |line: &str| -> Vec<String> {
        let run = desk.prony(line);
        assert_eq!(run.code, Some(0), "{line}: {}", run.stderr);
        let summary = printed(&run);
        assert_eq!(items(&summary["config"]["headers"]).len(), 2);
        items(&summary["runs"])
            .iter()
            .map(|run| {
                let completed = integer(&run["completed"]);
                format!("{} {} n={completed}", text(&run["scenario"]), text(&run["load"]))
            })
            .collect()
    };
    assert_eq!(
        loads("bench --config bench.toml"),
        ["code_generation concurrency=1 n=4", "code_generation concurrency=2 n=4"]
    );
    assert_eq!(
        loads("bench --concurrency 3 --config bench.toml --scenario short_queries"),
        ["short_queries concurrency=3 n=4"]
    );
    // An alias on the command line wins over the flag's own name in the file.
    assert_eq!(
        loads("bench --config bench.toml --max-concurrency 5 --request-count 2"),
        ["code_generation concurrency=5 n=2"]
    );
}

/// What a file says, the flags given, and what a run was then asked to do.
#[test]
fn flags_win_over_whatever_they_repeat_or_contradict() {
    let desk = Desk::new();
    let sim = desk.sim("--models small");
    desk.write("one.jsonl", "{\"prompt\":\"one\"}\n");
    for (file, flags, key, want) in [
        (
            "engine = \"m.gguf\"\nthreads = 2\nbatching = \"static\"",
            "",
            "endpoint",
            "/v1/chat/completions",
        ),
        ("scenario = \"code_generation\"", "--dataset one.jsonl", "dataset", "one.jsonl"),
        ("dataset = \"gone.jsonl\"", "--scenario code_generation", "scenarios", "code_generation"),
        (
            "input-len = 5\noutput_len = 3\nprefix-len = 2",
            "--scenario code_generation",
            "scenarios",
            "code_generation",
        ),
        ("think-time = \"9s\"", "--request-rate 500/s", "loads", "rate=500/s"),
        (
            "request-rate = \"1/h\"\narrivals = \"constant\"",
            "--think-time 1ms",
            "loads",
            "concurrency=1",
        ),
        ("insecure = true", "", "insecure", "false"),
        ("http2 = true\nstreams-max = 5", "--no-http2", "http2", "false"),
        ("no_stream = true", "--stream", "stream", "true"),
        ("no_stream = true", "", "stream", "false"),
        ("ignore_eos = true", "--no-ignore-eos", "ignore_eos", "false"),
        ("header = [\"x-a: 1\", \"x-b: 2\"]", "--header x-c:3", "headers", "x-c"),
    ] {
        desk.write("bench.toml", file);
        let run = desk.prony(&format!(
            "bench --url {} --config bench.toml --num-prompts 2 --output json {flags}",
            sim.url
        ));
        assert_eq!(run.code, Some(0), "{file} {flags}: {}", run.stderr);
        let summary = printed(&run);
        let value = &summary["config"][key];
        let value = value.as_array().map_or(value, |list| &list[0]);
        let told = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        assert_eq!(told, want, "{file} {flags}");
    }
}

#[test]
fn results_keep_every_setting_in_force() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let config = |flags: &str| {
        let run = desk.prony(&format!("bench --url {} --output json {flags}", sim.url));
        assert_eq!(run.code, Some(0), "{flags}: {}", run.stderr);
        let summary = printed(&run);
        let settings = summary["config"].as_object().expect("settings by name");
        let lines = settings.iter().map(|(name, value)| format!("{name}: {value}\n"));
        lines.collect::<String>().replace(&sim.url, "[url]")
    };
    insta::assert_snapshot!(config("--num-prompts 2"), @r#"
    arrivals: null
    burstiness: null
    ca_file: null
    client_threads: 1
    cold_connections: false
    concurrency: [1]
    connect_timeout_ms: 10000.0
    convention: "prony"
    dataset: null
    duration_ms: null
    endpoint: "/v1/chat/completions"
    extra_body: false
    first_token_timeout_ms: null
    goodput_ms: null
    headers: []
    http2: false
    ignore_eos: false
    ignore_eos_sent: false
    input_len: null
    insecure: false
    loads: ["concurrency=1"]
    max_error_rate: 0.0
    max_errors: null
    max_tokens: null
    models: ["sim"]
    num_prompts: 2
    output_len: null
    prefix_len: null
    ramp_up_ms: 0.0
    request_rate_per_s: null
    requests_per_user: null
    retries: 0
    scenarios: ["short_queries"]
    seed: 0
    stop: []
    stream: true
    streams_max: null
    target: "[url]/v1/chat/completions"
    temperature: null
    think_time_ms: 0.0
    timeout_ms: 600000.0
    tokenizer: null
    top_p: null
    url: "[url]"
    warmup: 0
    "#);
    insta::assert_snapshot!(config(
        "--request-rate 500/s,600/s --concurrency 3,4 --arrivals gamma --burstiness 2 \
         --num-prompts 3 --duration 9s --ramp-up 1ms --warmup 1 --max-errors 7 \
         --max-error-rate 5% --goodput ttft:60000,e2el:90000 --timeout 20s --connect-timeout 3s \
         --first-token-timeout 4s --retries 2 --stop x --stop y --max-tokens 2 --temperature 0.5 \
         --top-p 0.9 --seed 5 --client-threads 2 --convention vllm --header X-Key:hidden \
         --scenario code_generation --cold-connections --ignore-eos"
    ), @r#"
    arrivals: "gamma"
    burstiness: 2.0
    ca_file: null
    client_threads: 2
    cold_connections: true
    concurrency: [3,4]
    connect_timeout_ms: 3000.0
    convention: "vllm"
    dataset: null
    duration_ms: 9000.0
    endpoint: "/v1/chat/completions"
    extra_body: false
    first_token_timeout_ms: 4000.0
    goodput_ms: {"e2el":90000.0,"tpot":null,"ttft":60000.0}
    headers: ["X-Key"]
    http2: false
    ignore_eos: true
    ignore_eos_sent: true
    input_len: null
    insecure: false
    loads: ["rate=500/s,max=3","rate=500/s,max=4","rate=600/s,max=3","rate=600/s,max=4"]
    max_error_rate: 0.05
    max_errors: 7
    max_tokens: 2
    models: ["sim"]
    num_prompts: 3
    output_len: null
    prefix_len: null
    ramp_up_ms: 1.0
    request_rate_per_s: [500.0,600.0]
    requests_per_user: null
    retries: 2
    scenarios: ["code_generation"]
    seed: 5
    stop: ["x","y"]
    stream: true
    streams_max: null
    target: "[url]/v1/chat/completions"
    temperature: 0.5
    think_time_ms: 0.0
    timeout_ms: 20000.0
    tokenizer: null
    top_p: 0.9
    url: "[url]"
    warmup: 1
    "#);
}
