//! `prony`: one program that puts large language models under load and measures them truthfully.
//!
//! This crate is the only one that reads the command line, configuration files and the
//! environment. It checks them, wires the other crates together, and turns what comes back into
//! output and an exit code.

mod alerts;
mod bench;
mod cli;
mod config;
mod engine_source;
mod failure;
mod hosted;
mod limit;
mod machine;
mod output;
mod peer_flag;
mod process;
mod random;
mod serve;
mod serve_engine;
mod serve_sim;
mod settings_file;
mod signal;
mod status;
mod stored;
mod value;

use std::process::ExitCode;

use crate::cli::Command;
use crate::failure::{Exit, UserError};

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let result = match cli.command {
        Command::Bench(settings) => bench::main(*settings),
        Command::Engine(settings) => serve_engine::main(&settings),
        Command::Sim(settings) => serve_sim::main(&settings),
        Command::Serve(settings) => serve::main(&settings),
        Command::Runs { command } => stored::runs(&command),
        Command::Query(settings) => stored::query(&settings),
        Command::Export(settings) => stored::export(&settings),
        Command::Config { command } => settings_file::main(&command),
        Command::Alerts { command } => alerts::main(&command),
        Command::Completions { shell } => output::completions(shell, &mut cli::command()),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::talk(&error);
            error.exit.into()
        }
    }
}

type Outcome = Result<Exit, UserError>;
