//! How a run's chunks were read: how late, and how many at once.

use domain::Chunks;

use crate::{Proportion, Recorder};

/// Counts chunks by what is known of their arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    /// Of chunks with a kernel stamp.
    lag: Recorder,
    chunks: u64,
    unstamped: u64,
    merged: u64,
}

impl Reads {
    /// Takes in the chunks of one answer.
    ///
    /// Arrival and lag together are the moment of the read, which tells chunks that shared one.
    pub(crate) fn record(&mut self, chunks: &Chunks) {
        self.chunks += chunks.len() as u64;
        let mut later_read = None;
        for (&arrived, &lag) in chunks.arrived_nanos().iter().zip(chunks.lag_nanos()).rev() {
            match lag {
                0 => self.unstamped += 1,
                _ => self.lag.record(u64::from(lag)),
            }
            let read = arrived.saturating_add(u64::from(lag));
            self.merged += u64::from(later_read == Some(read));
            later_read = Some(read);
        }
    }

    /// The read lags of chunks that have a stamp.
    pub(crate) const fn lag(&self) -> &Recorder {
        &self.lag
    }

    /// Chunks without a kernel stamp, of all.
    pub(crate) const fn unstamped(&self) -> Proportion {
        Proportion { hits: self.unstamped, total: self.chunks }
    }

    /// Chunks that shared a read with a later one of the same answer, of all.
    pub(crate) const fn merged(&self) -> Proportion {
        Proportion { hits: self.merged, total: self.chunks }
    }
}
