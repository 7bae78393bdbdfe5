//! Where a test lets the store die: between two steps that must both happen or neither show.

/// A moment at which the process may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// New partitions are on the device under their drafts' names.
    Drafted,
    /// They have their own names, and the catalog knows nothing of them.
    Published,
    /// The catalog counts them, and what they replace lies there still.
    Recorded,
}

#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "in tests it may fail")]
pub(crate) const fn pass(_: Moment) -> Result<(), super::DurableError> {
    Ok(())
}

#[cfg(test)]
pub(crate) use testing::{fail_at, pass};

#[cfg(test)]
mod testing {
    use std::cell::Cell;

    use super::Moment;
    use crate::durable::DurableError;

    thread_local! {
        static DUE: Cell<Option<Moment>> = const { Cell::new(None) };
    }

    /// Lets this thread fail at the next such moment.
    pub(crate) fn fail_at(moment: Moment) {
        DUE.set(Some(moment));
    }

    pub(crate) fn pass(moment: Moment) -> Result<(), DurableError> {
        if DUE.get() != Some(moment) {
            return Ok(());
        }
        DUE.set(None);
        Err(DurableError::NotKept { reason: format!("the test ends here: {moment:?}") })
    }
}
