//! Pushes metrics over OTLP, and tells once where that does not work.

use std::sync::Arc;

use collect::Collector;
use collect::otlp::{Pusher, Settings, Status};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, UserError};
use crate::{output, random};

/// Metrics being pushed.
pub(super) struct Pushing {
    pusher: Arc<Pusher>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Pushing {
    /// Pushes what `collector` has counted. Called on the runtime that it will be done on.
    pub(super) fn start(
        mut settings: Settings,
        collector: Arc<Collector>,
    ) -> Result<Self, UserError> {
        if settings.instance.is_empty() {
            settings.instance = instance().map_err(|error| {
                UserError::new(Exit::Other, format!("the system gives no random bytes: {error}"))
            })?;
        }
        let endpoint = settings.endpoint.clone();
        let pusher = Pusher::new(settings, collector)
            .map_err(|error| UserError::usage(format!("metrics cannot be pushed: {error}")))?;
        let (pusher, stop) = (Arc::new(pusher), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(tell(Arc::clone(&pusher), endpoint, stop.clone()));
        let (pushing, stopped) = (Arc::clone(&pusher), stop.clone());
        tasks.spawn(async move { pushing.run(stopped.cancelled()).await });
        Ok(Self { pusher, stop, tasks })
    }

    /// How pushing fares, for whoever asks.
    pub(super) fn status(&self) -> impl Fn() -> Status + Send + Sync + use<> {
        let pusher = Arc::clone(&self.pusher);
        move || pusher.status()
    }

    /// Pushes once more, and ends. To be called when nothing is collected any more.
    pub(super) async fn finish(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Tells what is wrong, once for as long as it stays so.
async fn tell(pusher: Arc<Pusher>, endpoint: String, stop: CancellationToken) {
    let mut changes = pusher.watch();
    let mut told = None;
    while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
        let status = changes.borrow_and_update().clone();
        let failure = status.last_failure.as_ref();
        let is_new = |at: u64| status.last_success_unix_ms.is_none_or(|taken| at >= taken);
        let wrong = failure.filter(|failure| is_new(failure.at_unix_ms));
        let wrong = wrong.map(|failure| failure.message.clone());
        if let Some(wrong) = wrong.as_ref().filter(|wrong| told.as_ref() != Some(*wrong)) {
            output::talk(&format!("warning: metrics are not pushed to {endpoint}: {wrong}"));
        }
        told = wrong;
    }
}

/// A random UUID (RFC 9562, version 4).
fn instance() -> std::io::Result<String> {
    let mut bytes: [u8; 16] = random::bytes()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = random::digits(&bytes);
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    Ok(parts.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_a_uuid_of_its_own() {
        let [one, other] = [instance().unwrap(), instance().unwrap()];
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}
