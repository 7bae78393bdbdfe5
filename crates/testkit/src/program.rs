//! A program at work: started in a clean environment, watched, signalled, and written down.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::Transcript;
use crate::transcript::{clean_command, spoken};

/// Longer than anything takes that works, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to rest between two looks at a condition.
const GLANCE: Duration = Duration::from_millis(10);

/// Looks again and again until `condition` holds, for what happens in another process.
///
/// # Panics
/// Where it does not come to hold within two minutes.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / GLANCE.as_millis() {
        if condition() {
            return;
        }
        std::thread::sleep(GLANCE);
    }
    panic!("waited in vain: {what}");
}

/// Looks again and again until nothing is left of what `remaining` lists.
///
/// # Panics
/// Where something is left after two minutes, which it names.
pub fn until_none<T: std::fmt::Debug>(what: &str, mut remaining: impl FnMut() -> Vec<T>) {
    let mut left = Vec::new();
    for _ in 0..PATIENCE.as_millis() / GLANCE.as_millis() {
        left = remaining();
        if left.is_empty() {
            return;
        }
        std::thread::sleep(GLANCE);
    }
    panic!("waited in vain: {what}: {left:#?}");
}

/// What a program has written to one of its streams so far.
#[derive(Debug, Default)]
struct Voice {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    text: String,
    is_over: bool,
}

impl Voice {
    /// Takes in `stream` to its end, on a thread of its own.
    fn hear(stream: impl Read + Send + 'static) -> Arc<Self> {
        let voice = Arc::new(Self::default());
        let heard = Arc::clone(&voice);
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            // Bytes that are no text end it; what came before is enough to see why.
            while matches!(stream.read_line(&mut line), Ok(1..)) {
                heard.lock().text.push_str(&line);
                heard.changed.notify_all();
                line.clear();
            }
            heard.lock().is_over = true;
            heard.changed.notify_all();
        });
        voice
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was said once `is_enough`, or once nothing more can come; `None` where that takes too
    /// long.
    fn await_until(&self, is_enough: impl Fn(&str) -> bool) -> Option<String> {
        let waiting = |said: &mut Said| !said.is_over && !is_enough(&said.text);
        let (said, timeout) = self
            .changed
            .wait_timeout_while(self.lock(), PATIENCE, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        (!timeout.timed_out()).then(|| said.text.clone())
    }
}

/// A program that runs beside the test, killed where the test ends before it does.
#[derive(Debug)]
pub struct Program {
    command: String,
    child: Child,
    stdout: Arc<Voice>,
    stderr: Arc<Voice>,
}

impl Program {
    /// Starts `program` in `folder` with nothing in its environment but `PATH`, `HOME` (the folder)
    /// and `environment`.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start<S: AsRef<OsStr>>(
        program: &Path,
        arguments: &[S],
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Self {
        let mut child = clean_command(program, arguments, environment, folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let stdout = Voice::hear(child.stdout.take().expect("it is piped"));
        let stderr = Voice::hear(child.stderr.take().expect("it is piped"));
        Self { command: spoken(program, arguments), child, stdout, stderr }
    }

    /// Waits for a line of stderr with `phrase` in it, and returns the line.
    ///
    /// # Panics
    /// Where the program ends without saying so, or takes more than two minutes.
    #[must_use]
    pub fn line(&self, phrase: &str) -> String {
        let is_whole = |text: &str| text.contains(phrase);
        let text = self.stderr.await_until(is_whole).unwrap_or_default();
        let line = text.lines().find(|line| line.contains(phrase));
        line.unwrap_or_else(|| panic!("`{}` never said {phrase:?}: {text}", self.command))
            .to_owned()
    }

    /// Waits until a server says where it listens, and returns the base address, as in
    /// `http://127.0.0.1:40123`.
    ///
    /// # Panics
    /// Where it does not say so.
    #[must_use]
    pub fn url(&self) -> String {
        let line = self.line("http://");
        let (_, rest) = line.split_once("http://").expect("the line was chosen for it");
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && !".:".contains(letter));
        format!("http://{}", &rest[..end.unwrap_or(rest.len())])
    }

    /// The process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Panics
    /// Where the program has ended.
    pub fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).expect("it runs");
    }

    /// Sends SIGKILL, which no program survives, and waits for the end.
    ///
    /// # Panics
    /// Where the program has ended.
    #[must_use]
    pub fn kill(self) -> Transcript {
        kill_process(Pid::from_child(&self.child), Signal::KILL).expect("it runs");
        self.finish()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// Where it takes more than two minutes.
    #[must_use]
    pub fn finish(mut self) -> Transcript {
        let never = |_: &str| false;
        let stdout = self.stdout.await_until(never);
        let stderr = stdout.as_ref().and_then(|_| self.stderr.await_until(never));
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            panic!("`{}` does not end: {}", self.command, self.stderr.lock().text);
        };
        let status = self.child.wait().expect("it was started here");
        Transcript { command: self.command.clone(), code: status.code(), stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        Program::start(Path::new("/bin/sh"), &["-c", script], &[], &std::env::temp_dir())
    }

    #[test]
    fn a_program_is_watched_and_signalled() {
        let program = shell(
            "trap 'echo bye; exit 7' INT; echo on http://127.0.0.1:80/v1 >&2; \
             while :; do sleep 0.01; done",
        );
        assert_eq!(program.url(), "http://127.0.0.1:80");
        program.interrupt();
        let end = program.finish();
        assert_eq!((end.code, &*end.stdout), (Some(7), "bye\n"));

        let killed = shell("echo up >&2; exec sleep 1000");
        assert_eq!(killed.line("up"), "up");
        assert_eq!(killed.kill().code, None);
    }

    #[test]
    #[should_panic(expected = "never said \"ready\": no\n")]
    fn a_program_that_ends_too_early_is_told_of() {
        let _ = shell("echo no >&2").line("ready");
    }
}
