//! What a process that may not write to a store says to the one that does, through a socket in the
//! store's folder: only who may write there gets in.
//!
//! [`guest`] is the side that measures, [`host`] the side that keeps. A frame is a length, a kind
//! and what it holds: a message in JSON, records as the store's log has them, or what was said in a
//! request, in JSON. Times in them are
//! the machine's monotonic clock, which both sides read.

pub(crate) mod guest;
mod host;

pub use host::{Door, Host};

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use analysis::Origin;
use control::{Ending, Introduction, Progress};
use domain::Series;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::RunLabel;

use crate::series;

/// Raised when a message changes its meaning.
const VERSION: u32 = 1;
/// The socket's name in the store's folder.
const SOCKET: &str = "socket";
/// More than any frame takes.
const FRAME_MAX: u32 = 64 << 20;
/// The longest path that a socket may have everywhere.
const PATH_MAX: usize = 100;

const MESSAGE: u8 = 0;
const RECORDS: u8 = 1;
const CONTENT: u8 = 2;

/// What a guest says.
#[derive(Debug, Serialize, Deserialize)]
enum Said {
    /// Its first word; answered by [`Answer::Entered`].
    Enter {
        version: u32,
        benchmark: Introduction,
        /// For how many seconds prompts and answers are to be kept, where they are.
        content_keep_s: Option<u64>,
    },
    /// A run begins.
    Begin(Beginning),
    /// How the run under way is doing.
    Tick { in_flight: u64, tokens: u64, progress: Progress },
    /// Prompts and answers of so many requests could not be caught.
    Missed(u64),
    /// A run's last record was said; answered once they all are kept.
    End,
    /// What a run came to; answered once it is kept.
    Result(Value),
    /// Its last word; answered.
    Leave(Ending),
}

/// A run that begins.
#[derive(Debug, Serialize, Deserialize)]
struct Beginning {
    run: u64,
    load: String,
    is_planned: bool,
    series: String,
}

/// What a host answers.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Entered { id: String },
    Done,
    Refused { problem: String, hint: String },
}

impl Beginning {
    fn of(label: &RunLabel, series: &Series) -> Self {
        Self {
            run: label.run,
            load: label.load.to_string(),
            is_planned: label.origin == Origin::Planned,
            series: series::write(series),
        }
    }

    /// The label and the series; `None` where the series is none.
    fn read(&self) -> Option<(RunLabel, Series)> {
        let origin = if self.is_planned { Origin::Planned } else { Origin::Started };
        let label = RunLabel { run: self.run, load: self.load.as_str().into(), origin };
        Some((label, series::read(&self.series)?))
    }
}

/// A frame as it came.
enum Frame {
    Message(Vec<u8>),
    Records(Vec<u8>),
    Content(Vec<u8>),
}

fn send(out: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= FRAME_MAX);
    let length = length.ok_or_else(|| io::Error::other("a frame is too long"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&[kind])?;
    out.write_all(body)
}

fn tell(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    send(out, MESSAGE, &serde_json::to_vec(message)?)?;
    out.flush()
}

fn receive(from: &mut impl Read) -> io::Result<Frame> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [length @ .., kind] = head;
    let length = u32::from_le_bytes(length);
    if length > FRAME_MAX {
        return Err(malformed("its length is beyond any frame's"));
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body)?;
    match kind {
        MESSAGE => Ok(Frame::Message(body)),
        RECORDS => Ok(Frame::Records(body)),
        CONTENT => Ok(Frame::Content(body)),
        _ => Err(malformed("its kind is not known")),
    }
}

fn hear<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    match receive(from)? {
        Frame::Message(body) => Ok(serde_json::from_slice(&body)?),
        Frame::Records(_) | Frame::Content(_) => {
            Err(malformed("records came in place of an answer"))
        }
    }
}

fn malformed(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame is malformed: {why}"))
}

/// The socket of the store in `folder`, by a path that is short enough. What is returned beside it
/// must live as long as the path is used.
#[expect(clippy::disallowed_methods, reason = "a folder, to reach what lies in it by a short path")]
fn socket(folder: &Path) -> io::Result<(PathBuf, Option<std::fs::File>)> {
    let path = folder.join(SOCKET);
    if path.as_os_str().len() <= PATH_MAX {
        return Ok((path, None));
    }
    use std::os::fd::AsRawFd as _;
    let folder = std::fs::File::open(folder)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(SOCKET);
    Ok((short, Some(folder)))
}
