//! What the program says of itself.

use crate::desk::Desk;

#[test]
fn help_names_the_commands() {
    insta::assert_snapshot!(Desk::new().prony("--help").redacted(), @"
    $ prony --help
    Puts large language models under load and measures them truthfully

    Usage: prony <COMMAND>

    Commands:
      bench        Load-test a model: a remote endpoint, or a model file in the embedded engine
      engine       Serve a model file over an OpenAI- and Anthropic-compatible API
      sim          Serve a simulated model with a known timetable and faults
      serve        Run benchmarks on request, keep and show what they measure, and watch it
      runs         List, show or delete the runs that are kept
      query        Ask the store in SQL
      export       Write a run's records to a file
      config       Check a configuration file, or make a key for it
      alerts       Write the alert rules for Prometheus
      completions  Print a completion script for a shell
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version
    exit code 0
    ");
}

#[test]
fn every_command_explains_its_settings_in_short() {
    let desk = Desk::new();
    for (command, parts, lines_max) in [
        ("bench", &["\nTarget:", "\nLoad", "\nWorkload:", "\nOutput:", "\nExit codes:"][..], 130),
        ("engine", &["\nEmbedded engine:", "--batching"], 60),
        ("sim", &["--ttft", "\nFaults", "--fault-status"], 60),
    ] {
        let run = desk.prony(&format!("{command} --help"));
        assert_eq!((run.code, &*run.stderr), (Some(0), ""), "{command}");
        for part in ["\nExamples:\n  prony "].iter().chain(parts) {
            assert!(run.stdout.contains(part), "{command} does not say {part}");
        }
        let lines = run.stdout.lines().count();
        assert!(lines <= lines_max, "{command}: {lines} lines");
        let widest = run.stdout.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{command}: {widest:?} columns");
        assert_eq!(desk.prony(&format!("{command} -h")).stdout, run.stdout);
    }
    let run = desk.prony("--version");
    assert!(run.stdout.starts_with("prony "), "{}", run.stdout);
}

#[test]
fn completions_are_printed_for_each_shell() {
    let desk = Desk::new();
    for (shell, part) in
        [("bash", "complete -F _prony"), ("zsh", "#compdef prony"), ("fish", "complete -c prony")]
    {
        let run = desk.prony(&format!("completions {shell}"));
        assert_eq!((run.code, &*run.stderr), (Some(0), ""));
        assert!(run.stdout.contains(part), "no {part} for {shell}");
        assert!(run.stdout.contains("output-dir"), "the settings of bench are missing in {shell}");
    }
    // The script must be one that bash can read.
    let script = desk.prony("completions bash").stdout;
    desk.write("prony.bash", script);
    let arguments = ["-c", "source ./prony.bash && complete -p prony"];
    let bash = std::path::Path::new("/bin/bash");
    if bash.exists() {
        let read = testkit::Transcript::run(bash, &arguments, &[], &desk.path(""));
        assert_eq!((read.code, &*read.stderr), (Some(0), ""), "{}", read.stdout);
        assert!(read.stdout.contains("_prony"), "{}", read.stdout);
    }
}
