//! `prony.toml`: what a server of Prony's is to do, in one file that is checked whole.
//!
//! Everything that is wrong is told at once, each with its line: keys nobody knows with the nearest
//! that is known, values of the wrong form, files that cannot be read, and settings that contradict
//! each other. No value is repeated where it may hold a secret. [`reader`] reads tables and gathers
//! what is wrong; [`server`], [`target`] and [`scenario`] are what the tables mean; [`key`] makes
//! keys for it.

mod reader;

mod key;
mod scenario;
mod server;
mod target;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use toml::de::DeTable;

use self::reader::{Faults, Table};
use self::scenario::ScenarioSettings;
use self::server::ServerSettings;
use self::target::TargetSettings;
use crate::failure::{Exit, UserError};
use crate::{Outcome, output};

/// Jobs about the configuration file.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file, and tell what it asks for
    Check {
        /// The file, such as prony.toml
        file: PathBuf,
    },
    /// Make a key for the server: it is printed once, and the file keeps only its digest
    Key(key::KeySettings),
}

/// Does one of them.
pub(crate) fn main(command: &ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Check { file } => {
            let settings = Settings::read(file)?;
            output::data(settings.told().as_bytes())?;
            Ok(Exit::Success)
        }
        ConfigCommand::Key(settings) => key::main(settings),
    }
}

/// What the file asks for.
#[derive(Debug)]
pub(crate) struct Settings {
    server: ServerSettings,
    targets: Vec<TargetSettings>,
    scenarios: Vec<ScenarioSettings>,
}

impl Settings {
    /// Reads the file at `path` and what it refers to: files beside it, and the environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, UserError> {
        #[expect(clippy::disallowed_methods, reason = "app is the crate that reads settings")]
        let text = std::fs::read_to_string(path).map_err(|error| {
            UserError::new(Exit::File, format!("cannot read {}: {error}", path.display()))
                .hint("give the path of a prony.toml that this user may read")
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).map_err(|faults| faults.told(path, &text))
    }

    fn parse(text: &str, folder: &Path) -> Result<Self, Faults> {
        let faults = Faults::default();
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            for error in errors {
                // The error's own display shows the line, which may hold a secret.
                let at = error.span().map_or(0, |span| span.start);
                faults.add(at, "", format!("is not TOML: {}", error.message()), None);
            }
            return Err(faults);
        }
        let mut root = Table::root(document.get_ref(), folder, &faults);
        let targets = root.tables("targets").into_iter().filter_map(TargetSettings::read).collect();
        let scenarios =
            root.tables("scenarios").into_iter().filter_map(ScenarioSettings::read).collect();
        let server = ServerSettings::read(&mut root);
        root.refuse_others();
        if faults.is_empty() { Ok(Self { server, targets, scenarios }) } else { Err(faults) }
    }

    /// What the file asks for, in a few lines.
    fn told(&self) -> String {
        let mut told = format!("server    {}\n", self.server);
        for target in &self.targets {
            let _ = writeln!(told, "target    {target}");
        }
        for scenario in &self.scenarios {
            let _ = writeln!(told, "scenario  {scenario}");
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn faults(text: &str) -> String {
        let path = Path::new("prony.toml");
        match Settings::parse(text, Path::new("/nowhere")) {
            Ok(settings) => format!("in order\n{}", settings.told()),
            Err(faults) => faults.told(path, text).to_string(),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        assert_snapshot!(faults(
            r#"
[server]
hots = "127.0.0.1"
port = 80800
queue = "many"
tls_key = "key.pem"

[keys.ci]
role = "oprator"
sha256 = "abc"

[targets.gpt]
url = "api.openai.com"
modle = "gpt-4o"
key_env = "sk-secret"
timeout = 30

[targets.local]
engine = "m.gguf"
url = "http://127.0.0.1:1"
model = "x"

[targets."a, b"]

[targets.cpu]
engine = "m.gguf"
batching = "static"
batch_delay = "5ms"
retries = 3

[scenarios.short_queries]
dataset = "x.jsonl"

[scenarios.exact]
input_len = "N(512"

[scenarios.none]
description = "nothing"

[alarms]
"#
        ), @"");
    }

    #[test]
    fn what_is_no_toml_is_told_without_what_it_says() {
        let text = "[targets.gpt]\nurl = sk-secret\n[targets.gpt]\n";
        assert_snapshot!(faults(text), @"");
    }

    #[test]
    fn other_machines_need_keys() {
        assert_snapshot!(faults("server.host = \"0.0.0.0\"\n"), @"");
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "server.host = \"0.0.0.0\"\n[keys.ci]\nrole = \"viewer\"\nsha256 = \"{digest}\"\n"
        );
        assert_snapshot!(faults(&text), @"");
    }

    #[test]
    fn a_file_that_is_in_order_is_summed_up() {
        assert_snapshot!(faults(
            r#"
[server]
port = 9000

[targets.gpt]
url = "https://api.openai.com/v1"
model = "gpt-4o"
region = "us-east"
labels = { team = "search" }
timeout = "30s"
extra_body = { top_k = 20, stop = ["a"], nested = { on = true, off = 1.5 } }

[targets."claude.eu"]
url = "https://llm.example/anthropic"
endpoint = "messages"
provider = "anthropic"
model = "claude"
headers = { x-team = "search" }
http2 = true
retries = 2

[targets.local]
engine = "models/SmolLM2-135M.gguf"
batching = "dynamic"
batch_delay = "5ms"
threads = 2

[scenarios.exact]
description = "Long prompts"
input_len = "N(512,128)"
output_len = 64
tokenizer = "o200k"
"#
        ), @"");
        assert_snapshot!(faults(""), @"");
    }
}
