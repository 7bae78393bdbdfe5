//! Shows a run's progress on standard error, four times a second where a person watches.

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Timestamp};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use load::{Live, Plan};

use crate::output;

const INTERVAL: Duration = Duration::from_millis(250);

/// A run's progress display.
pub(crate) struct Progress {
    bar: ProgressBar,
    live: Arc<Live>,
    clock: Arc<dyn Clock>,
    by_time: Option<Duration>,
    last: Option<(Timestamp, u64, u64)>,
}

impl Progress {
    /// A display for `plan`, hidden where nobody watches or `is_hidden` says so.
    pub(crate) fn new(
        title: &str,
        plan: &Plan,
        live: Arc<Live>,
        clock: Arc<dyn Clock>,
        is_hidden: bool,
    ) -> Self {
        let by_time = if plan.requests_max().is_some() { None } else { plan.stop.duration };
        let length = match (plan.requests_max(), by_time) {
            (Some(requests), _) => requests,
            (None, Some(duration)) => duration.as_millis() as u64,
            (None, None) => 0,
        };
        let hidden = is_hidden || !output::is_watched();
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {percent:>3}% {msg}")
            .expect("the template is legal")
            .progress_chars("━╸ ");
        bar.set_style(style);
        bar.set_prefix(title.to_owned());
        Self { bar, live, clock, by_time, last: None }
    }

    /// Redraws until it is dropped. Never returns.
    pub(crate) async fn show(&mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            self.draw();
        }
    }

    fn draw(&mut self) {
        let (live, now) = (Arc::clone(&self.live), self.clock.now());
        let done = live.succeeded() + live.failed();
        let place = match (self.by_time, live.window_start()) {
            (None, _) => done,
            (Some(whole), Some(start)) => now.since(start).min(whole).as_millis() as u64,
            (Some(_), None) => 0,
        };
        self.bar.set_position(place);
        let message = if live.window_start().is_none() {
            format!("warming up ({} sent)", live.warming())
        } else {
            let (requests_per_s, tokens_per_s) = self.rates(now, done);
            format!(
                "{done} done, {} in flight, {} failed, {requests_per_s:.1} req/s, \
                 {tokens_per_s:.0} chunks/s",
                live.in_flight(),
                live.failed(),
            )
        };
        self.bar.set_message(message);
    }

    /// Rates since about a second ago.
    fn rates(&mut self, now: Timestamp, done: u64) -> (f64, f64) {
        let tokens = self.live.tokens();
        let (then, done_then, tokens_then) = *self.last.get_or_insert((now, done, tokens));
        let seconds = now.since(then).as_secs_f64();
        if seconds <= 0.0 {
            return (0.0, 0.0);
        }
        let rate = |count: u64, before: u64| count.saturating_sub(before) as f64 / seconds;
        let rates = (rate(done, done_then), rate(tokens, tokens_then));
        if seconds > 1.0 {
            self.last = Some((now, done, tokens));
        }
        rates
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
