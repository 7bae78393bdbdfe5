//! What can be asked, of which endpoint.

use serde_json::Value;

use crate::desk::{Desk, integer, items, printed, text};

#[test]
fn every_kind_of_workload_and_endpoint_is_measured() {
    let desk = Desk::new();
    desk.write("prompts.jsonl", "{\"prompt\":\"one\"}\n{\"prompt\":\"two\"}\n");
    desk.write("chats.jsonl", r#"{"messages":[{"role":"user","content":"one"}]}"#);
    desk.write(
        "shares.jsonl",
        r#"{"conversations":[{"from":"human","value":"one"},{"from":"gpt","value":"two"}]}"#,
    );
    let sim = desk.sim("");
    for (flags, load, scenario) in [
        ("", "concurrency=1", "short_queries"),
        ("--endpoint-type completions", "concurrency=1", "short_queries"),
        ("--endpoint-type messages --scenario code_generation", "concurrency=1", "code_generation"),
        ("--no-stream --scenario long_documents", "concurrency=1", "long_documents"),
        ("--dataset prompts.jsonl --concurrency 2", "concurrency=2", "prompts.jsonl"),
        ("--dataset chats.jsonl --cold-connections", "concurrency=1", "chats.jsonl"),
        (
            "--dataset shares.jsonl --max-concurrency 2 --ramp-up 5ms",
            "concurrency=2",
            "shares.jsonl",
        ),
        ("--request-rate 200/s --arrivals constant", "rate=200/s", "short_queries"),
        ("--request-rate 200/s --burstiness 0.5 --concurrency 3", "rate=200/s", "short_queries"),
        ("--convention vllm --client-threads 2", "concurrency=1", "short_queries"),
        (
            r#"--extra-body {"top_k":20} --temperature 0.5 --stop x"#,
            "concurrency=1",
            "short_queries",
        ),
    ] {
        let run = desk.prony(&format!(
            "bench --url {} --num-prompts 6 --max-tokens 4 --output json {flags}",
            sim.url
        ));
        assert_eq!(run.code, Some(0), "{flags}: {}", run.stderr);
        let summary = printed(&run);
        let [run] = items(&summary["runs"]) else { panic!("one run: {summary}") };
        assert_eq!(integer(&run["completed"]), 6, "{flags}");
        assert_eq!(integer(&run["total_output_tokens"]), 24, "{flags}");
        assert!(text(&run["load"]).contains(load), "{flags}: {}", run["load"]);
        assert!(text(&run["scenario"]).contains(scenario), "{flags}: {}", run["scenario"]);
    }
}

#[test]
fn synthetic_prompts_have_the_length_asked_for() {
    let desk = Desk::new();
    let sim = desk.sim("");
    let run = desk.prony(&format!(
        "bench --url {} --tokenizer cl100k --input-len 24 --output-len 5 --num-prompts 3 \
         --output json",
        sim.url
    ));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let summary = printed(&run);
    assert_eq!(integer(&summary["runs"][0]["total_output_tokens"]), 15);
    assert_eq!(summary["config"]["input_len"], Value::from("24"));
}

#[test]
fn users_stop_after_their_requests_or_at_the_end_of_time() {
    let desk = Desk::new();
    let sim = desk.sim("--ttft 1ms");
    let counted = |flags: &str| {
        let run =
            desk.prony(&format!("bench --url {} --max-tokens 1 --output json {flags}", sim.url));
        assert_eq!(run.code, Some(0), "{flags}: {}", run.stderr);
        integer(&printed(&run)["runs"][0]["completed"])
    };
    assert_eq!(counted("--concurrency 3 --requests-per-user 2 --think-time 1ms"), 6);
    assert!(counted("--concurrency 2 --duration 300ms") > 0);
    // A duration bounds a run whose requests would last longer, not the other way round.
    assert_eq!(counted("--num-prompts 4 --duration 60s"), 4);
}
