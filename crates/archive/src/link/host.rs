//! The side that keeps: whoever writes to the store lets guests in.

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use collect::Collector;
use control::{Benchmarks, Guest, Records as _, RecordsError};
use domain::{Clock, Series};
use store::RunLabel;
use store::durable::{Store, decode};

use super::{Answer, Frame, Said, VERSION, malformed, receive, socket, tell};
use crate::{ContentKeeper, Recording, Teller};

/// Where guests' benchmarks go.
#[derive(Clone)]
pub struct Host {
    /// The register they stand in.
    pub benchmarks: Arc<Benchmarks>,
    /// Takes their records.
    pub collector: Arc<Collector>,
    /// The machine's clock.
    pub clock: Arc<dyn Clock>,
    /// Takes prompts and answers, where guests want them kept.
    pub store: Arc<Store>,
    /// Told what of those is lost.
    pub teller: Teller,
}

impl Host {
    /// Takes the records of the benchmark of that id, and its prompts and answers to be kept for as
    /// long as `content` says.
    #[must_use]
    pub fn recording(&self, id: &str, content: Option<Duration>) -> Recording {
        let keeper = content.map(|keep| {
            ContentKeeper::new(Arc::clone(&self.store), id, keep, Arc::clone(&self.teller))
        });
        let (collector, clock) = (Arc::clone(&self.collector), Arc::clone(&self.clock));
        Recording::new(collector, clock, Some(id)).with_content(keeper)
    }
}

/// The way in, for processes that may write to the store's folder. Closed where it is dropped:
/// benchmarks that are under way then count as interrupted.
pub struct Door {
    path: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_closed: AtomicBool,
    /// The connections that are open.
    open: Mutex<HashMap<u64, UnixStream>>,
}

impl Door {
    /// Opens the way into the store in `folder`, which this process has open to write.
    ///
    /// # Errors
    /// Where no socket can be made there.
    pub fn open(folder: &Path, host: Host) -> io::Result<Self> {
        let path = folder.join(super::SOCKET);
        // Left by a process that died: the store has one writer, and that is this one.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (short, _folder) = socket(folder)?;
        let listener = UnixListener::bind(short)?;
        let shared = Arc::new(Shared::default());
        let seen = Arc::clone(&shared);
        let accepting = std::thread::Builder::new()
            .name("door".to_owned())
            .spawn(move || accept(&listener, &host, &seen))?;
        Ok(Self { path, shared, accepting: Some(accepting) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Release);
        // Whoever waits for the next guest is woken by one.
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if let Ok((short, _folder)) = socket(folder) {
            drop(UnixStream::connect(short));
        }
        let _ = std::fs::remove_file(&self.path);
        if let Some(accepting) = self.accepting.take()
            && let Err(panic) = accepting.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, UnixStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &UnixListener, host: &Host, shared: &Arc<Shared>) {
    let mut serving = Vec::new();
    for (number, stream) in (0..).zip(listener.incoming()) {
        if shared.is_closed.load(Ordering::Acquire) {
            break;
        }
        let Ok((stream, kept)) = stream.and_then(|stream| Ok((stream.try_clone()?, stream))) else {
            continue;
        };
        shared.lock().insert(number, kept);
        let (host, seen) = (host.clone(), Arc::clone(shared));
        let served = std::thread::Builder::new().name("guest".to_owned()).spawn(move || {
            // A guest that breaks off is interrupted, whatever the reason.
            let _ = serve(&stream, &host);
            seen.lock().remove(&number);
        });
        serving.retain(|thread: &JoinHandle<()>| !thread.is_finished());
        serving.extend(served);
    }
    for stream in shared.lock().values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
    for thread in serving {
        // Its panic was told where it happened.
        let _ = thread.join();
    }
}

/// Hears one guest out.
fn serve(stream: &UnixStream, host: &Host) -> io::Result<()> {
    let (mut from, mut to) = (BufReader::new(stream), stream);
    let Said::Enter { version, benchmark, content_keep_s } = super::hear(&mut from)? else {
        return Err(malformed("a guest says first who it is"));
    };
    if version != VERSION {
        let problem = "the store's server is of another version of Prony".to_owned();
        let hint = "use the same version for both".to_owned();
        return tell(&mut to, &Answer::Refused { problem, hint });
    }
    let guest = match host.benchmarks.enter(benchmark) {
        Ok(guest) => guest,
        Err(error) => {
            return tell(&mut to, &Answer::Refused { problem: error.problem, hint: error.hint });
        }
    };
    let id = guest.id().to_string();
    tell(&mut to, &Answer::Entered { id: id.clone() })?;
    let recording = host.recording(&id, content_keep_s.map(Duration::from_secs));
    let mut visit = Visit { guest: Some(guest), recording, label: None, trouble: None };
    while visit.guest.is_some() {
        match receive(&mut from)? {
            Frame::Records(body) => visit.take_in(&body)?,
            Frame::Content(body) => visit.recording.content(serde_json::from_slice(&body)?),
            Frame::Message(body) => {
                if let Some(answer) = visit.hear(serde_json::from_slice(&body)?)? {
                    tell(&mut to, &answer)?;
                }
            }
        }
    }
    Ok(())
}

/// A guest that has been let in.
struct Visit {
    /// Until it has left.
    guest: Option<Guest>,
    recording: Recording,
    /// The run under way.
    label: Option<RunLabel>,
    /// Why its records are not whole.
    trouble: Option<RecordsError>,
}

impl Visit {
    fn take_in(&mut self, body: &[u8]) -> io::Result<()> {
        let label = self.label.clone().ok_or_else(|| malformed("records came before a run"))?;
        let Self { recording, trouble, .. } = self;
        let read = decode(body, |record| {
            if trouble.is_none() {
                *trouble = recording.write(&record.exchange, &label).err();
            }
        });
        read.map_err(|_| malformed("its records cannot be read"))?;
        self.hand_over();
        Ok(())
    }

    /// Hands over what came: progress is told more seldom than records come.
    fn hand_over(&mut self) {
        let handed_over = self.recording.submit();
        self.trouble = self.trouble.take().or(handed_over.err());
    }

    fn hear(&mut self, said: Said) -> io::Result<Option<Answer>> {
        let guest = self.guest.as_ref().expect("it has not left");
        let done = match said {
            Said::Enter { .. } => return Err(malformed("a guest enters once")),
            Said::Begin(beginning) => {
                let read = beginning.read();
                let (label, series): (RunLabel, Series) =
                    read.ok_or_else(|| malformed("its series cannot be read"))?;
                self.recording.open(&label, series, None);
                self.label = Some(label);
                return Ok(None);
            }
            Said::Tick { in_flight, tokens, progress } => {
                guest.note(progress);
                self.recording.note(in_flight, tokens);
                return Ok(None);
            }
            Said::Missed(requests) => {
                self.recording.content_missed(requests);
                return Ok(None);
            }
            Said::End => {
                self.label = None;
                let kept = self.recording.end();
                self.trouble.take().map_or(kept, Err)
            }
            Said::Result(run) => guest.add_run(&run).map_err(RecordsError::from),
            Said::Leave(ending) => {
                self.guest.take().expect("it has not left").finish(ending);
                Ok(())
            }
        };
        Ok(Some(match done {
            Ok(()) => Answer::Done,
            Err(RecordsError { problem, hint }) => Answer::Refused { problem, hint },
        }))
    }
}
