//! The command line: one subcommand a job.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::alerts::AlertsCommand;
use crate::bench::settings::BenchSettings;
use crate::peer_flag;
use crate::serve::ServeSettings;
use crate::serve_engine::EngineSettings;
use crate::serve_sim::SimSettings;
use crate::settings_file::ConfigCommand;
use crate::stored::{ExportSettings, QuerySettings, RunsCommand};

/// Puts large language models under load and measures them truthfully.
#[derive(Debug, Parser)]
#[command(name = "prony", version, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load-test a model: a remote endpoint, or a model file in the embedded engine
    Bench(Box<BenchSettings>),
    /// Serve a model file over an OpenAI- and Anthropic-compatible API
    Engine(EngineSettings),
    /// Serve a simulated model with a known timetable and faults
    Sim(SimSettings),
    /// Run benchmarks on request, keep and show what they measure, and watch it
    Serve(ServeSettings),
    /// List, show or delete the runs that are kept
    Runs {
        /// The job
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// Ask the store in SQL
    Query(QuerySettings),
    /// Write a run's records to a file
    Export(ExportSettings),
    /// Check a configuration file, or make a key for it
    Config {
        /// The job
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Write the alert rules for Prometheus
    Alerts {
        /// The job
        #[command(subcommand)]
        command: AlertsCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
}

/// What the program is asked on its command line.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let arguments = arguments();
    let is_bench = arguments.get(1).is_some_and(|word| word == "bench");
    let matches = command().try_get_matches_from(arguments).map_err(|error| {
        let error = discreet(error);
        if is_bench { with_counterpart(error) } else { error }
    })?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))
}

/// The words of the command line.
pub(crate) fn arguments() -> Vec<OsString> {
    with_negative_values(std::env::args_os())
}

/// The words with each number below zero tied to the flag before it: no flag begins with a digit, and
/// what is wrong with `--request-rate -5/s` is the rate.
fn with_negative_values(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut tied: Vec<OsString> = Vec::new();
    for word in words {
        let is_negative = word
            .to_str()
            .and_then(|word| word.strip_prefix('-'))
            .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
        let is_flag = |before: &&mut OsString| {
            before.to_str().is_some_and(|word| word.starts_with("--") && !word.contains('='))
        };
        match tied.last_mut().filter(is_flag) {
            Some(flag) if is_negative && flag != "--" => {
                flag.push("=");
                flag.push(word);
            }
            Some(_) | None => tied.push(word),
        }
    }
    tied
}

/// The grammar of the command line: that of [`Cli`], and for each setting of `bench` that is on or
/// off a flag that switches it back, whatever a configuration file says.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommand("bench", |bench| {
        // `--no-store` has `--store DIR`.
        let is_switch = |arg: &&Arg| {
            matches!(arg.get_action(), ArgAction::SetTrue) && arg.get_id() != "no_store"
        };
        let back = |arg: &Arg| {
            let name = opposite(arg.get_long()?);
            let switch = Arg::new(name.clone()).long(name).action(ArgAction::SetTrue);
            Some(switch.hide(true).overrides_with(arg.get_id()))
        };
        let opposites: Vec<Arg> =
            bench.get_arguments().filter(is_switch).filter_map(back).collect();
        bench.args(opposites)
    })
}

/// The flag that says the opposite of `flag`: `no-http2` of `http2`, `stream` of `no-stream`.
pub(crate) fn opposite(flag: &str) -> String {
    match flag.strip_prefix("no-") {
        Some(positive) => positive.to_owned(),
        None => format!("no-{flag}"),
    }
}

