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
