//! What was looked at while a benchmark ran: what Prony and a server beside it took, and what
//! servers told of themselves.
//!
//! A [`Source`] is seen again and again, and each [`Sight`] holds its columns as they stood:
//! [`sight`] makes one of what `collect` samples and scrapes. [`block`] writes a few of them down,
//! [`keeper`] keeps them beside the run, and [`figure`] says what is shown of columns, once they are
//! laid on the steps of a run's time by [`course`].

mod block;
mod course;
mod figure;
mod keeper;
mod sight;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub use course::{Column, Watched};
pub use figure::{Figure, Unit};
pub use keeper::SampleKeeper;
pub use sight::{of_process, of_server};

pub(crate) use course::Grid;

use store::durable::{DurableError, Reader};

use block::Block;
use course::GAP_NANOS_MAX;
use keeper::BLOCK_NANOS;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// This Prony, the machine it runs on and its GPUs.
    Prony,
    /// The process of a target's server, on the same machine.
    Process {
        /// The target.
        target: String,
    },
    /// What a target's server, or an exporter beside it, tells of itself.
    Server {
        /// The target.
        target: String,
        /// Its place among those of the target.
        place: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prony => f.write_str("prony"),
            Self::Process { target } => write!(f, "process/{target}"),
            Self::Server { target, place } => write!(f, "server/{place}/{target}"),
        }
    }
}

/// A text that is no source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSource;

impl FromStr for Source {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, NoSource> {
        match text.split_once('/') {
            None if text == "prony" => Ok(Self::Prony),
            Some(("process", target)) => Ok(Self::Process { target: target.to_owned() }),
            Some(("server", rest)) => {
                let (place, target) = rest.split_once('/').ok_or(NoSource)?;
                let place = place.parse().map_err(|_| NoSource)?;
                Ok(Self::Server { target: target.to_owned(), place })
            }
            _ => Err(NoSource),
        }
    }
}

/// A column of numbers, as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// What it is of.
    pub what: String,
    /// Of which GPU, where it is of one.
    pub gpu: Option<u32>,
}

/// What was seen of a source at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// The moment, in nanoseconds since 1970.
    pub unix_nanos: u64,
    /// The columns that it told. Counters stand as they are.
    pub values: Vec<(Name, f64)>,
}

/// What was seen beside a benchmark in the time of `grid`, by source.
pub(crate) fn watched(
    reader: &Reader,
    benchmark: &str,
    grid: Grid,
) -> Result<Vec<Watched>, DurableError> {
    let from = grid.start_nanos.saturating_sub(GAP_NANOS_MAX + BLOCK_NANOS);
    let mut by_source: BTreeMap<Source, Vec<Block>> = BTreeMap::new();
    for kept in reader.samples(benchmark, from, grid.end_nanos() + GAP_NANOS_MAX)? {
        // A source that this version does not know was written by another one.
        let Ok(source) = kept.source.parse() else { continue };
        let block = Block::decode(&kept.data).unwrap_or_else(|error| Block {
            problem: Some(format!("what was kept cannot be read: {error}")),
            ..Block::default()
        });
        by_source.entry(source).or_default().push(block);
    }
    let watched = |(source, blocks): (Source, Vec<Block>)| Watched::of(source, &blocks, grid);
    let is_told = |watched: &Watched| !watched.columns.is_empty() || watched.problem.is_some();
    Ok(by_source.into_iter().map(watched).filter(is_told).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_written() {
        let target = "a/b".to_owned();
        for source in [
            Source::Prony,
            Source::Process { target: target.clone() },
            Source::Server { target, place: 12 },
        ] {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        for text in ["", "prony/x", "server/x", "server/x/y", "other"] {
            assert_eq!(text.parse::<Source>(), Err(NoSource), "{text}");
        }
    }
}