/// Leaves out of an error the word that belongs to no flag, or to one that takes none: behind a
/// header without quotes it is the key.
fn discreet(mut error: clap::Error) -> clap::Error {
    let hidden = || ContextValue::String("[not shown]".to_owned());
    if error.kind() == ErrorKind::TooManyValues {
        error.insert(ContextKind::InvalidValue, hidden());
    }
    let word = error.get(ContextKind::InvalidArg);
    let stray = match word {
        Some(ContextValue::String(word)) if !word.starts_with('-') => Some(word),
        Some(_) | None => None,
    };
    if let (ErrorKind::UnknownArgument, Some(word)) = (error.kind(), stray) {
        let is_url = word.starts_with("http://") || word.starts_with("https://");
        let tip = if is_url {
            "a server is named with --url"
        } else {
            "a value with spaces in it needs quotes"
        };
        error.insert(ContextKind::InvalidArg, hidden());
        let tip = tip.into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// Says of a flag that another tool has what is its like here, where clap names what is spelled
/// alike.
fn with_counterpart(mut error: clap::Error) -> clap::Error {
    let tip = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => {
            peer_flag::counterpart(flag)
        }
        _ => None,
    };
    if let Some(tip) = tip {
        error.remove(ContextKind::SuggestedArg);
        // It would show the flag that is spelled alike.
        error.remove(ContextKind::Usage);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line as a shell takes them apart, up to a pipe, a `&` or a remark.
    fn shell_words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (place, part) in line.split('\'').enumerate() {
            for (index, word) in part.split(' ').enumerate() {
                let is_quoted = place % 2 == 1;
                match words.last_mut() {
                    Some(last) if is_quoted && index > 0 => *last += &format!(" {word}"),
                    Some(last) if index == 0 => *last += word,
                    Some(_) | None => words.push(word.to_owned()),
                }
            }
        }
        let is_end = |word: &String| ["|", "&", "#"].contains(&&**word);
        words.into_iter().filter(|word| !word.is_empty()).take_while(|word| !is_end(word)).collect()
    }

    #[test]
    fn every_example_is_a_legal_command_line() {
        let command = command();
        let helps = command.get_subcommands().filter_map(|subcommand| subcommand.get_after_help());
        let mut text = include_str!("../../../README.md").replace("$ prony ", "  prony ");
        helps.for_each(|help| text += &format!("{help}\n"));
        let mut count = 0;
        for line in text.lines().filter_map(|line| line.strip_prefix("  prony ")) {
            let words = shell_words(&format!("prony {line}"));
            let parsed = command.clone().try_get_matches_from(words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.expect_err("it is no success"));
            count += 1;
        }
        assert!(count >= 20, "{count} examples");
    }

    /// A flag that has a counterpart is none of ours, and what is named in its stead exists.
    #[test]
    fn flags_of_other_tools_have_counterparts_here() {
        let command = command();
        let bench = command.find_subcommand("bench").expect("bench is a subcommand");
        let told = |line: &str| {
            let error = command.clone().try_get_matches_from(line.split(' ')).expect_err(line);
            with_counterpart(error).to_string()
        };
        for flag in include_str!("peer_flag.rs").split('"').filter(|text| text.starts_with('-')) {
            let text = told(&format!("prony bench {flag}"));
            let tip = peer_flag::counterpart(flag).expect(flag);
            assert!(text.contains(&format!("unexpected argument '{flag}'")), "{text}");
            assert!(text.contains(tip) && !text.contains("similar"), "{text}");
            for named in tip.split([' ', ',']).filter_map(|word| word.strip_prefix("--")) {
                let is_named = |arg: &Arg| arg.get_long() == Some(named);
                assert!(bench.get_arguments().any(is_named), "{flag}: there is no --{named}");
            }
        }
        assert!(told("prony bench --num-promts 3").contains("'--num-prompts'"));
    }

    #[test]
    fn a_number_below_zero_is_the_value_of_the_flag_before_it() {
        for (line, want) in [
            ("prony bench --request-rate -5/s", "prony bench --request-rate=-5/s"),
            ("prony bench --seed -1 --http2", "prony bench --seed=-1 --http2"),
            ("prony bench --seed=1 -5", "prony bench --seed=1 -5"),
            ("prony bench -h", "prony bench -h"),
            ("prony bench --stop -x", "prony bench --stop -x"),
            ("prony bench -- -5", "prony bench -- -5"),
            ("prony -5", "prony -5"),
        ] {
            let words = with_negative_values(line.split(' ').map(OsString::from));
            assert_eq!(words, want.split(' ').map(OsString::from).collect::<Vec<_>>(), "{line}");
        }
    }

    #[test]
    fn every_switch_of_a_bench_can_be_switched_back() {
        let command = command();
        let bench = command.find_subcommand("bench").expect("bench is a subcommand");
        let is_switch =
            |arg: &&Arg| matches!(arg.get_action(), ArgAction::SetTrue) && !arg.is_hide_set();
        let has_opposite = |name: &String| name != "no-store";
        let switches: Vec<String> = bench
            .get_arguments()
            .filter(is_switch)
            .filter_map(|arg| arg.get_long().map(str::to_owned))
            .filter(has_opposite)
            .collect();
        assert!(switches.len() >= 6, "{switches:?}");
        let is_on = |name: &str, flags: &[String]| {
            let words = ["prony", "bench", "--output-dir", "out"].map(str::to_owned);
            let matches = command.clone().get_matches_from(words.iter().chain(flags));
            let (_, bench) = matches.subcommand().expect("bench is asked for");
            bench.get_flag(&name.replace('-', "_"))
        };
        for name in &switches {
            let (on, off) = (format!("--{name}"), format!("--{}", opposite(name)));
            assert!(is_on(name, std::slice::from_ref(&on)));
            assert!(!is_on(name, &[on.clone(), off.clone()]), "{off}");
            assert!(is_on(name, &[off, on]), "the last one counts: {name}");
        }
    }
}
