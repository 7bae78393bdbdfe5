//! The models that benchmarks may ask: servers, and model files in this process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use dialect::RequestOptions;
use domain::{Secret, WireFormat};
use provider::{BaseUrl, HttpVersion, Retries, Target, TargetError, Timeouts, Tls};

use super::beside::Beside;
use super::reader::Table;
use crate::engine_source::{self, BatchingKind, EmbeddedSettings};
use crate::value::Span;
use crate::{hosted, output};

/// `[targets.NAME]`
#[derive(Debug)]
pub(super) struct TargetSettings {
    pub(super) name: String,
    pub(super) provider: String,
    /// What requests call the model.
    pub(super) model: String,
    pub(super) region: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) means: Means,
    /// What is looked at beside it.
    pub(super) beside: Beside,
}

/// How it is reached.
#[derive(Clone, Debug)]
pub(super) enum Means {
    Remote(Box<Target>),
    Embedded { file: String, settings: Box<EmbeddedSettings> },
}

impl TargetSettings {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let is_awkward = |letter: char| letter.is_whitespace() || letter == ',';
        if table.name.is_empty() || table.name.contains(is_awkward) {
            let hint = "give it one without spaces and commas";
            table.refuse("", "has a name that lists cannot have", hint);
        }
        let means = match (table.has("url"), table.has("engine")) {
            (true, false) => remote(&mut table).map(|target| Means::Remote(Box::new(target))),
            (false, true) => embedded(&mut table),
            (true, true) => {
                table.refuse("engine", "stands beside `url`", "leave one of the two out");
                return None;
            }
            (false, false) => {
                let hint = "name a server, or a model file with `engine`";
                table.refuse("url", "is missing", hint);
                return None;
            }
        };
        let provider = table.text("provider");
        let model = table.text("model");
        let region = table.text("region");
        let labels = table.texts("labels");
        let name = table.name.clone();
        let (known, named) = match &means {
            Some(Means::Remote(target)) => {
                let host = &target.url.host;
                (hosted::label(host), None)
            }
            Some(Means::Embedded { file, .. }) => {
                ("engine".to_owned(), Some(engine_source::name_of(file)))
            }
            None => (String::new(), None),
        };
        let beside = match &means {
            Some(Means::Remote(target)) => Beside::read(&mut table, Some(target)),
            None if table.has("url") => Beside::read(&mut table, None),
            // It is a part of this process.
            Some(Means::Embedded { .. }) | None => Beside::default(),
        };
        let model = model.or(named);
        if table.has("url") && !table.has("model") {
            table.refuse("model", "is missing", "give the name that requests ask for");
        }
        table.refuse_others();
        let provider = provider.unwrap_or(known);
        Some(Self { name, provider, model: model?, region, labels, means: means?, beside })
    }
}

fn remote(table: &mut Table<'_>) -> Option<Target> {
    let url = table.text("url");
    let formats = [
        ("chat", WireFormat::OpenAiChat),
        ("completions", WireFormat::OpenAiCompletions),
        ("messages", WireFormat::AnthropicMessages),
    ];
    let format = table.choice("endpoint", &formats);
    let key = key(table);
    let headers = table.texts("headers");
    let extra_body = table.json("extra_body");
    let http2 = table.switch("http2").unwrap_or(false);
    let streams_max = table.number("streams_max", 1..=1_000_000);
    if streams_max.is_some() && !http2 {
        table.refuse("streams_max", "is about HTTP/2", "add `http2 = true`, or leave it out");
    }
    let tls = Tls {
        authorities_pem: table.file("ca_file"),
        insecure: table.switch("insecure").unwrap_or(false),
    };
    let timeouts = timeouts(table);
    let retries = Retries { most: table.number("retries", 0..=100).unwrap_or(0) };
    let url = url?;
    let base = match BaseUrl::parse(&url) {
        Ok(base) => base,
        Err(error) => {
            table.refuse("url", unusable(error), "write it like http://127.0.0.1:8000");
            return None;
        }
    };
    if !base.secure && (tls.insecure || tls.authorities_pem.is_some()) {
        let hint = "leave `ca_file` and `insecure` out, or write https://";
        table.refuse("url", "goes without TLS, and there are settings about it", hint);
    }
    let mut target = plain(base, format.unwrap_or_else(|| provider::probe::likely_format(&url)));
    target.options.extra_body = extra_body;
    target.key = key;
    target.headers = headers.into_iter().collect();
    target.http = if http2 { HttpVersion::Http2 } else { HttpVersion::Http1 };
    target.streams_max = streams_max.unwrap_or(target.streams_max);
    target.tls = tls;
    target.timeouts = timeouts;
    target.retries = retries;
    if let Err(error) = target.check() {
        table.refuse("headers", format!("cannot be sent: {error}"), "");
    }
    Some(target)
}

