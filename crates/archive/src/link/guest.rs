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
/// How often a run tells how it is doing: as often as the live view shows it. Records go out at every
/// tick, whatever is told beside them.
const TELLING: Duration = Duration::from_millis(200);

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
    /// When the run last told how it is doing.
    told: Option<Timestamp>,
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
        let (live, pending, told) = (None, Vec::new(), None);
        Self { link, tracker, live, provenance, pending, told, wants_content }
    }

    /// Tells how the run under way is doing.
    fn tell_progress(&self) -> Result<(), RecordsError> {
        let Some(live) = &self.live else { return Ok(()) };
        let (in_flight, tokens) = (live.in_flight(), live.tokens());
        self.link.tell(&Said::Tick { in_flight, tokens, progress: self.tracker.progress() })
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
        self.told = None;
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

    fn tick(&mut self, now: Timestamp) -> Result<(), RecordsError> {
        self.flush()?;
        if self.told.is_some_and(|last| now.since(last) < TELLING) {
            return Ok(());
        }
        self.told = Some(now);
        self.tell_progress()
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        self.flush()?;
        // The last word on the run's counts, which stands if nothing more is said.
        self.tell_progress()?;
        self.live = None;
        self.link.ask(&Said::End).map(drop)
    }
}

fn broken(error: &io::Error) -> RecordsError {
    RecordsError {
        problem: format!("the server that writes to the store is gone: {error}"),
        hint: "look at its output, and start it again; what it acknowledged is safe".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use domain::{
        Arrival, Chunks, Clock, CountSource, FinishReason, Outcome, RequestId, Series, Source,
        SystemClock, Timeline, Usage, Vantage,
    };
    use store::durable::decode;

    use super::super::{Frame, receive};
    use super::*;

    /// What came through a link, in its order.
    #[derive(Debug, PartialEq, Eq)]
    enum Came {
        Begin,
        Record,
        Tick,
        End,
    }

    /// Hears a guest out until its run ends.
    fn hear_out(mut host: UnixStream) -> Vec<Came> {
        let mut came = Vec::new();
        loop {
            match receive(&mut host).expect("the guest speaks") {
                Frame::Records(body) => {
                    decode(&body, |_| came.push(Came::Record)).expect("they are records");
                }
                Frame::Content(_) => panic!("none is wanted"),
                Frame::Message(body) => match serde_json::from_slice(&body).expect("a message") {
                    Said::Begin(_) => came.push(Came::Begin),
                    Said::Tick { .. } => came.push(Came::Tick),
                    Said::End => {
                        came.push(Came::End);
                        tell(&mut host, &Answer::Done).expect("the guest listens");
                        return came;
                    }
                    said => panic!("{said:?}"),
                },
            }
        }
    }

    fn exchange(index: u64) -> Exchange {
        Exchange {
            id: RequestId { run: 0, index },
            server_request_id: None,
            user: 0,
            turn: 0,
            model: "m".into(),
            scenario: "s".into(),
            vantage: Vantage::Client,
            warmup: false,
            streamed: true,
            failed_attempts: Vec::new(),
            timeline: Timeline {
                planned: Timestamp::default(),
                held: None,
                started: Timestamp::default(),
                connection: None,
                sent: None,
                headers: None,
                chunks: Chunks::with_capacity(0),
                finished: Arrival::at(Timestamp::default()),
            },
            usage: Usage::default(),
            input_source: CountSource::Server,
            output_source: CountSource::Server,
            max_tokens: None,
            outcome: Outcome::Success(FinishReason::Stop),
        }
    }

    #[test]
    fn records_go_out_at_every_tick_and_progress_five_times_a_second() {
        let (guest, host) = UnixStream::pair().expect("there are sockets");
        let hearing = thread::spawn(move || hear_out(host));
        let from = BufReader::new(guest.try_clone().expect("there are descriptors"));
        let connection = Connection { to: BufWriter::new(guest), from };
        let link = Link(Arc::new(Mutex::new(connection)));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut records = LinkedRecords::new(link, Arc::new(Tracker::new(clock, 1)), false);
        let label = RunLabel { run: 0, load: "".into(), origin: analysis::Origin::Started };
        let series = Series {
            model: "m".into(),
            provider: "".into(),
            region: "".into(),
            vantage: Vantage::Client,
            vantage_region: "".into(),
            scenario: "s".into(),
            source: Source::Bench,
        };
        let opening = Opening { label: label.clone(), series, live: Arc::new(Live::default()) };
        records.begin(&opening).expect("the host listens");
        // A record at each of 20 ticks, 20 ms apart: they take 380 ms.
        for tick in 0..20 {
            records.write(&exchange(tick), &label).expect("the host listens");
            records.tick(Timestamp::from_nanos(tick * 20_000_000)).expect("the host listens");
        }
        records.end().expect("the host answers");
        let came = hearing.join().expect("it hears the end");

        let count = |wanted: Came| came.iter().filter(|one| **one == wanted).count();
        assert_eq!((count(Came::Record), count(Came::Tick)), (20, 3), "{came:?}");
        let told: Vec<usize> = (0..came.len()).filter(|place| came[*place] == Came::Tick).collect();
        // Behind the first record, behind the eleventh, and once all are told.
        assert_eq!(told, [2, 13, 23], "{came:?}");
    }
}
