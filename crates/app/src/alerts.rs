//! `prony alerts`: the alert rules of a configuration, for whoever else evaluates them.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::failure::Exit;
use crate::settings_file::{Settings, usual_rules};
use crate::{Outcome, output};

/// The configuration where none is named.
const FILE_DEFAULT: &str = "prony.toml";

/// Jobs about alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertsCommand {
    /// Write the alert rules as a rule file of Prometheus'
    Export {
        /// The configuration that has them [default: prony.toml, or the usual rules where there is
        /// none]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Does one of them.
pub(crate) fn main(command: &AlertsCommand) -> Outcome {
    match command {
        AlertsCommand::Export { config } => {
            let here = Path::new(FILE_DEFAULT);
            let rules = match config.as_deref().or_else(|| here.is_file().then_some(here)) {
                Some(file) => Settings::alert_rules(file)?,
                None => {
                    output::talk(&format!("there is no {FILE_DEFAULT} here: the usual rules"));
                    usual_rules()
                }
            };
            output::data(alert::export::prometheus(&rules).as_bytes())?;
            Ok(Exit::Success)
        }
    }
}
