//! A server and a client as two processes, each on its own core.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::program::Program;
use crate::workspace;

/// Which cores the two run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cores {
    /// The client on the first, the server on the second.
    OneEach,
    /// Both on the first two, as the kernel places them.
    Shared,
}

impl Cores {
    pub(crate) const fn client(self) -> &'static str {
        match self {
            Self::OneEach => "0",
            Self::Shared => "0,1",
        }
    }

    pub(crate) const fn server(self) -> &'static str {
        match self {
            Self::OneEach => "1",
            Self::Shared => "0,1",
        }
    }
}

/// What is to run.
pub(crate) struct Pair<'a> {
    /// Where the client's `summary.json` and `requests.jsonl`, and the server's `sim.jsonl` go.
    pub(crate) folder: PathBuf,
    pub(crate) cores: Cores,
    /// Settings of `prony sim`.
    pub(crate) sim: &'a [&'a str],
    /// Settings of `prony bench`.
    pub(crate) bench: &'a [&'a str],
    /// Whether the client keeps a store, in the same folder.
    pub(crate) has_store: bool,
}

impl Pair<'_> {
    /// Runs both to their end; `beside` is given the server's port once the client is done. Returns
    /// the client's processor time from its start to its end, the kernel's share included.
    pub(crate) fn run(
        &self,
        beside: impl FnOnce(u16) -> anyhow::Result<()>,
    ) -> anyhow::Result<Duration> {
        println!("{}", self.folder.file_name().unwrap_or_default().display());
        std::fs::create_dir_all(&self.folder)?;
        let mut sim = pinned(self.cores.server(), &["sim", "--port", "0", "--log"]);
        sim.arg(self.folder.join("sim.jsonl")).args(self.sim);
        let server = Program::start(sim)?;
        let url = format!("http://127.0.0.1:{}", server.port);
        let mut bench = pinned(self.cores.client(), &["bench", "--quiet", "--url", &url]);
        bench
            .args(["--model", "sim", "--endpoint-type", "chat", "--max-tokens", "32"])
            .args(["--scenario", "short_queries", "--no-progress", "--output-dir"])
            .arg(&self.folder)
            .args(self.bench)
            .args(if self.has_store { &["--store"][..] } else { &["--no-store"] })
            .args(self.has_store.then(|| self.folder.join("store")))
            .stdout(Stdio::null());
        let before = children_cpu()?;
        let status = bench.status().with_context(|| format!("cannot run {bench:?}"))?;
        let cpu = children_cpu()?.saturating_sub(before);
        if !status.success() {
            bail!("the client failed ({status}): {bench:?}");
        }
        beside(server.port)?;
        server.stop()?;
        Ok(cpu)
    }
}

/// Processor time of all children that were awaited so far.
pub(crate) fn children_cpu() -> anyhow::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// A command held to some cores.
pub(crate) fn on_cores(cores: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(program);
    command
}

/// `prony`, held to some cores.
pub(crate) fn pinned(cores: &str, arguments: &[&str]) -> Command {
    let mut command = on_cores(cores, program());
    command.args(arguments);
    command
}

/// The release build, which `make bench` has made.
fn program() -> PathBuf {
    workspace::target().join("release/prony")
}
