//! Input that cannot be used: said before any load, with a way out, and never as a success.

use testkit::server::unused_address;
use testkit::{Ending, FakeHub, FakeServer, Framing, Reply};

use crate::desk::{Desk, Sim, words};
use crate::fake::{chat, hello};

/// A command line (`{url}` is a server that works, `{none}` an address without one), the exit code,
/// what is said, and the way out.
type Case = (&'static str, i32, &'static str, &'static str);

const HELP: &str = "try '--help'";

fn check(desk: &Desk, url: &str, cases: &[Case]) {
    let none = unused_address().to_string();
    for (line, code, problem, remedy) in cases {
        let line = line.replace("{url}", url).replace("{none}", &none);
        let run = desk.prony(&line);
        let told = run.redacted();
        assert_eq!(run.code, Some(*code), "{told}");
        assert!(run.stderr.contains("error: "), "{told}");
        assert!(run.stderr.contains(problem), "{problem:?} is not in {told}");
        assert!(run.stderr.contains(remedy), "{remedy:?} is not in {told}");
        assert_eq!(run.stdout, "", "{told}");
        assert!(!desk.path("never").exists(), "files were made: {told}");
    }
}

fn desk() -> (Desk, Sim) {
    let desk = Desk::new();
    let sim = desk.sim("--models a,b");
    (desk, sim)
}

#[test]
fn a_server_that_cannot_be_used_is_found_before_the_load() {
    let (desk, sim) = desk();
    check(
        &desk,
        &sim.url,
        &[
            (
                "bench --url http://{none} --output-dir never",
                11,
                "cannot connect to",
                "help: check that the server is running",
            ),
            (
                "bench --url http://no-such-host.invalid --output-dir never",
                10,
                "cannot find host `no-such-host.invalid`",
                "help: check the host name in --url",
            ),
            (
                "bench --url {url} --model nope --output-dir never",
                15,
                "no model `nope`",
                "help: it lists a, b",
            ),
            ("bench --url ftp://x", 2, "the scheme must be http or https", "help: write it like"),
            (
                "bench --url localhost:9123",
                2,
                "--url cannot be used: it must start with http:// or https://",
                "help: write --url http://127.0.0.1:9123\n",
            ),
            (
                "bench --url http://127.0.0.1:99999",
                2,
                "the port must be a number from 0 to 65535",
                "help: write it like --url http://127.0.0.1:8000",
            ),
            (
                "bench --url {url} --http2 --output-dir never",
                21,
                "the server speaks HTTP/1.1 on this port",
                "help: leave --http2 out",
            ),
            ("bench", 2, "nothing to test", "help: name a server with --url"),
        ],
    );
    let secure = sim.url.replace("http://", "https://");
    let cases = [(
        "bench --url {url} --output-dir never",
        12,
        "does not speak TLS on this port",
        "help: check http against https",
    )];
    check(&desk, &secure, &cases);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_by_its_authority_or_not_at_all() {
    let desk = Desk::new();
    let server = chat(hello()).tls().lenient().start().await;
    desk.write("ca.pem", server.certificate_pem().expect("it speaks TLS"));
    desk.write("other.pem", "no certificate");
    let cases = [
        ("bench --url {url} --output-dir never", 12, "TLS with", "help: check http against https"),
        ("bench --url {url} --ca-file gone.pem --output-dir never", 3, "gone.pem", ""),
        ("bench --url {url} --ca-file other.pem --output-dir never", 2, "certificate", ""),
    ];
    check(&desk, &server.url(), &cases);
    for flag in ["--ca-file ca.pem", "--insecure"] {
        let run = desk.prony(&format!("bench --url {} --num-prompts 2 {flag}", server.url()));
        assert_eq!(run.code, Some(0), "{flag}: {}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_hint_about_time_names_the_limit_that_passed() {
    let desk = Desk::new();
    let silent = Reply::status(200).framing(Framing::Chunked).ending(Ending::Stall);
    let server = FakeServer::builder().on("GET", "/v1/models", silent.clone()).start().await;
    let cases = [(
        "bench --url {url} --connect-timeout 200ms --output-dir never",
        13,
        "within 200ms",
        "help: check that a model's server listens there, or give it longer with --connect-timeout",
    )];
    check(&desk, &server.url(), &cases);

    let server = chat(silent).start().await;
    for (limit, problem) in [
        ("--timeout", "no end of the answer within 200ms"),
        ("--first-token-timeout", "no token came within 200ms"),
    ] {
        let line = format!("bench --url {} --num-prompts 1 {limit} 200ms", server.url());
        let run = desk.prony(&line);
        assert_eq!(run.code, Some(13), "{}", run.stderr);
        assert!(run.stdout.contains(problem), "{}", run.stdout);
        assert!(run.stderr.contains(&format!("{limit} for ")), "{}", run.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_an_unknown_model_are_told_apart() {
    let desk = Desk::new();
    let refusal = r#"{"error":{"message":"Incorrect API key","type":"invalid_request_error"}}"#;
    let server = chat(hello()).on("GET", "/none", hello()).start().await;
    drop(server);
    let refusing = FakeServer::builder().otherwise(Reply::json(401, &[], refusal)).start().await;
    let cases = [(
        "bench --url {url} --model m --output-dir never",
        14,
        "Incorrect API key",
        "help: give the right key through OPENAI_API_KEY",
    )];
    check(&desk, &refusing.url(), &cases);

    // A server that lists no models can only be asked.
    let unknown = r#"{"error":{"message":"The model `m` does not exist","type":"not_found"}}"#;
    let server = FakeServer::builder()
        .on("GET", "/v1/models", Reply::json(404, &[], "{}"))
        .otherwise(Reply::json(404, &[], unknown))
        .start()
        .await;
    let run = desk.prony(&format!("bench --url {} --model m --num-prompts 2", server.url()));
    assert_eq!(run.code, Some(15), "{}", run.stderr);
    assert!(run.stderr.contains("2 of 2 requests failed"), "{}", run.stderr);
    assert!(run.stderr.contains("help: check --model"), "{}", run.stderr);
    assert!(run.stdout.contains("The model `m` does not exist"), "{}", run.stdout);
    check(
        &desk,
        &server.url(),
        &[("bench --url {url}", 2, "does not list its models", "help: name one with --model")],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_name_would_command_the_terminal_is_none() {
    let desk = Desk::new();
    let models = r#"{"object":"list","data":[{"id":"m\u001b[2J"},{"id":"tame"}]}"#;
    let models = Reply::json(200, &[], models);
    let server =
        FakeServer::builder().on("GET", "/v1/models", models).otherwise(hello()).start().await;
    let run = desk.prony(&format!("bench --url {} --num-prompts 1", server.url()));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("model: tame, the first"), "{}", run.stderr);
    assert!(!format!("{}{}", run.stdout, run.stderr).contains('\u{1b}'), "{}", run.stdout);
}

#[test]
fn flags_that_contradict_each_other_or_say_nothing_are_refused() {
    let (desk, sim) = desk();
    desk.write("prompts.jsonl", "{\"prompt\":\"one\"}\n");
    check(
        &desk,
        &sim.url,
        &[
            (
                "bench --url {url} --request-rate 5/s",
                2,
                "a request rate needs an end",
                "help: add --num-prompts 500 or --duration 60s",
            ),
            ("bench --url {url} --request-rate 5", 2, "`5` has no unit; write 5/s", HELP),
            (
                "bench --url {url} --request-rate -5 --duration 1s",
                2,
                "'--request-rate <RATE,…>': `-5` is not a rate above zero such as 20/s",
                HELP,
            ),
            (
                "bench --url {url} --request-rate -5/s --duration 1s",
                2,
                "'--request-rate <RATE,…>': `-5/s` is not a rate above zero such as 20/s",
                HELP,
            ),
            (
                "bench --url {url} --concurrency 1,x",
                2,
                "'--concurrency <N,…>': `x` is not a whole number such as 8",
                HELP,
            ),
            ("bench --url {url} --duration 5", 2, "`5` has no unit; write 5s", HELP),
            (
                "bench --url {url} --request-rate inf --num-prompts 5",
                2,
                "an infinite rate with no limit",
                "help: give a rate such as 20/s, or --concurrency",
            ),
            ("bench --url {url} --burstiness 2", 2, "there is none", "--request-rate 20/s"),
            (
                "bench --url {url} --request-rate 5/s --num-prompts 3 --think-time 1s",
                2,
                "--think-time is about users",
                "help: use --concurrency without --request-rate",
            ),
            (
                "bench --url {url} --request-rate 5/s --num-prompts 3 --arrivals poisson \
                 --burstiness 2",
                2,
                "shapes gamma arrivals only",
                "help: use --arrivals gamma",
            ),
            ("bench --url http://{none} --concurrency 2,0", 2, "sends nothing", "give 1 or more"),
            (
                "bench --url http://{none} --concurrency 8,4,4",
                2,
                "--concurrency names 4 twice, and two runs would have one name",
                "help: name it once; to see how figures vary, run the bench again",
            ),
            (
                "bench --url http://{none} --request-rate 60/m,1/s --num-prompts 5",
                2,
                "--request-rate names 1/s twice",
                "help: name it once",
            ),
            (
                "bench --url http://{none} --scenario long_documents,long_documents:1000",
                2,
                "--scenario names long_documents twice",
                "help: name it once",
            ),
            (
                "bench --url http://{none} --model a,b,a",
                2,
                "--model names a twice",
                "help: name it once",
            ),
            ("bench --url http://{none} --num-prompts 0", 2, "sends nothing", "give 1 or more"),
            ("bench --url http://{none} --requests-per-user 0", 2, "sends nothing", "give 1"),
            ("bench --url http://{none} --duration 0s", 2, "--duration 0 sends", "such as 30s"),
            (
                "bench --url http://{none} --duration 5s --ramp-up 5s",
                2,
                "the ramp lasts as long as the run",
                "help: make the duration longer",
            ),
            (
                "bench --url http://{none} --max-errors 0",
                2,
                "--max-errors 0 ends a run before its first request",
                "help: give 1 to end it at the first failure",
            ),
            ("bench --url http://{none} --max-tokens 0", 2, "asks for no answer", "give 1"),
            ("bench --url http://{none} --timeout 0s", 2, "--timeout 0 ends", "such as 30s"),
            (
                "bench --url {url} --scenario poetry",
                2,
                "'--scenario <NAMES>': there is no scenario called `poetry`",
                HELP,
            ),
            (
                "bench --url {url} --tokenizer cl100k --input-len long",
                2,
                "'--input-len <LENGTH>': `long` is no length in tokens",
                HELP,
            ),
            (
                "bench --rate 20",
                2,
                "unexpected argument '--rate'",
                "tip: a rate is said with --req",
            ),
            ("sim --rate 20", 2, "unexpected argument '--rate'", HELP),
            ("sim --models a,,b", 2, "--models <NAMES>", HELP),
            ("bench --url {url} --goodput ttft:2d", 2, "`d` is no unit of time", HELP),
            (
                "bench --url {url} --no-stream --goodput e2el:2s,tpot:50",
                2,
                "a whole answer has neither",
                "help: limit e2el alone",
            ),
            ("bench {url}", 2, "unexpected argument", "tip: a server is named with --url"),
            ("bench --header x-a: 1 --url {url}", 2, "unexpected argument", "tip: a value with"),
            ("bench --url {url} --threads 2", 2, "--threads is about the embedded", "leave it out"),
            ("bench --url {url} --batching static", 2, "--batching is about", "leave it out"),
            ("bench --url {url} --insecure", 2, "--insecure is about TLS", "leave it out"),
            ("bench --url {url} --ca-file ca.pem", 2, "--ca-file is about TLS", "leave it out"),
            ("bench --engine m.gguf --timeout 5s", 2, "--timeout is about a server", "leave it"),
            ("bench --engine m.gguf --model a,b", 2, "--model is about a server", "leave it"),
            ("bench --engine m.gguf --insecure", 2, "--insecure is about a server", "leave it"),
            (
                "bench --engine m.gguf --endpoint-type messages",
                2,
                "--endpoint-type messages is about a server",
                "help: use chat or completions",
            ),
            (
                "bench --url http://{none} --dataset none.jsonl",
                3,
                "cannot read none.jsonl",
                "help: give",
            ),
            ("bench --url http://{none} --scenario nope", 2, "`nope`", "short_queries"),
            (
                "bench --url {url} --streams-max 5",
                2,
                "--streams-max is about HTTP/2",
                "help: add --http2",
            ),
            ("bench --url {url} --output-len 3", 2, "--output-len goes with", "--max-tokens"),
            ("bench --url {url} --input-len 3", 2, "tokenizer", "help: name one with --tokenizer"),
            ("bench --url {url} --temperature 9", 2, "between 0 and 2", "--temperature"),
            ("bench --url {url} --engine m.gguf", 2, "cannot be used with", HELP),
            ("bench --engine m.gguf --http2", 2, "--http2 is about a server", "--engine"),
            (
                "bench --url {url} --dataset prompts.jsonl --scenario short_queries",
                2,
                "cannot be used with",
                HELP,
            ),
            ("bench --url {url} --overwrite", 2, "--output-dir", HELP),
            ("bench --ur {url}", 2, "unexpected argument '--ur'", "'--url'"),
            ("bench --url {url} --extra-body [1]", 2, "not a JSON object", "help: write it like"),
            (
                "bench --url {url} --header nocolon",
                2,
                "has no colon",
                "help: write it like --header '",
            ),
            ("bench --url {url} --goodput ttft:1e300", 2, "not a time above zero", HELP),
            ("bench --url {url} --client-threads 100000", 2, "100000 is not in 1..=256", HELP),
            ("bench --url {url} --client-threads 0", 2, "0 is not in 1..=256", HELP),
            (
                "bench --url {url} --duration 1s --concurrency 18446744073709551615",
                2,
                "more than one client drives",
                "help: ask for fewer",
            ),
            ("bench --engine m.gguf --concurrency 18446744073709551615", 2, "drives", "fewer"),
            (
                "bench --engine m.gguf --batch-delay 5ms",
                2,
                "--batch-delay is about dynamic batches",
                "help: add --batching dynamic",
            ),
            ("bench --engine m.gguf --batching static --batch-delay 5ms", 2, "dynamic", "add"),
            ("engine --model m.gguf --batch-delay 5ms", 2, "--batch-delay is about", "add"),
            (
                "bench --url {url} --request-rate inf --concurrency 2 --num-prompts 5 \
                 --burstiness 2",
                2,
                "arrivals are drawn for a finite request rate",
                "help: leave --arrivals and --burstiness out",
            ),
            (
                "bench --url {url} --request-rate inf --concurrency 2 --num-prompts 5 \
                 --arrivals constant",
                2,
                "arrivals are drawn for a finite request rate",
                "help: leave --arrivals and --burstiness out",
            ),
            (
                "bench --url {url} --tokenizer cl100k --input-len 9 --output-len 5 --max-tokens 3",
                2,
                "--max-tokens overrules",
                "help: leave one",
            ),
            ("sim --port 0 --fault-status x", 2, "STATUS:SHARE", "such as 429:5%"),
            ("sim --port 0 --ttft soon", 2, "'--ttft <TIME>': `soon` is not a", "such as 30s"),
            ("sim --port 0 --ttft 50", 2, "'--ttft <TIME>': `50` has no unit; write 50s", HELP),
            ("sim --port 0 --itl uniform(5,6ms)", 2, "'--itl <TIME>': `5` has no unit", HELP),
            ("sim --port 0 --output-tokens x", 2, "`x` is not a whole number such as 8", HELP),
            ("sim --port 0 --decode-rate 5", 2, "--slots <N>", HELP),
            ("sim --port 0 --stall-time 5s", 2, "--fault-stall <SHARE>", HELP),
        ],
    );
    let taken = sim.url.rsplit(':').next().expect("it has a port");
    let line = format!("sim --port {taken}");
    let run = desk.prony(&line);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("in use") && run.stderr.contains("help: name a free port"));
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let (desk, sim) = desk();
    desk.write("empty", "");
    desk.write("plain", "a file");
    desk.write("bad.jsonl", "{\"prompt\":\"one\"}\n\n{\"prompt\":\"hidden words\", }\n");
    desk.write("odd.jsonl", "{\"prompt\":\"one\"}\n{\"promt\":\"hidden words\"}\n");
    check(
        &desk,
        &sim.url,
        &[
            (
                "bench --url {url} --dataset bad.jsonl --output-dir never",
                3,
                "bad.jsonl:3: not JSON at column 27",
                "expected an object with `prompt`",
            ),
            (
                "bench --url {url} --dataset odd.jsonl --output-dir never",
                3,
                "odd.jsonl:2: ",
                "expected an object with `prompt`",
            ),
            ("bench --url {url} --dataset gone.jsonl", 3, "cannot read gone.jsonl", ""),
            ("bench --url {url} --dataset empty", 3, "empty", ""),
            (
                "bench --url {url} --tokenizer gpt2",
                3,
                "there is no file `gpt2`, and no tokenizer that Prony has",
                "help: give --tokenizer the path of the model's tokenizer.json",
            ),
            (
                "bench --url {url} --api-key-file gone",
                3,
                "cannot read the file given to",
                "first line",
            ),
            ("bench --url {url} --api-key-file empty", 3, "no key on its first line", ""),
            (
                "bench --url {url} --output-dir plain",
                3,
                "cannot create plain",
                "help: name a folder that you may write to",
            ),
            (
                "bench --url {url} --output-dir plain/below",
                3,
                "cannot create plain/below",
                "help: name a folder that you may write to",
            ),
            ("sim --port 0 --log plain/log", 3, "cannot write plain/log", ""),
        ],
    );
    for dataset in ["bad.jsonl", "odd.jsonl"] {
        let run = desk.prony(&format!("bench --url {} --dataset {dataset}", sim.url));
        assert!(!run.stderr.contains("hidden"), "a prompt was repeated: {}", run.stderr);
    }
}

#[test]
fn a_configuration_that_cannot_be_used_names_the_setting() {
    let (desk, sim) = desk();
    for (name, text) in [
        ("unknown.toml", "concurency = 3"),
        ("broken.toml", "concurrency = [3"),
        ("flag.toml", "http2 = \"yes\""),
        ("unit.toml", "duration = 30"),
        ("table.toml", "[load]\nconcurrency = 3"),
        ("self.toml", "config = \"self.toml\""),
    ] {
        desk.write(name, text);
    }
    check(
        &desk,
        &sim.url,
        &[
            (
                "bench --url {url} --config unknown.toml",
                2,
                "unknown.toml: `concurency` is no setting",
                "help: the nearest setting is `concurrency`",
            ),
            ("bench --url {url} --config broken.toml", 2, "line 1, column 17", "help: write"),
            ("bench --url {url} --config flag.toml", 2, "`http2` is neither", "help: write `true`"),
            (
                "bench --url {url} --config unit.toml",
                2,
                "with the settings of unit.toml: invalid value '30'",
                "write 30s",
            ),
            ("bench --url {url} --config table.toml", 2, "`load` is no setting", "help: "),
            ("bench --url {url} --config self.toml", 2, "`config` is no setting", "help: "),
            (
                "bench --url {url} --config gone.toml",
                3,
                "cannot read gone.toml",
                "help: check the path given to --config",
            ),
        ],
    );
}

#[test]
fn a_model_file_that_is_missing_or_broken_is_named() {
    let Some(library) = testkit::llama_library() else { return };
    let desk = Desk::new();
    desk.write("noise.gguf", [7; 4096]);
    // A head that is right, and nothing behind it.
    desk.write("short.gguf", b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
    let library = library.display().to_string();
    for (model, problem) in [
        ("gone.gguf", "cannot read model gone.gguf"),
        ("noise.gguf", "noise.gguf is not a GGUF file"),
        ("short.gguf", "short.gguf"),
    ] {
        for command in [
            format!("bench --engine {model} --output-dir never"),
            format!("engine --port 0 --model {model}"),
        ] {
            let arguments = [&words(&command)[..], &["--llama-dir", &library]].concat();
            let run = desk.prony_in(&[], &arguments);
            assert_eq!((run.code, &*run.stdout), (Some(4), ""), "{command}: {}", run.stderr);
            assert!(run.stderr.contains("error: "), "{}", run.stderr);
            assert!(run.stderr.contains(problem), "{command}: {}", run.stderr);
            assert!(!desk.path("never").exists());
        }
    }
}

#[test]
fn a_folder_without_the_engines_library_is_named() {
    let desk = Desk::new();
    desk.write("m.gguf", "GGUF");
    for variables in [&[][..], &[("PRONY_LLAMA_DIR", "nowhere")][..]] {
        let flag = if variables.is_empty() { "--llama-dir nowhere" } else { "" };
        let line = format!("bench --engine m.gguf {flag}");
        let run = desk.prony_in(variables, &words(&line));
        assert_eq!(run.code, Some(4), "{}", run.stderr);
        assert!(run.stderr.contains("nowhere"), "{}", run.stderr);
        assert!(run.stderr.contains("scripts/llama-library.sh"), "{}", run.stderr);
    }
}

#[test]
fn a_model_that_the_hub_does_not_have_is_told_of() {
    let desk = Desk::new();
    desk.write("m.gguf", "GGUF");
    let hub = FakeHub::start("owner/repo/m.gguf", &desk.path("m.gguf"));
    desk.write("token", "hf_4714_of_the_hub");
    let (address, home) = (hub.url(), desk.path("").display().to_string());
    let nowhere = format!("http://{}", unused_address());
    for (endpoint, model, code, problem, remedy) in [
        (&address, "hf:owner/repo/other.gguf", 4, "status: 404", "help: check the name"),
        (&nowhere, "hf:owner/repo/m.gguf", 4, "refused", "HF_ENDPOINT names another hub"),
        (&address, "hf:owner/repo", 2, "does not name a file", "help: write hf:OWNER/REPO/FILE"),
    ] {
        let variables = [("HF_ENDPOINT", &**endpoint), ("HF_HOME", &home)];
        let line = format!("bench --engine {model} --output-dir never");
        let run = desk.prony_in(&variables, &words(&line));
        assert_eq!((run.code, &*run.stdout), (Some(code), ""), "{}", run.stderr);
        assert!(run.stderr.contains(problem), "{}", run.stderr);
        assert!(run.stderr.contains(remedy), "{}", run.stderr);
        assert!(!run.stderr.contains("hf_4714"), "the token came out: {}", run.stderr);
        assert!(!desk.path("never").exists());
    }
    assert_eq!(hub.asked(), ["GET /owner/repo/resolve/main/other.gguf bytes=0-0"]);
}
