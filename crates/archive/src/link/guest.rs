//! The side that measures.

use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use control::{Ending, Introduction, Opening, Records, RecordsError, Tracker};
use domain::{Exchange, Timestamp};
use load::Live;
use serde_json::Value;
use store::durable::{Entry, Provenance, STORED_ANCHOR, encode};
use store::{Content, RunLabel};

use super::{Answer, Beginning, CONTENT, RECORDS, Said, VERSION, hear, send, socket, tell};

/// Records that are sent at a time.
const BATCH: usize = 256;

/// A benchmark that was let in. Clones share it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Mutex<Connection>>);

struct Connection {
    to: BufWriter<UnixStream>,
    from: BufReader<UnixStream>,
}

impl Link {
    /// Asks whoever writes to the store in `folder` to take the benchmark in, and returns its id.
    /// `None` where nobody lets anyone in there.
    ///
    /// # Errors
    /// Where it was refused.
    pub(crate) fn enter(
        folder: &Path,
        benchmark: Introduction,
        content: Option<Duration>,
    ) -> Result<Option<(Self, String)>, RecordsError> {
        let connected = socket(folder).and_then(|(path, _folder)| UnixStream::connect(path));
        let Ok(stream) = connected else { return Ok(None) };
        let both = stream.try_clone().map_err(|error| broken(&error))?;
        let connection = Connection { to: BufWriter::new(stream), from: BufReader::new(both) };
        let link = Self(Arc::new(Mutex::new(connection)));
        let content_keep_s = content.map(|keep| keep.as_secs());
        match link.ask(&Said::Enter { version: VERSION, benchmark, content_keep_s })? {
            Answer::Entered { id } => Ok(Some((link, id))),
            Answer::Done | Answer::Refused { .. } => Err(broken(&super::malformed("no id came"))),
        }
    }

    /// Keeps what a run came to.
    pub(crate) fn add_run(&self, run: &Value) -> Result<(), RecordsError> {
        self.ask(&Said::Result(run.clone())).map(drop)
    }

    /// Says how the benchmark ended.
    pub(crate) fn leave(&self, ending: Ending) -> Result<(), RecordsError> {
        self.ask(&Said::Leave(ending)).map(drop)
    }

    fn tell(&self, said: &Said) -> Result<(), RecordsError> {
        tell(&mut self.lock().to, said).map_err(|error| broken(&error))
    }

    fn ask(&self, said: &Said) -> Result<Answer, RecordsError> {
        let mut connection = self.lock();
        let answered = tell(&mut connection.to, said).and_then(|()| hear(&mut connection.from));
        match answered.map_err(|error| broken(&error))? {
            Answer::Refused { problem, hint } => Err(RecordsError { problem, hint }),
            answer => Ok(answer),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A benchmark's records, on their way through a link.
pub(crate) struct LinkedRecords {
    link: Link,
    tracker: Arc<Tracker>,
    live: Option<Arc<Live>>,
    /// What the records are sent with: of it only the label counts.
    provenance: Provenance,
    pending: Vec<Exchange>,
    wants_content: bool,
}

impl LinkedRecords {
    pub(crate) fn new(link: Link, tracker: Arc<Tracker>, wants_content: bool) -> Self {
        let origin = analysis::Origin::Started;
        let provenance = Provenance {
            run: None,
            label: RunLabel { run: 0, load: "".into(), origin },
            provider: "".into(),
            target_region: "".into(),
            vantage_region: "".into(),
            source: "".into(),
        };
        Self { link, tracker, live: None, provenance, pending: Vec::new(), wants_content }
    }

    fn flush(&mut self) -> Result<(), RecordsError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let provenance = &self.provenance;
        let entry = |exchange| Entry { provenance, exchange, anchor: STORED_ANCHOR };
        let records = encode(self.pending.iter().map(entry));
        self.pending.clear();
        let mut connection = self.link.lock();
        let sent = send(&mut connection.to, RECORDS, &records);
        sent.and_then(|()| connection.to.flush()).map_err(|error| broken(&error))
    }
}

impl Records for LinkedRecords {
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError> {
        self.provenance.label = run.label.clone();
        self.live = Some(Arc::clone(&run.live));
        self.link.tell(&Said::Begin(Beginning::of(&run.label, &run.series)))
    }

    fn write(&mut self, exchange: &Exchange, _label: &RunLabel) -> Result<(), RecordsError> {
        self.pending.push(exchange.clone());
        if self.pending.len() < BATCH { Ok(()) } else { self.flush() }
    }

    fn wants_content(&self) -> bool {
        self.wants_content
    }

    fn content(&mut self, content: Content) {
        // A link that is broken is told where records go through it.
        let _ = send(&mut self.link.lock().to, CONTENT, content.line().as_bytes());
    }

    fn content_missed(&mut self, requests: u64) {
        let _ = self.link.tell(&Said::Missed(requests));
    }

    fn tick(&mut self, _now: Timestamp) -> Result<(), RecordsError> {
        self.flush()?;
        let Some(live) = &self.live else { return Ok(()) };
        let (in_flight, tokens) = (live.in_flight(), live.tokens());
        self.link.tell(&Said::Tick { in_flight, tokens, progress: self.tracker.progress() })
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        self.live = None;
        self.flush()?;
        self.link.ask(&Said::End).map(drop)
    }
}

fn broken(error: &io::Error) -> RecordsError {
    RecordsError {
        problem: format!("the server that writes to the store is gone: {error}"),
        hint: "look at its output, and start it again; what it acknowledged is safe".to_owned(),
    }
}