/// What is wrong with a URL. It may hold credentials, so it is not repeated.
pub(super) fn unusable(error: TargetError) -> String {
    let reason = match error {
        TargetError::Url { reason, .. } => reason,
        TargetError::Header { .. } | TargetError::Certificate(_) => error.to_string(),
    };
    format!("cannot be used: {reason}")
}

/// A server of which no more is known than where it is and how it is spoken to.
pub(super) fn plain(base: BaseUrl, format: WireFormat) -> Target {
    let limit_field = hosted::limit_field(&base.host);
    let mut target = Target::new(base, format);
    target.options =
        RequestOptions { include_usage: true, limit_field, ..RequestOptions::default() };
    target
}

/// The key, by the variable or the file that holds it: the configuration itself holds none.
fn key(table: &mut Table<'_>) -> Option<Secret> {
    let (variable, file) = (table.text("key_env"), table.file("key_file"));
    if variable.is_some() && table.has("key_file") {
        table.refuse("key_file", "stands beside `key_env`", "leave one of the two out");
    }
    if let Some(variable) = variable {
        let key = output::environment(&variable);
        if key.is_none() {
            // Somebody may have put the key in place of the variable's name.
            let hint = "give the name of a variable of the environment, and set it";
            table.refuse("key_env", "names a variable that is not set", hint);
        }
        return key.map(Secret::new);
    }
    let bytes = file?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() {
        table.refuse("key_file", "names a file without a key on its first line", "");
        return None;
    }
    Some(Secret::new(line))
}

fn timeouts(table: &mut Table<'_>) -> Timeouts {
    let base = Timeouts::default();
    let mut time = |key| table.parsed(key).map(|Span(time)| time);
    Timeouts {
        connect: time("connect_timeout").unwrap_or(base.connect),
        first_token: time("first_token_timeout"),
        total: time("timeout").or(base.total),
        ..base
    }
}

fn embedded(table: &mut Table<'_>) -> Option<Means> {
    let text = table.text("engine")?;
    // A path counts from the file's folder; a name of the hub from nowhere.
    let file = match text.strip_prefix("hf:") {
        Some(_) => text,
        None => table.path("engine").map_or(text, |path: PathBuf| path.display().to_string()),
    };
    const ANY: std::ops::RangeInclusive<u32> = 1..=u32::MAX;
    let kinds = [
        ("continuous", BatchingKind::Continuous),
        ("dynamic", BatchingKind::Dynamic),
        ("static", BatchingKind::Static),
    ];
    let settings = EmbeddedSettings {
        llama_dir: table.path("llama_dir"),
        context: table.number("context", ANY),
        context_per_request: table.number("context_per_request", ANY),
        batch_size: table.number("batch_size", ANY),
        batching: table.choice("batching", &kinds),
        batch_delay: table.parsed("batch_delay"),
        prefill_chunk: table.number("prefill_chunk", ANY),
        queue: table.number("queue", ANY).map(|queue| queue as usize),
        threads: table.number("threads", 1..=512),
        gpu_layers: table.number("gpu_layers", 0..=u32::MAX),
    };
    if settings.batch_delay.is_some() && settings.batching != Some(BatchingKind::Dynamic) {
        let hint = "add `batching = \"dynamic\"`, or leave it out";
        table.refuse("batch_delay", "is about dynamic batches", hint);
    }
    Some(Means::Embedded { file, settings: Box::new(settings) })
}

impl fmt::Display for TargetSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} by {}", self.name, self.model, self.provider)?;
        if let Some(region) = &self.region {
            write!(f, " in {region}")?;
        }
        match &self.means {
            Means::Remote(target) => {
                write!(f, ", {}{}", target.url, dialect::path(target.format))?;
                let key = if target.key.is_some() { "a key" } else { "no key" };
                write!(f, ", {key}")?;
            }
            Means::Embedded { file, settings } => {
                write!(f, ", {file}, {} at once", settings.config().batching.size_max())?;
            }
        }
        for (name, value) in &self.labels {
            write!(f, ", {name}={value}")?;
        }
        match self.beside.servers() {
            0 => {}
            1 => f.write_str(", with metrics")?,
            servers => write!(f, ", with metrics of {servers} servers")?,
        }
        if self.beside.pid_file.is_some() {
            f.write_str(", its process is watched")?;
        }
        Ok(())
    }
}
