//! The one thread that empties the intake: keeps, acknowledges, rolls up, publishes.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use analysis::rollup::{Delta, Roller, Rollup, Window};
use domain::{Timestamp, WallAnchor};

use crate::breakdown::Breakdown;
use crate::{Collector, Keeper, LiveSeries, LiveWindow, Record, SeriesDelta, Tracked};

/// How long a record may wait for others to be kept with it.
const GATHER: Duration = Duration::from_millis(5);

/// How long to wait before asking a keeper again that could not keep something.
const RETRY: Duration = Duration::from_millis(200);

/// How often what is new in windows is handed to the keeper.
const ROLL_UP_EVERY: Duration = Duration::from_secs(1);

/// Does the collector's work, on a thread of its own.
#[derive(Debug)]
pub struct Worker<K> {
    collector: Arc<Collector>,
    keeper: K,
    anchor: WallAnchor,
    live_interval: Duration,
    /// Taken out of the intake. Empty, but for records that the keeper could not keep yet.
    batch: Vec<Record>,
    /// By the series' places.
    lanes: Vec<Option<Lane>>,
    /// What is new in windows since deltas were last made of it.
    new: BTreeMap<(usize, Window), Rollup>,
    /// What the keeper has yet to add to its windows. Empty, but while it cannot.
    deltas: Vec<SeriesDelta>,
    published: Timestamp,
    rolled_up: Timestamp,
    /// When to ask the keeper again.
    retry: Option<Timestamp>,
    _end: End,
}

/// Ends the collector when the worker ends, be it in a panic: nobody waits for one who is gone.
#[derive(Debug)]
struct End(Arc<Collector>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What the worker holds of one series.
#[derive(Debug)]
struct Lane {
    series: Arc<Tracked>,
    roller: Roller,
    /// What the roller does not tell apart.
    breakdown: Breakdown,
    /// What is new since the last live window.
    live: Rollup,
}

/// The worker ended and the keeper could not keep these.
#[derive(Debug, thiserror::Error)]
#[error("{} records and {} rollups could not be kept: {source}", records.len(), deltas.len())]
pub struct Unkept<E: Error + 'static> {
    /// Records that were taken in and never acknowledged.
    pub records: Vec<Record>,
    /// What is new in windows.
    pub deltas: Vec<SeriesDelta>,
    /// Why.
    pub source: E,
}

impl<K: Keeper> Worker<K> {
    pub(crate) fn new(collector: Arc<Collector>, keeper: K, live_interval: Duration) -> Self {
        let anchor = WallAnchor::take(&*collector.clock);
        let now = collector.clock.now();
        Self {
            _end: End(Arc::clone(&collector)),
            collector,
            keeper,
            anchor,
            live_interval: live_interval.max(Duration::from_millis(1)),
            batch: Vec::new(),
            lanes: Vec::new(),
            new: BTreeMap::new(),
            deltas: Vec::new(),
            published: now,
            rolled_up: now,
            retry: None,
        }
    }

    /// Works until the collector is closed and everything is kept, and gives the keeper back.
    ///
    /// # Errors
    /// Where the collector was closed and the keeper could not keep the rest.
    pub fn run(mut self) -> Result<K, Unkept<K::Error>> {
        while !self.collector.intake.is_closed() {
            self.collector.intake.wait(GATHER);
            self.turn();
        }
        self.finish()
    }

    /// Does what there is to do now. For whoever calls it again and again instead of [`Worker::run`].
    pub fn turn(&mut self) {
        let now = self.collector.clock.now();
        if self.retry.is_none_or(|at| now >= at) {
            self.retry = self.advance(now).err().map(|error| {
                self.collector.note_failure(error.to_string());
                now + RETRY
            });
        }
        if now.since(self.published) >= self.live_interval {
            self.publish(now);
        }
    }

    /// Closes the collector and keeps what is left, as [`Worker::run`] does in the end.
    ///
    /// # Errors
    /// Where the keeper cannot.
    pub fn finish(mut self) -> Result<K, Unkept<K::Error>> {
        self.collector.close();
        let done = self.drain();
        let now = self.collector.clock.now();
        self.publish(now);
        match done {
            Ok(()) => Ok(self.keeper),
            Err(source) => {
                self.make_deltas();
                let mut records = self.batch;
                records.extend(self.collector.intake.take(Vec::new()));
                Err(Unkept { records, deltas: self.deltas, source })
            }
        }
    }

