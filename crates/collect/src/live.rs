//! Windows of the last moments, several a second, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use analysis::rollup::Rollup;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::Tracked;

/// What became known since the window before.
#[derive(Debug)]
pub struct LiveWindow {
    /// When it ended, in milliseconds since 1970.
    pub at_unix_ms: u64,
    /// How long it is. Longer than asked for where the collector was too busy to publish in time.
    pub interval: Duration,
    /// The series in which anything went on.
    pub series: Vec<LiveSeries>,
}

/// What became known of a series.
#[derive(Clone, Debug)]
pub struct LiveSeries {
    /// The series.
    pub series: Arc<Tracked>,
    /// Of the requests that ended: all their tokens, whenever they came.
    pub rollup: Rollup,
    /// Requests in flight at the window's end, as far as producers say when they begin.
    pub in_flight: u64,
    /// The token-bearing chunks that came during the window, of all requests in flight, as far as
    /// producers say.
    pub chunks: u64,
}

/// Publishes live windows to any number of watchers, and waits for none.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// `None` once there will be no more.
    windows: Mutex<Option<broadcast::Sender<Arc<LiveWindow>>>>,
    thinned: Arc<AtomicU64>,
}

impl Publisher {
    /// A watcher may fall behind by `backlog` windows before it misses some.
    pub(crate) fn new(backlog: usize) -> Self {
        let (windows, _) = broadcast::channel(backlog.max(1));
        Self { windows: Mutex::new(Some(windows)), thinned: Arc::default() }
    }

    pub(crate) fn watch(&self) -> LiveWindows {
        let windows = match &*self.lock() {
            Some(windows) => windows.subscribe(),
            None => broadcast::channel(1).1,
        };
        LiveWindows { windows, thinned: Arc::clone(&self.thinned) }
    }

    pub(crate) fn publish(&self, window: LiveWindow) {
        if let Some(windows) = &*self.lock() {
            // Fails where nobody watches.
            let _ = windows.send(Arc::new(window));
        }
    }

    /// Lets watchers know that nothing more comes.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<broadcast::Sender<Arc<LiveWindow>>>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes windows that were due and joined into a longer one instead.
    pub(crate) fn note_joined(&self, windows: u64) {
        self.thinned.fetch_add(windows, Ordering::Relaxed);
    }

    pub(crate) fn thinned(&self) -> u64 {
        self.thinned.load(Ordering::Relaxed)
    }
}

/// The live windows, as one watcher sees them.
#[derive(Debug)]
pub struct LiveWindows {
    windows: broadcast::Receiver<Arc<LiveWindow>>,
    thinned: Arc<AtomicU64>,
}

impl LiveWindows {
    /// The next window, and how many were missed before it since this watcher was too slow; `None`
    /// once the worker has ended.
    pub async fn next(&mut self) -> Option<(Arc<LiveWindow>, u64)> {
        let mut missed = 0;
        loop {
            match self.windows.recv().await {
                Ok(window) => return Some((window, missed)),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(windows)) => {
                    missed += windows;
                    self.thinned.fetch_add(windows, Ordering::Relaxed);
                }
            }
        }
    }
}
