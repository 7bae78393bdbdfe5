//! `prony.toml`, checked before anything is started.

use crate::desk::Desk;

#[test]
fn what_the_file_refers_to_lies_beside_it() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("settings")).expect("there is room");
    desk.write("settings/gpt.key", "sk-secret\n");
    desk.write("settings/slack.url", "https://hooks.example.com/secret\n");
    desk.write("settings/tickets.jsonl", "{\"prompt\":\"one\"}\n{\"prompt\":\"two\"}\n");
    desk.write(
        "settings/prony.toml",
        "[targets.gpt]\nurl = \"https://api.openai.com\"\nmodel = \"gpt-4o\"\n\
         key_file = \"gpt.key\"\n\n[targets.claude]\nurl = \"https://api.anthropic.com\"\n\
         model = \"claude\"\nkey_env = \"A_KEY\"\n\n[scenarios.tickets]\n\
         dataset = \"tickets.jsonl\"\n\n[alerts]\nusual_rules = false\n\n[[alerts.rules]]\n\
         name = \"SlowAnswers\"\nmetric = \"tpot_p99\"\nabove = \"50ms\"\nwindow = \"5m\"\n\
         severity = \"warning\"\n\n[[alerts.receivers]]\nname = \"desk\"\nkind = \"slack\"\n\
         url = { file = \"slack.url\" }\n",
    );
    let arguments = ["config", "check", "settings/prony.toml"];
    let checked = desk.prony_in(&[("A_KEY", "sk-other")], &arguments);
    assert_eq!((checked.code, &*checked.stderr), (Some(0), ""));
    assert_eq!(
        checked.stdout,
        "file      settings/prony.toml, in order\n\
         server    http://127.0.0.1:8080, no keys, up to 100 benchmarks wait\n\
         store     settings/prony-data, records are kept for ever\n\
         target    gpt: gpt-4o by openai, https://api.openai.com/v1/chat/completions, a key\n\
         target    claude: claude by anthropic, https://api.anthropic.com/v1/messages, a key\n\
         scenario  tickets: 2 prompts of a file\n\
         alerts    every 15s: SlowAnswers\n\
         receiver  desk: a webhook in Slack's form\n"
    );

    let unset = desk.prony("config check settings/prony.toml");
    assert_eq!((unset.code, &*unset.stdout), (Some(2), ""));
    assert_eq!(
        unset.stderr,
        "error: settings/prony.toml cannot be used:\n  \
         line 9: `targets.claude.key_env` names a variable that is not set\n    \
         help: give the name of a variable of the environment, and set it\n"
    );
    assert_eq!(desk.prony("config check gone.toml").code, Some(3));
    // Where none is named, the one that `prony serve` reads.
    let absent = desk.prony("config check");
    assert_eq!(absent.code, Some(3), "{}", absent.stderr);
    assert!(absent.stderr.contains("cannot read prony.toml: "), "{}", absent.stderr);
}

#[test]
fn a_new_key_fits_the_file() {
    let desk = Desk::new();
    let made = desk.prony("config key ci --role operator");
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let key = made.stdout.trim();
    assert!(key.len() == 70 && key.starts_with("prony_"), "{key}");
    assert_ne!(desk.prony("config key ci --role operator").stdout.trim(), key);
    let (_, told) = made.stderr.split_once("[keys.ci]").expect("what the file is to say");
    assert!(!made.stderr.contains(key), "only its digest is kept");
    desk.write(
        "prony.toml",
        format!("server.host = \"0.0.0.0\"\nalerts.usual_rules = false\n[keys.ci]{told}"),
    );
    let checked = desk.prony("config check");
    assert_eq!(
        checked.stdout,
        "file      prony.toml, in order\n\
         server    http://0.0.0.0:8080, keys ci (operator), up to 100 benchmarks wait\n\
         warning   keys travel in the clear: give `server.tls_certificate` and `server.tls_key`, \
         or put a proxy with TLS before it\n\
         store     prony-data, records are kept for ever\n\
         alerts    no rules\n"
    );
}

#[test]
fn the_example_in_the_documentation_is_in_order() {
    let text = include_str!("../../../../docs/configuration.md");
    let (_, example) = text.split_once("```toml\n").expect("there is one");
    let (example, _) = example.split_once("```").expect("it ends");
    let desk = Desk::new();
    desk.write("prony.toml", example);
    desk.write("tickets.jsonl", "{\"prompt\":\"one\"}\n");
    let variables = [
        ("OPENAI_API_KEY", "sk-secret"),
        ("SLACK_URL", "https://hooks.example.com/secret"),
        ("OTLP_AUTHORIZATION", "Bearer secret"),
    ];
    let checked = desk.prony_in(&variables, &["config", "check", "prony.toml"]);
    assert_eq!((checked.code, &*checked.stderr), (Some(0), ""));
    assert!(!checked.stdout.contains("secret"), "{}", checked.stdout);
    for part in [" in eu-west", "for 30d", "\nschedule  canary: ", "SlowAnswers", "\nreceiver  "] {
        assert!(checked.stdout.contains(part), "{part} is missing: {}", checked.stdout);
    }
}
