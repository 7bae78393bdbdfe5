//! `prony.toml`: what a server of Prony's is to do, in one file that is checked whole.
//!
//! Everything that is wrong is told at once, each with its line: keys nobody knows with the nearest
//! that is known, values of the wrong form, files that cannot be read, and settings that contradict
//! each other. No value is repeated where it may hold a secret. [`reader`] reads tables and gathers
//! what is wrong; [`server`], [`store`], [`target`], [`scenario`], [`schedule`], [`alerts`] and
//! [`receiver`] are what the tables mean, as are [`beside`] and [`otlp`]; [`catalogue`] is what
//! benchmarks may name, and [`ad_hoc`] makes what they may describe, but for what is [`reserved`];
//! [`key`] makes keys for the server.

mod reader;

mod alerts;
mod ad_hoc;
mod beside;
mod catalogue;
mod key;
mod otlp;
mod receiver;
mod reserved;
mod scenario;
mod schedule;
mod server;
mod store;
mod target;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use alert::Rule;
use clap::Subcommand;
use control::Scenario;
use toml::de::DeTable;

pub(crate) use self::alerts::{AlertSettings, usual_rules};
pub(crate) use self::beside::Beside;
pub(crate) use self::otlp::OtlpSettings;
use self::reader::{Faults, Table};
use self::schedule::Names;
pub(crate) use self::schedule::ScheduleSettings;
pub(crate) use self::server::ServerSettings;
pub(crate) use self::store::{Age, CONTENT_KEPT, ContentSettings, StoreSettings};
use self::target::TargetSettings;
use crate::failure::{Exit, UserError};
use crate::{Outcome, output};

/// Jobs about the configuration file.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check a configuration file, and tell what it asks for
    Check {
        /// The file
        #[arg(default_value = "prony.toml")]
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
            let told = format!("file      {}, in order\n{}", file.display(), settings.told());
            output::data(told.as_bytes())?;
            Ok(Exit::Success)
        }
        ConfigCommand::Key(settings) => key::main(settings),
    }
}

/// What the file asks for.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where the server listens, and to whom it answers.
    pub(crate) server: ServerSettings,
    /// Where records are kept.
    pub(crate) store: StoreSettings,
    targets: Vec<TargetSettings>,
    scenarios: Vec<Scenario>,
    /// What targets are asked again and again.
    pub(crate) schedules: Vec<ScheduleSettings>,
    /// What is watched, and who is told.
    pub(crate) alerts: AlertSettings,
    /// Where metrics are pushed to, if anywhere.
    pub(crate) otlp: Option<OtlpSettings>,
}

impl Settings {
    /// Reads the file at `path` and what it refers to: files beside it, and the environment.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, UserError> {
        let text = text_of(path)?;
        parse(&text, folder_of(path), Self::of).map_err(|faults| faults.told(path, &text))
    }

    /// Reads of the file at `path` the alert rules alone, which need neither secrets nor other files.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn alert_rules(path: &Path) -> Result<Vec<Rule>, UserError> {
        let text = text_of(path)?;
        let rules = |mut root: Table<'_>| alerts::rules(&mut root);
        parse(&text, folder_of(path), rules).map_err(|faults| faults.told(path, &text))
    }

    /// Reads of the file at `path` where the store lies.
    ///
    /// # Errors
    /// Everything that is wrong with the table `[store]`.
    pub(crate) fn store_folder(path: &Path) -> Result<PathBuf, UserError> {
        let text = text_of(path)?;
        let store = |mut root: Table<'_>| StoreSettings::read(&mut root).path;
        parse(&text, folder_of(path), store).map_err(|faults| faults.told(path, &text))
    }

    fn of(mut root: Table<'_>) -> Self {
        let (targets, scenarios) = (root.tables("targets"), root.tables("scenarios"));
        let names = Names::of(&targets, &scenarios);
        let targets: Vec<_> = targets.into_iter().filter_map(TargetSettings::read).collect();
        let scenarios: Vec<_> = scenarios.into_iter().filter_map(scenario::read).collect();
        let names = names.knowing(&targets, &scenarios);
        let schedule = |table| ScheduleSettings::read(table, &names);
        let schedules = root.tables("schedules").into_iter().filter_map(schedule).collect();
        let alerts = AlertSettings::read(&mut root);
        let store = StoreSettings::read(&mut root);
        let server = ServerSettings::read(&mut root);
        let otlp = OtlpSettings::read(&mut root);
        root.refuse_others();
        Self { server, store, targets, scenarios, schedules, alerts, otlp }
    }

    /// What is looked at beside each target that says so.
    pub(crate) fn beside(&self) -> BTreeMap<String, Beside> {
        let targets = self.targets.iter().filter(|target| !target.beside.is_empty());
        targets.map(|target| (target.name.clone(), target.beside.clone())).collect()
    }

    /// What the file asks for, in a few lines.
    fn told(&self) -> String {
        let mut told = format!("server    {}\n", self.server);
        if self.server.is_in_the_clear() {
            told.push_str(
                "warning   keys travel in the clear: give `server.tls_certificate` and \
                 `server.tls_key`, or put a proxy with TLS before it\n",
            );
        }
        let _ = writeln!(told, "store     {}", self.store);
        for target in &self.targets {
            let _ = writeln!(told, "target    {target}");
        }
        for scenario in &self.scenarios {
            let _ = writeln!(told, "scenario  {}", scenario::told(scenario));
        }
        for schedule in &self.schedules {
            let _ = writeln!(told, "schedule  {schedule}");
        }
        let _ = writeln!(told, "alerts    {}", self.alerts);
        for receiver in &self.alerts.receivers {
            let _ = writeln!(told, "receiver  {}", receiver::told(receiver));
        }
        if let Some(otlp) = &self.otlp {
            let _ = writeln!(told, "metrics   {otlp}");
        }
        told
    }
}

