//! Keys go to the server and nowhere else.

use testkit::{FakeServer, Reply};

use crate::desk::{Desk, words};
use crate::fake::{chat, hello};

const KEY: &str = "sk-key-4711-of-the-file";
const HEADER: &str = "token-4712-of-the-header";
const VARIABLE: &str = "sk-key-4713-of-the-environment";

fn is_kept(desk: &Desk, secret: &str, run: &testkit::Transcript, folder: Option<&str>) {
    let files = ["summary.json", "requests.jsonl", "requests.csv"];
    let written = folder.iter().flat_map(|folder| files.map(|file| format!("{folder}/{file}")));
    let texts = written.map(|file| desk.read(&file));
    for text in texts.chain([run.stdout.clone(), run.stderr.clone()]) {
        assert!(!text.contains(secret), "a secret came out: {text}");
    }
}

fn sent(server: FakeServer, name: &str) -> Vec<String> {
    let received = server.finish();
    received.iter().filter_map(|request| request.header(name)).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_reaches_the_server_and_no_output() {
    let desk = Desk::new();
    desk.write("key", format!("{KEY}\n"));
    let header = format!("authorization: Bearer {HEADER}");
    for (flags, variables, secret, want) in [
        (vec!["--api-key-file", "key"], vec![], KEY, format!("Bearer {KEY}")),
        (vec!["--header", &header], vec![], HEADER, format!("Bearer {HEADER}")),
        (vec![], vec![("OPENAI_API_KEY", VARIABLE)], VARIABLE, format!("Bearer {VARIABLE}")),
        // The file wins over the environment.
        (
            vec!["--api-key-file", "key"],
            vec![("OPENAI_API_KEY", VARIABLE)],
            KEY,
            format!("Bearer {KEY}"),
        ),
    ] {
        let server = chat(hello()).start().await;
        let line = format!(
            "bench --url {} --num-prompts 2 --output-dir out --overwrite --format csv",
            server.url()
        );
        let run = desk.prony_in(&variables, &[&words(&line)[..], &flags].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert_eq!(sent(server, "authorization"), vec![want; 3]);
        is_kept(&desk, secret, &run, Some("out"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_repeats_a_key_does_not_make_the_program_do_so() {
    let desk = Desk::new();
    desk.write("key", KEY);
    let header = format!("x-gateway-token: {HEADER}");
    let body = format!(
        r#"{{"error":{{"message":"Incorrect API key {KEY} or token {HEADER}","type":"auth"}}}}"#
    );
    let refusal = Reply::json(401, &[], &body);
    let flags = ["--api-key-file", "key", "--header", &header];

    // Before the load …
    let server = FakeServer::builder().otherwise(refusal.clone()).start().await;
    let line = format!("bench --url {} --model m --num-prompts 2", server.url());
    let run = desk.prony_in(&[], &[&words(&line)[..], &flags].concat());
    assert_eq!(run.code, Some(14), "{}", run.stderr);
    assert!(run.stderr.contains("Incorrect API key [redacted]"), "{}", run.stderr);
    is_kept(&desk, KEY, &run, None);
    is_kept(&desk, HEADER, &run, None);

    // … and in it.
    let server = chat(refusal).start().await;
    let line = format!(
        "bench --url {} --num-prompts 2 --output json --output-dir out --format csv",
        server.url()
    );
    let run = desk.prony_in(&[], &[&words(&line)[..], &flags].concat());
    assert_eq!(run.code, Some(14), "{}", run.stderr);
    is_kept(&desk, KEY, &run, Some("out"));
    is_kept(&desk, HEADER, &run, Some("out"));
}

/// Ways to give a secret wrongly, on the command line and in a file. `{secret}` stands for it.
#[test]
fn input_that_cannot_be_used_is_not_repeated_where_it_may_be_a_secret() {
    const SECRET: &str = "sk-4714-of-a-slip";
    let desk = Desk::new();
    let sim = desk.sim("");
    let slips: [(&[&str], &str); 16] = [
        (&["--header", "Authorization Bearer {secret}"], "has no colon"),
        (&["--header", "Authorization Basic {secret}:x"], "has a name"),
        (&["--header", "Authorization: Bearer {secret}\u{1}"], "control character"),
        (&["--header", "Authorization:Bearer", "{secret}"], "unexpected argument"),
        (&["--header", "Authorization:", "Bearer", "{secret}"], "unexpected argument"),
        (&["--extra-body", "{secret}"], "not a JSON object"),
        (&["--extra-body", "\"{secret}\""], "not a JSON object"),
        (&["--extra-body", "[\"{secret}\"]"], "not a JSON object"),
        (&["--extra-body", "{\"key\": {secret}}"], "line 1, column 9"),
        (&["--api-key-file", "{secret}"], "cannot read the file given to --api-key-file"),
        (&["--api-key", "{secret}"], "unexpected argument '--api-key'"),
        (&["--api-key={secret}"], "unexpected argument '--api-key'"),
        (&["--url", "http://user:{secret}@127.0.0.1:1"], "credentials in a URL"),
        (&["--url", "http://127.0.0.1:1/?key={secret}"], "a query string"),
        (&["--url", "{secret}"], "must start with http://"),
        (&["--http2={secret}"], "'--http2'"),
    ];
    for (flags, problem) in slips {
        let flags: Vec<String> =
            flags.iter().map(|flag| flag.replace("{secret}", SECRET)).collect();
        let mut arguments = words("bench --num-prompts 1 --max-tokens 1");
        if flags[0] != "--url" {
            arguments.extend(["--url", &sim.url]);
        }
        arguments.extend(flags.iter().map(|flag| &**flag));
        let run = desk.prony_in(&[], &arguments);
        assert!(matches!(run.code, Some(2 | 3)), "{flags:?}: {}", run.stderr);
        assert!(run.stderr.contains(problem), "{flags:?}: {}", run.stderr);
        is_kept(&desk, SECRET, &run, None);
    }
    for (file, problem) in [
        ("header = \"Authorization Bearer {secret}\"", "has no colon"),
        ("header = [\"Authorization Basic {secret}:x\"]", "has a name"),
        ("header = \"Authorization: Bearer {secret}", "is not TOML: see line 1, column"),
        ("duration = \"1s\"\nheader = Bearer {secret}", "is not TOML: see line 2, column"),
        ("header = { Authorization = \"{secret}\" }", "`header` has a value of the wrong type"),
        ("extra-body = { key = \"{secret}\" }", "`extra-body` has a value of the wrong type"),
        ("extra-body = '\"{secret}\"'", "not a JSON object"),
        ("api-key-file = \"{secret}\"", "cannot read the file given to --api-key-file"),
        ("api-key = \"{secret}\"", "`api-key` is no setting"),
        ("http2 = \"{secret}\"", "`http2` is neither true nor false"),
    ] {
        desk.write("bench.toml", file.replace("{secret}", SECRET));
        let run = desk.prony(&format!("bench --url {} --config bench.toml", sim.url));
        assert!(matches!(run.code, Some(2 | 3)), "{file}: {}", run.stderr);
        assert!(run.stderr.contains(problem), "{file}: {}", run.stderr);
        is_kept(&desk, SECRET, &run, None);
    }
}
