//! A fixed number of users, each asking again once answered.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use tokio::task::JoinSet;

use super::{PREPARE_AHEAD, Run, pass_on_panic};
use crate::flight::Slot;
use crate::plan::Closed;
use crate::schedule::join_offset;

/// After how many users that join at once those who did are let run.
const JOIN_AT_ONCE: u64 = 64;
/// How long a user waits after a request that got no connection, doubled with each further one: a
/// server that refuses connections at once must not make a closed loop spin.
const BACK_OFF_FIRST: Duration = Duration::from_millis(10);
/// How long it waits at most.
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

impl Run {
    /// Lets users join as the ramp says, their connections opened a second ahead; no more of them
    /// than there are requests to send.
    pub(super) async fn offer_closed(
        self: &Arc<Self>,
        closed: &Closed,
        start: Timestamp,
        tasks: &mut JoinSet<()>,
    ) {
        let join = |user| start + join_offset(user, closed.users, self.plan.ramp);
        let users = closed.users.min(self.plan.requests_max().unwrap_or(u64::MAX));
        let mut prepared = self.users_joining_by(closed, PREPARE_AHEAD);
        for user in 0..users {
            while self.plan.prepare
                && prepared < users
                && join(prepared) <= join(user) + PREPARE_AHEAD
            {
                let model = Arc::clone(&self.model);
                tasks.spawn(async move {
                    // A failure here meets the user's first request too, and is recorded there.
                    let _ = model.prepare().await;
                });
                prepared += 1;
            }
            let joining = self.pacer.until(join(user));
            if self.unless_over(joining).await.is_none() || self.is_over() {
                break;
            }
            if user % JOIN_AT_ONCE == JOIN_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let (run, closed) = (Arc::clone(self), closed.clone());
            let joined = join(user);
            tasks.spawn(async move { run.user(&closed, user, joined).await });
            while let Some(joined) = tasks.try_join_next() {
                pass_on_panic(joined);
            }
        }
    }

    /// One user: asks, waits for the answer, thinks, asks again. After a request that got no
    /// connection it does not become ready for the next before a while has passed.
    async fn user(&self, closed: &Closed, user: u64, joined: Timestamp) {
        let turns = closed
            .requests_per_user
            .map_or(u32::MAX, |each| u32::try_from(each).unwrap_or(u32::MAX));
        let mut planned = joined;
        let mut unconnected = 0;
        for turn in 0..turns {
            self.tower.intake.admit().await;
            let Some(index) = self.claim(planned) else { break };
            let slot = Slot { user, turn, planned, held: None, warmup: false };
            let landing = self.perform(index, slot).await;
            if turn + 1 == turns || self.is_over() {
                break;
            }
            unconnected = if landing.unconnected { unconnected + 1 } else { 0 };
            planned = landing.at + closed.think.max(back_off(unconnected));
            if self.unless_over(self.due_or_end(planned)).await.is_none() {
                break;
            }
        }
    }

    /// How many users have joined once `offset` has passed.
    pub(super) fn users_joining_by(&self, closed: &Closed, offset: Duration) -> u64 {
        let joined = |user| join_offset(user, closed.users, self.plan.ramp) <= offset;
        let (mut low, mut high) = (0, closed.users);
        while low < high {
            let middle = low + (high - low) / 2;
            if joined(middle) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// How long a user waits whose last `unconnected` requests got no connection.
fn back_off(unconnected: u32) -> Duration {
    match unconnected.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => {
            BACK_OFF_FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(BACK_OFF_MAX)
        }
    }
}