    fn advance(&mut self, now: Timestamp) -> Result<(), K::Error> {
        self.keep()?;
        if now.since(self.rolled_up) >= ROLL_UP_EVERY {
            self.rolled_up = now;
            self.make_deltas();
            self.roll_up()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), K::Error> {
        // Twice, since the first time may have kept an earlier batch.
        self.keep()?;
        self.keep()?;
        self.make_deltas();
        self.roll_up()
    }

    /// Keeps, acknowledges and rolls up the batch, or the next one.
    fn keep(&mut self) -> Result<(), K::Error> {
        self.roll_up()?;
        if self.batch.is_empty() {
            self.batch = self.collector.intake.take(std::mem::take(&mut self.batch));
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        self.keeper.keep(&self.batch)?;
        self.collector.note_kept(self.batch.len() as u64);
        for Record { series, origin, exchange, .. } in &self.batch {
            let lane = lane(&mut self.lanes, series, self.anchor);
            lane.roller.record(exchange, *origin);
            lane.breakdown.record(exchange, *origin);
        }
        self.batch.clear();
        Ok(())
    }

    /// Has the keeper add the deltas that are made.
    fn roll_up(&mut self) -> Result<(), K::Error> {
        if !self.deltas.is_empty() {
            self.keeper.roll_up(&self.deltas)?;
            self.deltas.clear();
        }
        Ok(())
    }

    /// Makes deltas of all that is new.
    fn make_deltas(&mut self) {
        self.gather();
        for ((place, window), rollup) in std::mem::take(&mut self.new) {
            let series = &self.lanes[place].as_ref().expect("what is new came from a lane").series;
            let delta = Delta { window, rollup };
            self.deltas.push(SeriesDelta { series: Arc::clone(series), delta });
        }
    }

    /// Takes what is new out of the rollers, for everyone who wants to know.
    fn gather(&mut self) {
        for Lane { series, roller, breakdown, live } in self.lanes.iter_mut().flatten() {
            let mut sum = Rollup::default();
            for Delta { window, rollup } in roller.drain() {
                sum.merge(&rollup);
                self.new.entry((series.place(), window)).or_default().merge(&rollup);
            }
            live.merge(&sum);
            self.collector.totals.add(series, &sum, &std::mem::take(breakdown));
        }
    }

    fn publish(&mut self, now: Timestamp) {
        let interval = now.since(self.published);
        self.published = now;
        let due = interval.as_nanos() / self.live_interval.as_nanos();
        self.collector.publisher.note_joined(u64::try_from(due).unwrap_or(u64::MAX).max(1) - 1);

        let tracked = self.collector.table.all();
        for series in &tracked {
            match series.take_in_flight_max() {
                0 => {}
                most => lane(&mut self.lanes, series, self.anchor).roller.note_in_flight(now, most),
            }
        }
        self.gather();
        let series = tracked.into_iter().filter_map(|series| self.live(series)).collect();
        let at_unix_ms = self.anchor.unix_nanos(now) / 1_000_000;
        self.collector.publisher.publish(LiveWindow { at_unix_ms, interval, series });
    }

    /// What is new of a series since the last live window; `None` where nothing goes on in it.
    fn live(&mut self, series: Arc<Tracked>) -> Option<LiveSeries> {
        let lane = self.lanes.get_mut(series.place()).and_then(Option::as_mut);
        let rollup = lane.map_or_else(Rollup::default, |lane| std::mem::take(&mut lane.live));
        let (in_flight, chunks) = (series.in_flight(), series.take_chunks());
        let is_idle = in_flight == 0 && chunks == 0 && rollup.is_empty();
        (!is_idle).then_some(LiveSeries { series, rollup, in_flight, chunks })
    }
}

/// The lane of a series.
fn lane<'a>(
    lanes: &'a mut Vec<Option<Lane>>,
    series: &Arc<Tracked>,
    anchor: WallAnchor,
) -> &'a mut Lane {
    let place = series.place();
    if place >= lanes.len() {
        lanes.resize_with(place + 1, || None);
    }
    lanes[place].get_or_insert_with(|| Lane {
        series: Arc::clone(series),
        roller: Roller::new(anchor),
        breakdown: Breakdown::default(),
        live: Rollup::default(),
    })
}
