//! A server and a client as two processes, each on its own core.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike as _;
use nix::unistd::Pid;

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
    const fn client(self) -> &'static str {
        match self {
            Self::OneEach => "0",
            Self::Shared => "0,1",
        }
    }

    const fn server(self) -> &'static str {
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
        let server = Server::start(self)?;
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

fn pinned(cores: &str, arguments: &[&str]) -> Command {
    let mut command = on_cores(cores, program());
    command.args(arguments);
    command
}

/// The release build, which `make bench` has made.
fn program() -> PathBuf {
    workspace::target().join("release/prony")
}

/// `prony sim`, ended when dropped.
struct Server {
    child: Child,
    port: u16,
    /// Held open, so that it may speak to its end.
    _spoken: BufReader<ChildStderr>,
}

impl Server {
    fn start(pair: &Pair<'_>) -> anyhow::Result<Self> {
        let log: &Path = &pair.folder.join("sim.jsonl");
        let mut command = pinned(pair.cores.server(), &["sim", "--port", "0", "--log"]);
        command.arg(log).args(pair.sim).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut spoken =
            BufReader::new(child.stderr.take().context("its standard error is a pipe")?);
        let mut line = String::new();
        spoken.read_line(&mut line)?;
        let mut server = Self { child, port: 0, _spoken: spoken };
        let (_, port) = line
            .split_once("http://127.0.0.1:")
            .with_context(|| format!("{command:?} did not listen but said: {line}"))?;
        server.port = port.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?;
        Ok(server)
    }

    /// Lets it write its log to the end.
    fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Awaited already where it was stopped; then both fail, and nothing is left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
