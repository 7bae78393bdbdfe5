//! What a receiver is told: alerts in words, several in one message.

use std::time::Duration;

use crate::matcher::AlertLabels;
use crate::moment::Moment;

/// One alert as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Its labels, which no other alert has.
    pub labels: AlertLabels,
    /// The sentence that tells of it.
    pub summary: String,
    /// When it began to fire.
    pub fired_at: Moment,
    /// When it was good again; `None` while it fires.
    pub resolved_at: Option<Moment>,
}

/// What one receiver is to be told at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The receiver's name.
    pub receiver: String,
    /// What its alerts have in common.
    pub group: AlertLabels,
    /// The alerts, never none: those that fire first.
    pub notices: Vec<Notice>,
    /// How long the receiver may believe it where nothing more is said.
    pub valid_for: Duration,
}

impl Message {
    /// Whether any of its alerts still fires.
    #[must_use]
    pub fn is_firing(&self) -> bool {
        self.notices.iter().any(|notice| notice.resolved_at.is_none())
    }

    /// What it is about, in a line: `[2 firing, 1 resolved] HighLatency`.
    #[must_use]
    pub fn title(&self) -> String {
        let counts = match self.counts() {
            (firing, 0) => format!("{firing} firing"),
            (0, resolved) => format!("{resolved} resolved"),
            (firing, resolved) => format!("{firing} firing, {resolved} resolved"),
        };
        let about: Vec<&str> =
            self.group.values().map(String::as_str).filter(|value| !value.is_empty()).collect();
        let about = if about.is_empty() { "alerts".to_owned() } else { about.join(", ") };
        format!("[{counts}] {about}")
    }

    /// How many of its alerts fire, and how many are resolved.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let firing = self.notices.iter().filter(|notice| notice.resolved_at.is_none()).count();
        (firing, self.notices.len() - firing)
    }
}

/// Why a message did not reach its receiver. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// What happened and, where that is known, what to do.
    pub message: String,
    /// How long the receiver asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the receiver may have taken the message all the same: it was sent, and no answer came.
    pub may_have_arrived: bool,
}

impl DeliveryError {
    /// A message that certainly did not arrive.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry_after: None, may_have_arrived: false }
    }

    /// A message that was sent, and to which no answer came.
    #[must_use]
    pub fn unanswered(message: impl Into<String>) -> Self {
        Self { may_have_arrived: true, ..Self::new(message) }
    }
}
