//! What comes before the measured window: connections, and requests that only warm up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use domain::Failure;
use tokio::task::JoinSet;

use super::{PREPARE_AHEAD, Run, pass_on_panic};
use crate::flight::Slot;
use crate::plan::Load;

/// How many connections are opened at a time.
const PREPARE_AT_ONCE: u64 = 128;
/// How many connections an open loop opens beforehand at most.
const PREPARE_OPEN_MAX: u64 = 512;
/// How many warm-up requests are in flight at a time at most.
const WARMUP_AT_ONCE: u64 = 64;

impl Run {
    /// Opens the connections of those who start within the first second.
    pub(super) async fn prepare_first(&self) -> Result<(), Failure> {
        if !self.plan.prepare {
            return Ok(());
        }
        let wanted = match &self.plan.load {
            Load::Closed(closed) => self.users_joining_by(closed, PREPARE_AHEAD),
            Load::Open(open) => (open.rate_per_s.ceil() as u64)
                .clamp(1, PREPARE_OPEN_MAX)
                .min(open.in_flight_max.unwrap_or(u64::MAX)),
        };
        let wanted = wanted.min(self.plan.requests_max().unwrap_or(u64::MAX));
        let mut opened = 0;
        let mut opening = JoinSet::new();
        while opened < wanted {
            for _ in 0..PREPARE_AT_ONCE.min(wanted - opened) {
                let model = Arc::clone(&self.model);
                opening.spawn(async move { model.prepare().await });
                opened += 1;
            }
            let mut failed = None;
            while let Some(joined) = opening.join_next().await {
                failed = pass_on_panic(joined).and_then(Result::err).or(failed);
            }
            match failed {
                Some(failure) if opened <= PREPARE_AT_ONCE => return Err(failure),
                // A server that takes no more connections: that is for the requests to find out.
                Some(_) => break,
                None => {}
            }
        }
        Ok(())
    }

    /// Sends the warm-up requests and waits for their ends.
    pub(super) async fn warm_up(self: &Arc<Self>) {
        let at_once = match &self.plan.load {
            Load::Closed(closed) => closed.users,
            Load::Open(open) => open.in_flight_max.unwrap_or(WARMUP_AT_ONCE),
        };
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        for user in 0..at_once.min(WARMUP_AT_ONCE).min(self.plan.warmup) {
            let (run, next) = (Arc::clone(self), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let index = next.fetch_add(1, Relaxed);
                    if index >= run.plan.warmup || run.control.stop.is_cancelled() {
                        break;
                    }
                    let planned = run.now();
                    let slot = Slot { user, turn: 0, planned, held: None, warmup: true };
                    run.perform(index, slot).await;
                }
            });
        }
        while let Some(joined) = self.control.abort.run_until_cancelled(tasks.join_next()).await {
            match joined {
                Some(joined) => pass_on_panic(joined),
                None => break,
            };
        }
        // Where it is told to stop at once, so that what is in flight is recorded before the run ends.
        tasks.shutdown().await;
    }
}
