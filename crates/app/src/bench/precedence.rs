//! Which settings of a configuration file give way to the flags given: those that say the same, and
//! those that would contradict one.

use std::collections::BTreeSet;

use super::scope::{self, Given};
use super::settings::{ArrivalKind, BenchSettings};
use crate::cli;

/// The settings that give way to the flags `given`, all by their long names. `settings` are what
/// those flags say.
pub(super) fn outdone(given: &[String], settings: &BenchSettings) -> BTreeSet<String> {
    let mut outdone = BTreeSet::new();
    for flag in given {
        outdone.insert(flag.clone());
        outdone.insert(cli::opposite(flag));
        outdone.extend(rivals(flag, settings).into_iter().map(str::to_owned));
    }
    outdone
}

/// What cannot stand beside `flag`.
fn rivals(flag: &str, settings: &BenchSettings) -> Vec<&'static str> {
    let is_gamma = settings.load.arrivals == Some(ArrivalKind::Gamma);
    match flag {
        "url" if settings.target.is_plain() => [
            &["engine"],
            &*names(&scope::about_engines(settings)),
            &*names(&scope::about_tls(settings)),
        ]
        .concat(),
        "url" => [&["engine"], &*names(&scope::about_engines(settings))].concat(),
        "engine" => {
            [&["url", "endpoint-type"][..], &*names(&scope::about_servers(settings))].concat()
        }
        "no-http2" => vec!["streams-max"],
        "dataset" => vec!["scenario", "input-len", "output-len", "prefix-len"],
        "scenario" => vec!["dataset", "input-len", "output-len", "prefix-len"],
        "input-len" => vec!["scenario", "dataset"],
        "max-tokens" => vec!["output-len"],
        "output-len" => vec!["max-tokens"],
        "request-rate" => vec!["requests-per-user", "think-time"],
        "requests-per-user" | "think-time" => vec!["request-rate", "arrivals", "burstiness"],
        "arrivals" if !is_gamma => vec!["burstiness"],
        "burstiness" => vec!["arrivals"],
        "store-content" => vec!["no-store"],
        "no-store" => vec!["store-content", "content-retention"],
        // The others stand beside anything.
        _ => vec![],
    }
}

fn names(flags: &[Given]) -> Vec<&'static str> {
    flags.iter().map(|(_, flag)| flag.trim_start_matches("--")).collect()
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    /// What the command line refuses together, one of the two gives way.
    #[test]
    fn whatever_conflicts_on_the_command_line_gives_way() {
        let command = cli::command();
        let bench = command.find_subcommand("bench").expect("bench is a subcommand");
        let nothing = bench.clone().get_matches_from(["bench"]);
        let settings = BenchSettings::from_arg_matches(&nothing).expect("nothing is required");
        let mut count = 0;
        for arg in bench.get_arguments() {
            for other in bench.get_arg_conflicts_with(arg) {
                let (one, other) = (arg.get_long().expect("a flag"), other.get_long());
                let other = other.expect("a flag");
                assert!(rivals(one, &settings).contains(&other), "--{one}, {other} in the file");
                assert!(rivals(other, &settings).contains(&one), "--{other}, {one} in the file");
                count += 1;
            }
        }
        assert!(count >= 4, "{count} conflicts");
    }
}
