//! Requests that come on a schedule, answered or not.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::{Run, pass_on_panic};
use crate::flight::Slot;
use crate::plan::{Load, Open};
use crate::schedule::Schedule;

impl Run {
    /// Starts requests when the schedule says, whatever became of earlier ones. Where only so many
    /// may be in flight, the next in line waits here for its turn, and those behind it in the
    /// schedule, so that a backlog takes no memory however long it grows.
    pub(super) async fn offer_open(
        self: &Arc<Self>,
        open: &Open,
        start: Timestamp,
        tasks: &mut JoinSet<()>,
    ) {
        let mut places = open.in_flight_max.map(|most| Places::new(most, start));
        for due in self.schedule(open, start) {
            if self.unless_over(self.due_or_end(due)).await.is_none() {
                break;
            }
            self.tower.intake.admit().await;
            let (place, held) = match &mut places {
                Some(places) => {
                    let Some((place, held)) = places.take(due, self).await else { break };
                    (Some(place), Some(held))
                }
                None => (None, None),
            };
            let Some(index) = self.claim(due) else { break };
            let run = Arc::clone(self);
            let slot = Slot { user: index, turn: 0, planned: due, held, warmup: false };
            tasks.spawn(async move {
                run.perform(index, slot).await;
                drop(place);
                // Whoever waits for the next one's time hears at once where this ended the run.
                run.is_over();
            });
            while let Some(joined) = tasks.try_join_next() {
                pass_on_panic(joined);
            }
        }
    }

    /// When each request of an open loop is due: no more than are to be sent, so that nobody waits
    /// for one that will not be.
    fn schedule(&self, open: &Open, start: Timestamp) -> impl Iterator<Item = Timestamp> + use<> {
        let most = self.plan.stop.requests.map_or(usize::MAX, |requests| requests as usize);
        let offsets = Schedule::new(open, self.plan.ramp, self.plan.seed).take(most);
        offsets.map(move |offset| start + offset)
    }

    /// How many requests of an open loop were due by the end of its window. The schedule is drawn
    /// again, so that those nobody came to are counted too.
    pub(super) fn due_by(&self, start: Timestamp, window_end: Timestamp) -> Option<u64> {
        let Load::Open(open) = &self.plan.load else { return None };
        // What is due at the end of the planned time is not sent.
        let planned = |due: &Timestamp| self.end().is_none_or(|end| *due < end);
        let due = self.schedule(open, start).take_while(planned);
        Some(due.take_while(|due| *due <= window_end).count() as u64)
    }
}

/// The places of those that may be in flight at once.
struct Places {
    most: usize,
    vacant: Arc<Semaphore>,
    /// When the last one in line got its place.
    taken: Timestamp,
    /// How late the client itself had made the line by then.
    lag: Duration,
    /// When the last wait for a place ended, and how late the client had made the line by then.
    freed: (Timestamp, Duration),
}

impl Places {
    fn new(most: u64, start: Timestamp) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let (vacant, lag) = (Arc::new(Semaphore::new(most)), Duration::ZERO);
        Self { most, vacant, taken: start, lag, freed: (start, lag) }
    }

    /// Takes a place for the request due at `due`, waiting for one where there is none, and tells how
    /// long the places held that request; `None` where the run is over before.
    ///
    /// Whoever was due before the last wait ended had to wait for that, be it in line: what else made
    /// it late is the client's own doing. So is what the line had lost before to a client that came
    /// late to vacant places: a stall of the client must not pass for a limit that is too low, though
    /// its backlog then waits for places.
    async fn take(
        &mut self,
        due: Timestamp,
        run: &Run,
    ) -> Option<(OwnedSemaphorePermit, Duration)> {
        let idle = self.vacant.available_permits();
        let inherited = self.lag.min(self.taken.since(due));
        if let Ok(place) = Arc::clone(&self.vacant).try_acquire_owned() {
            let now = run.now();
            // The line lost as much of that time as there were places that nobody had.
            let missed = now.since(self.taken.max(due)).mul_f64(idle as f64 / self.most as f64);
            (self.taken, self.lag) = (now, inherited + missed);
            let (freed, lag) = self.freed;
            return Some((place, freed.since(due).saturating_sub(lag)));
        }
        let place = run.unless_over(Arc::clone(&self.vacant).acquire_owned()).await?.ok()?;
        (self.taken, self.lag) = (run.now(), inherited);
        self.freed = (self.taken, self.lag);
        Some((place, self.taken.since(due).saturating_sub(inherited)))
    }
}
