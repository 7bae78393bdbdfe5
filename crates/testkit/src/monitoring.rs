//! Prometheus and Alertmanager themselves, of Debian's packages, each on a free port of 127.0.0.1
//! and in a folder of its own that goes with it.
#![expect(clippy::disallowed_methods, reason = "both read their configuration from a file")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;
use tempfile::TempDir;

use crate::Program;
use crate::asset::debian;

/// One series that a query found, and its value now.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its labels, the metric's name among them where it has one.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// A Prometheus at work.
#[derive(Debug)]
pub struct Prometheus(Server);

impl Prometheus {
    /// Starts one with this configuration beside `files`, by name, with these features on.
    ///
    /// # Panics
    /// Where it is not installed, or does not take the configuration.
    #[must_use]
    pub fn start(config: &str, files: &[(&str, &str)], features: &[&str]) -> Self {
        let more = features.iter().map(|feature| format!("--enable-feature={feature}"));
        Self(Server::start("prometheus", config, files, "--storage.tsdb.path=data", more))
    }

    /// What `query` finds now; nothing while Prometheus is not ready.
    ///
    /// # Panics
    /// Where it is no query.
    #[must_use]
    pub fn query(&self, query: &str) -> Vec<Found> {
        let coded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let data = self.data(&format!("/api/v1/query?query={coded}"));
        data["result"].as_array().map(|found| found.iter().map(read).collect()).unwrap_or_default()
    }

    /// The alert rules as it evaluates them, each with its expression, its health and its alerts;
    /// none while Prometheus is not ready.
    #[must_use]
    pub fn rules(&self) -> Vec<Value> {
        let data = self.data("/api/v1/rules?type=alert");
        let groups = data["groups"].as_array().cloned().unwrap_or_default();
        let rules = groups.iter().filter_map(|group| group["rules"].as_array());
        rules.flatten().cloned().collect()
    }

    fn data(&self, path: &str) -> Value {
        let Some(answer) = self.0.get(path) else { return Value::Null };
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }
}

/// One of a query's results.
fn read(one: &Value) -> Found {
    let text = |value: &Value| value.as_str().expect("it is text").to_owned();
    let labels = one["metric"].as_object().expect("series have labels").iter();
    Found {
        labels: labels.map(|(name, value)| (name.clone(), text(value))).collect(),
        value: text(&one["value"][1]).parse().expect("a value is a number"),
    }
}

/// An Alertmanager at work.
#[derive(Debug)]
pub struct Alertmanager(Server);

impl Alertmanager {
    /// Starts one with this configuration.
    ///
    /// # Panics
    /// Where it is not installed, or does not take the configuration.
    #[must_use]
    pub fn start(config: &str) -> Self {
        let alone = ["--cluster.listen-address=".to_owned()];
        Self(Server::start("prometheus-alertmanager", config, &[], "--storage.path=data", alone))
    }

    /// Where it listens, as in `127.0.0.1:40123`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The alerts that it believes to fire.
    #[must_use]
    pub fn alerts(&self) -> Vec<Value> {
        let answer = self.0.get("/api/v2/alerts").unwrap_or_default();
        answer.as_array().cloned().unwrap_or_default()
    }
}

/// What both have in common.
#[derive(Debug)]
struct Server {
    address: String,
    // Killed before its folder goes.
    _program: Program,
    _folder: TempDir,
}

impl Server {
    fn start(
        program: &str,
        config: &str,
        files: &[(&str, &str)],
        storage: &str,
        more: impl IntoIterator<Item = String>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        for (name, text) in files.iter().chain(&[("config.yml", config)]) {
            std::fs::write(folder.path().join(name), text).expect("there is room");
        }
        let mut arguments: Vec<String> =
            ["--config.file=config.yml", storage, "--web.listen-address=127.0.0.1:0"]
                .map(str::to_owned)
                .into();
        arguments.extend(more);
        let program = Program::start(&debian(program), &arguments, &[], folder.path());
        let line = program.line("\"Listening on\"");
        let (_, address) = line.rsplit_once("address=").expect("the line says where");
        Self { address: address.to_owned(), _program: program, _folder: folder }
    }

    /// The JSON at `path`; `None` while the server is not ready.
    fn get(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        if head.contains(" 503 ") {
            return None;
        }
        Some(serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}")))
    }
}
