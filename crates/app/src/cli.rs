//! The command line: one subcommand a job.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::bench::settings::BenchSettings;
use crate::serve_engine::EngineSettings;
use crate::serve_sim::SimSettings;

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
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: Shell,
    },
}
