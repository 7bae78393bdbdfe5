//! What may become of a benchmark.

/// Where a benchmark stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It waits for its turn.
    Queued,
    /// It is being carried out.
    Running,
    /// Every run took place.
    Completed,
    /// At least one run could not take place, or brought no answer at all.
    Failed,
    /// Somebody asked for its end.
    Cancelled,
    /// The process ended before it did; what was measured stands.
    Interrupted,
}

/// What happens to a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Its turn comes.
    Start,
    /// Its last run has ended.
    Complete,
    /// It cannot be carried out, or not to its end.
    Fail,
    /// It ends because somebody asked for that.
    Cancel,
    /// It ends with the process, or is found to have ended so.
    Interrupt,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The status after `event`, `None` where that cannot happen.
    ///
    /// | | start | complete | fail | cancel | interrupt |
    /// |---|---|---|---|---|---|
    /// | queued | running | – | failed | cancelled | – |
    /// | running | – | completed | failed | cancelled | interrupted |
    /// | any other | – | – | – | – | – |
    ///
    /// A benchmark that waits is not interrupted by the process's end: it waits on.
    #[must_use]
    pub const fn after(self, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Queued, Event::Start) => Some(Self::Running),
            (Self::Running, Event::Complete) => Some(Self::Completed),
            (Self::Queued | Self::Running, Event::Fail) => Some(Self::Failed),
            (Self::Queued | Self::Running, Event::Cancel) => Some(Self::Cancelled),
            (Self::Running, Event::Interrupt) => Some(Self::Interrupted),
            (Self::Queued, Event::Complete | Event::Interrupt)
            | (Self::Running, Event::Start)
            | (Self::Completed | Self::Failed | Self::Cancelled | Self::Interrupted, _) => None,
        }
    }

    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// The status that `word` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Event; 5] =
        [Event::Start, Event::Complete, Event::Fail, Event::Cancel, Event::Interrupt];

    #[test]
    fn the_table_of_transitions_is_the_documented_one() {
        let row = |status: Status| {
            EVENTS.map(|event| status.after(event).map_or("–", Status::as_str)).join(" ")
        };
        assert_eq!(row(Status::Queued), "running – failed cancelled –");
        assert_eq!(row(Status::Running), "– completed failed cancelled interrupted");
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            assert_eq!(row(status), "– – – – –", "{status:?}");
        }
    }

    #[test]
    fn every_status_is_known_by_its_word() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.as_str()), Some(status));
        }
        assert_eq!(Status::from_word("done"), None);
    }
}
