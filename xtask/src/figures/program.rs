//! A program that listens, such as `prony sim`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program, ended when dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) port: u16,
    /// Held open, so that it may speak to its end.
    _spoken: BufReader<ChildStderr>,
}

impl Program {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(mut command: Command) -> anyhow::Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut spoken =
            BufReader::new(child.stderr.take().context("its standard error is a pipe")?);
        let mut line = String::new();
        spoken.read_line(&mut line)?;
        let mut program = Self { child, port: 0, _spoken: spoken };
        let (_, port) = line
            .split_once("http://127.0.0.1:")
            .with_context(|| format!("{command:?} did not listen but said: {line}"))?;
        program.port = port.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?;
        Ok(program)
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it end by itself, with its files written.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), Signal::SIGINT)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Awaited already where it was stopped; then both fail, and nothing is left to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
