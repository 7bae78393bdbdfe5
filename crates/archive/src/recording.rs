//! Takes the records of runs from the load to the collector, and holds the load up rather than
//! lose one.

use std::sync::Arc;
use std::time::Duration;

use collect::{Collector, InFlightGauge, Record, RunTag, Ticket, Tracked};
use control::{Opening, Records, RecordsError};
use domain::{Clock, Exchange, Series, Timestamp};
use load::Live;
use store::{Content, RunLabel};

use crate::ContentKeeper;

/// Records that are handed over at a time.
const BATCH: usize = 256;
/// How long to wait before a full collector is asked again.
const PAUSE: Duration = Duration::from_millis(1);
/// How long records may wait for a keeper that cannot keep them.
const PATIENCE: Duration = Duration::from_secs(30);

/// The records of a benchmark or a canary, on their way to a collector.
pub struct Recording {
    collector: Arc<Collector>,
    clock: Arc<dyn Clock>,
    /// Canaries have none.
    benchmark: Option<Arc<str>>,
    pending: Vec<Record>,
    ticket: Option<Ticket>,
    run: Option<Run>,
    content: Option<ContentKeeper>,
}

/// The run under way.
struct Run {
    tag: Option<Arc<RunTag>>,
    series: Series,
    /// Its running counts, where this process has them.
    live: Option<Arc<Live>>,
    tokens: u64,
    in_flight: InFlightGauge,
    tracked: Arc<Tracked>,
}

impl Recording {
    /// Records of the benchmark of that id, or of a canary, for `collector`.
    #[must_use]
    pub fn new(collector: Arc<Collector>, clock: Arc<dyn Clock>, benchmark: Option<&str>) -> Self {
        let benchmark = benchmark.map(Arc::from);
        let (pending, ticket, run, content) = (Vec::new(), None, None, None);
        Self { collector, clock, benchmark, pending, ticket, run, content }
    }

    /// Has prompts and answers kept too.
    #[must_use]
    pub fn with_content(self, keeper: Option<ContentKeeper>) -> Self {
        Self { content: keeper, ..self }
    }

    /// Begins a run, whose requests count in `series`.
    pub(crate) fn open(&mut self, label: &RunLabel, series: Series, live: Option<Arc<Live>>) {
        let tracked = self.collector.track(&series);
        let tag = self.benchmark.as_ref().map(|benchmark| RunTag {
            benchmark: Arc::clone(benchmark),
            index: label.run,
            load: Arc::clone(&label.load),
        });
        self.run = Some(Run {
            tag: tag.map(Arc::new),
            series,
            live,
            tokens: 0,
            in_flight: Arc::clone(&tracked).gauge(),
            tracked,
        });
    }

    /// Notes how many requests of the run are in flight, and how many tokens have come so far.
    pub(crate) fn note(&mut self, in_flight: u64, tokens: u64) {
        if let Some(run) = &mut self.run {
            run.in_flight.set(in_flight);
            run.tracked.note_chunks(tokens.saturating_sub(run.tokens));
            run.tokens = tokens;
        }
    }

    /// Hands over what waits, as soon as there is room for it.
    pub(crate) fn submit(&mut self) -> Result<(), RecordsError> {
        let begun = self.clock.now();
        while !self.pending.is_empty() {
            let taken = self.collector.try_submit(&mut self.pending);
            self.ticket = Some(taken.map_err(|_| closed())?);
            if !self.pending.is_empty() {
                self.pause(begun)?;
            }
        }
        Ok(())
    }

    /// Waits a little, unless that was long enough.
    fn pause(&self, begun: Timestamp) -> Result<(), RecordsError> {
        if let Some(error) = self.collector.status().keeper_error
            && self.clock.now().since(begun) > PATIENCE
        {
            return Err(unkept(&error));
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }
}

impl Records for Recording {
    fn begin(&mut self, run: &Opening) -> Result<(), RecordsError> {
        self.open(&run.label, run.series.clone(), Some(Arc::clone(&run.live)));
        Ok(())
    }

    fn write(&mut self, exchange: &Exchange, label: &RunLabel) -> Result<(), RecordsError> {
        let run = self.run.as_mut().expect("a run begins before its records come");
        if *exchange.scenario != *run.series.scenario {
            run.series.scenario = Arc::clone(&exchange.scenario);
            run.tracked = self.collector.track(&run.series);
        }
        self.pending.push(Record {
            series: Arc::clone(&run.tracked),
            run: run.tag.clone(),
            origin: label.origin,
            exchange: exchange.clone(),
        });
        if self.pending.len() < BATCH { Ok(()) } else { self.submit() }
    }

    fn wants_content(&self) -> bool {
        self.content.is_some()
    }

    fn content(&mut self, content: Content) {
        if let Some(keeper) = &mut self.content {
            keeper.push(content);
        }
    }

    fn content_missed(&mut self, requests: u64) {
        if let Some(keeper) = &mut self.content {
            keeper.miss(requests);
        }
    }

    fn tick(&mut self, _now: Timestamp) -> Result<(), RecordsError> {
        if let Some(keeper) = &mut self.content {
            keeper.flush();
        }
        if let Some(live) = self.run.as_ref().and_then(|run| run.live.clone()) {
            self.note(live.in_flight(), live.tokens());
        }
        self.submit()
    }

    fn end(&mut self) -> Result<(), RecordsError> {
        self.run = None;
        if let Some(keeper) = &mut self.content {
            keeper.end();
        }
        self.submit()?;
        let Some(ticket) = self.ticket else { return Ok(()) };
        let begun = self.clock.now();
        loop {
            match self.collector.poll_kept(ticket) {
                Some(true) => return Ok(()),
                Some(false) => return Err(closed()),
                None => self.pause(begun)?,
            }
        }
    }
}

fn closed() -> RecordsError {
    RecordsError {
        problem: "records are no longer taken in: the store has been closed".to_owned(),
        hint: "look at the first error that the program told".to_owned(),
    }
}

fn unkept(error: &str) -> RecordsError {
    RecordsError {
        problem: format!("the store has kept nothing for {} s: {error}", PATIENCE.as_secs()),
        hint: "make room on its device and see that its folder can be written".to_owned(),
    }
}
