//! What is asked of what was kept.
//!
//! Of the rollups: [`rollups`] answers charts, [`History::readings`] alert rules; [`mod@grid`] picks the
//! windows that either reads. Of the records: [`run`] is one run of a benchmark, looked at as a
//! whole, [`records`] its requests one by one, and [`contents`] what those asked and were answered.
//! Everything reads files and may take its time: not
//! for the threads that serve many.

pub mod grid;
mod group;
pub mod rollups;

mod readings;

pub mod contents;
pub mod records;
pub mod run;

use std::sync::Arc;

use analysis::rollup::Resolution;
use store::durable::{DurableError, Reader};

pub use contents::ContentPage;
pub use grid::{GridError, POINTS_MAX, Step};
pub use records::{Cursor, Order, Outcomes, RecordPage, RecordQuestion};
pub use rollups::{Quantiles, RollupQuestion, RollupSeries, Rollups};
pub use run::{Distribution, Heatmap, Latency, RunView, Timeline};

use crate::archive::length;
use grid::Kept;
use run::Views;

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] DurableError),
    /// The time and the steps asked for do not go together.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// There would be too many groups.
    #[error(
        "there would be more than {} series, and no more may be; group by less, or filter",
        rollups::GROUPS_MAX
    )]
    TooManyGroups,
}

/// Answers what is asked of a store. Clones are the same one.
#[derive(Clone, Debug)]
pub struct History {
    reader: Reader,
    views: Arc<Views>,
}

impl History {
    /// The history that a store holds.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader, views: Arc::default() }
    }

    /// Where the windows of each resolution begin.
    fn kept(&self) -> Result<Kept, DurableError> {
        let mut kept = Kept::default();
        for resolution in Resolution::ALL {
            let firsts = self.reader.first_rollups(length(resolution))?;
            kept.0.extend(firsts.into_values().min().map(|first| (resolution, first)));
        }
        Ok(kept)
    }
}
