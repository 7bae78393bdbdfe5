//! The command line: one subcommand a job.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::bench::settings::BenchSettings;
use crate::serve_engine::EngineSettings;
use crate::serve_sim::SimSettings;
use crate::settings_file::ConfigCommand;

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
    /// Check a configuration file, or make a key for it
    Config {
        /// The job
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
}

/// What the program is asked on its command line.
pub(crate) fn parse() -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches().map_err(discreet)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))
}

/// The grammar of the command line: that of [`Cli`], and for each setting of `bench` that is on or
/// off a flag that switches it back, whatever a configuration file says.
pub(crate) fn command() -> clap::Command {
    Cli::command().mut_subcommand("bench", |bench| {
        let is_switch = |arg: &&Arg| matches!(arg.get_action(), ArgAction::SetTrue);
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
    let is_stray = matches!(word, Some(ContextValue::String(word)) if !word.starts_with('-'));
    if error.kind() == ErrorKind::UnknownArgument && is_stray {
        error.insert(ContextKind::InvalidArg, hidden());
        let tip = "a value with spaces in it needs quotes".into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_of_a_bench_can_be_switched_back() {
        let command = command();
        let bench = command.find_subcommand("bench").expect("bench is a subcommand");
        let is_switch =
            |arg: &&Arg| matches!(arg.get_action(), ArgAction::SetTrue) && !arg.is_hide_set();
        let switches: Vec<String> = bench
            .get_arguments()
            .filter(is_switch)
            .filter_map(|arg| arg.get_long().map(str::to_owned))
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