fn text_of(path: &Path) -> Result<String, UserError> {
    #[expect(clippy::disallowed_methods, reason = "app is the crate that reads settings")]
    std::fs::read_to_string(path).map_err(|error| {
        UserError::new(Exit::File, format!("cannot read {}: {error}", path.display()))
            .hint("give the path of a prony.toml that this user may read")
    })
}

/// The folder that paths in the file at `path` count from.
fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// What `read` makes of the whole file, if nothing is wrong with it.
fn parse<T>(text: &str, folder: &Path, read: impl FnOnce(Table<'_>) -> T) -> Result<T, Faults> {
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
    let settings = read(Table::root(document.get_ref(), folder, &faults));
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    /// What is said of a file: what is wrong with it, or what it asks for.
    pub(super) fn faults(text: &str) -> String {
        let path = Path::new("prony.toml");
        match parse(text, Path::new("/nowhere"), Settings::of) {
            Ok(settings) => format!("in order\n{}", settings.told()),
            Err(faults) => faults.told(path, text).to_string(),
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_line() {
        let text = r#"
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
metrics_url = ["https://x/metrics", "nowhere"]

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
metrics_url = "http://127.0.0.1:1/metrics"

[scenarios.short_queries]
dataset = "x.jsonl"

[scenarios.exact]
input_len = "N(512"

[scenarios.none]
description = "nothing"

[store]
path = "data"
retention = "30m"
keep = "1d"

[otlp]
endpoint = "https://collector"
conventions = "v1.40"
interval = "0s"
[otlp.headers]
authorization = { env = "PRONY_TEST_UNSET" }
x-plain = "secret"

[alarms]
"#;
        assert_snapshot!(faults(text), @r#"
        error: prony.toml cannot be used:
          line 3: `server.hots` is no setting
            help: the nearest is `host`
          line 4: `server.port` is no whole number from 0 to 65535
          line 5: `server.queue` is no whole number from 1 to 10000
          line 6: `server.tls_key` stands without `tls_certificate`
            help: TLS needs both
          line 6: `server.tls_key` names a file that cannot be read: No such file or directory (os error 2)
            help: give a path that counts from the configuration's own folder
          line 9: `keys.ci.role` is none of the words for it
            help: the nearest is `operator`; there are viewer, operator, admin
          line 10: `keys.ci.sha256` is no SHA-256 in hexadecimal digits
            help: make a key with `prony config key NAME --role operator`
          line 12: `targets.gpt.model` is missing
            help: give the name that requests ask for
          line 13: `targets.gpt.url` cannot be used: it must start with http:// or https://
            help: write it like http://127.0.0.1:8000
          line 14: `targets.gpt.modle` is no setting
            help: the nearest is `model`
          line 15: `targets.gpt.key_env` names a variable that is not set
            help: give the name of a variable of the environment, and set it
          line 16: `targets.gpt.timeout` cannot be used: `30` has no unit; write 30s or 30ms
          line 17: `targets.gpt.metrics_url` is read over plain HTTP alone
            help: write it like http://127.0.0.1:8000/metrics
          line 17: `targets.gpt.metrics_url` has no URL
            help: write it like http://127.0.0.1:8000/metrics
          line 20: `targets.local.engine` stands beside `url`
            help: leave one of the two out
          line 24: `targets."a, b"` has a name that lists cannot have
            help: give it one without spaces and commas
          line 24: `targets."a, b".url` is missing
            help: name a server, or a model file with `engine`
          line 29: `targets.cpu.batch_delay` is about dynamic batches
            help: add `batching = "dynamic"`, or leave it out
          line 30: `targets.cpu.retries` is no setting
            help: there are engine, llama_dir, context, context_per_request, batch_size, batching, batch_delay, prefill_chunk, queue, threads, gpu_layers, provider, model, region, labels
          line 31: `targets.cpu.metrics_url` is no setting
            help: there are engine, llama_dir, context, context_per_request, batch_size, batching, batch_delay, prefill_chunk, queue, threads, gpu_layers, provider, model, region, labels
          line 33: `scenarios.short_queries` is one of the named scenarios
            help: give yours another name
          line 34: `scenarios.short_queries.dataset` names a file that cannot be read: No such file or directory (os error 2)
            help: give a path that counts from the configuration's own folder
          line 37: `scenarios.exact.input_len` cannot be used: `N(512` is no length in tokens: two numbers in brackets are missing; write a number (512), a normal distribution (N(512,128) for mean and deviation, N(512,128)[64,2048] with bounds) or a uniform one (U(64,256))
          line 39: `scenarios.none.dataset` is missing
            help: name a file, or a length with `input_len`
          line 44: `store.retention` cannot be used: `30m` is no time to keep records; write it as in 12h, 30d or 2y
          line 45: `store.keep` is no setting
            help: there are path, retention, content, content_retention
          line 48: `otlp.endpoint` cannot be used: metrics are pushed over http alone; put an OpenTelemetry Collector in between
          line 49: `otlp.conventions` is none of the words for it
            help: the nearest is `v1.41`; there are v1.41, next
          line 50: `otlp.interval` has to be more than zero
          line 52: `otlp.headers.authorization` cannot be used: it names a variable of the environment that is not set
          line 53: `otlp.headers.x-plain` is no table
            help: write [headers.NAME]
          line 55: `alarms` is no setting
            help: the nearest is `alerts`
        "#);
    }

    #[test]
    fn what_is_no_toml_is_told_without_what_it_says() {
        let text = "[targets.gpt]\nurl = sk-secret\n[targets.gpt]\n";
        assert_snapshot!(faults(text), @r#"
        error: prony.toml cannot be used:
          line 2: is not TOML: string values must be quoted, expected literal string
          line 3: is not TOML: duplicate key
        "#);
    }

    #[test]
    fn other_machines_need_keys() {
        assert_snapshot!(faults("server.host = \"0.0.0.0\"\n"), @r#"
        error: prony.toml cannot be used:
          line 1: `server.host` lets other machines in, and there is no key
            help: make one with `prony config key NAME --role operator`, or listen on 127.0.0.1
        "#);
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text = format!(
            "server.host = \"0.0.0.0\"\nalerts.usual_rules = false\n[keys.ci]\nrole = \"viewer\"\n\
             sha256 = \"{digest}\"\n"
        );
        assert_snapshot!(faults(&text), @r#"
        in order
        server    http://0.0.0.0:8080, keys ci (viewer), up to 100 benchmarks wait
        warning   keys travel in the clear: give `server.tls_certificate` and `server.tls_key`, or put a proxy with TLS before it
        store     /nowhere/prony-data, records are kept for ever
        alerts    no rules
        "#);
    }

    #[test]
    fn a_file_that_is_in_order_is_summed_up() {
        let text = r#"
[server]
port = 9000
region = "eu-west"

[store]
path = "/var/lib/prony"
retention = "90d"

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

[targets.vllm]
url = "http://127.0.0.1:8000"
model = "m"
metrics_url = ["http://127.0.0.1:8000/metrics", "http://127.0.0.1:9400/metrics"]
pid_file = "vllm.pid"

[otlp]
endpoint = "http://127.0.0.1:4318"
conventions = "next"

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

[schedules.canary]
target = ["gpt", "local"]
every = "1m"

[alerts]
usual_rules = false
"#;
        assert_snapshot!(faults(text), @r#"
        in order
        server    http://127.0.0.1:9000 in eu-west, no keys, up to 100 benchmarks wait
        store     /var/lib/prony, records are kept for 90d
        target    gpt: gpt-4o by openai in us-east, https://api.openai.com/v1/chat/completions, no key, team=search
        target    claude.eu: claude by anthropic, https://llm.example/anthropic/v1/messages, no key
        target    vllm: m by 127.0.0.1, http://127.0.0.1:8000/v1/chat/completions, no key, with metrics of 2 servers, its process is watched
        target    local: SmolLM2-135M by engine, /nowhere/models/SmolLM2-135M.gguf, 32 at once
        scenario  exact: prompts of N(512,128) tokens by o200k_base – Long prompts
        schedule  canary: every 1m, gpt, local asked short_queries, requests 1, users 1, within 1m; objective 99.9%
        alerts    no rules
        metrics   to http://127.0.0.1:4318 every 10 s, by the names of next
        "#);
        assert_snapshot!(faults(""), @r#"
        in order
        server    http://127.0.0.1:8080, no keys, up to 100 benchmarks wait
        store     /nowhere/prony-data, records are kept for ever
        alerts    every 15s: HighLatency, SlowFirstToken, HighErrorRate, CostThresholdExceeded, NoTraffic, ErrorBudgetBurnsFast, ErrorBudgetBurns; nobody is told
        "#);
    }
}
