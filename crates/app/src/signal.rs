//! Ctrl-C: the first asks to stop, the second to stop at once.

use std::fmt::Display;

use load::Control;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::{Exit, UserError};

/// Watches for SIGINT and SIGTERM.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Takes the signals over; call inside a runtime.
    pub(crate) fn watch() -> Result<Self, UserError> {
        let take = |kind| {
            signal(kind).map_err(|error| {
                UserError::new(Exit::Other, format!("cannot watch for Ctrl-C: {error}"))
            })
        };
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Stops the run on the first signal and aborts it on the second; the user is told by `say`.
    /// Never returns.
    pub(crate) async fn govern(&mut self, control: &Control, say: impl Fn(&dyn Display)) {
        self.next().await;
        say(&"stopping: waiting for the requests in flight (Ctrl-C again gives them up)");
        control.stop.cancel();
        self.next().await;
        say(&"giving up the requests in flight");
        control.abort.cancel();
        std::future::pending::<()>().await;
    }
}
