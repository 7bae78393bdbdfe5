//! Lays what was seen on the steps of a run's time.
//!
//! Between two sights a level goes straight from one to the other and a counter grows evenly, so
//! that each step gets its part of both whether or not a sight falls into it.

use std::collections::{BTreeMap, BTreeSet};

use super::block::Block;
use super::figure::{self, Figure, Of};
use super::{Name, Sight, Source};

/// Two sights further apart say nothing of the time between them.
pub(crate) const GAP_NANOS_MAX: u64 = 15_000_000_000;

/// Steps of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start_nanos: u64,
    pub(crate) step_nanos: u64,
    pub(crate) steps: usize,
}

impl Grid {
    pub(crate) const fn end_nanos(self) -> u64 {
        self.start_nanos + self.step_nanos * self.steps as u64
    }
}

/// A source over the time of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Watched {
    /// Who it is.
    pub source: Source,
    /// Its figures.
    pub columns: Vec<Column>,
    /// Why it was last not seen, where that happened.
    pub problem: Option<String>,
}

/// A figure over the time of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// What it is.
    pub figure: Figure,
    /// Of which GPU, where it is of one.
    pub gpu: Option<u32>,
    /// A value a step; `None` where nobody looked.
    pub values: Vec<Option<f64>>,
}

impl Watched {
    /// A source that was seen as `blocks` say, which are by time.
    pub(super) fn of(source: Source, blocks: &[Block], grid: Grid) -> Self {
        let sights: Vec<&Sight> = blocks.iter().flat_map(|block| &block.sights).collect();
        let problem = blocks.iter().rev().find_map(|block| block.problem.clone());
        let columns = Columns::of(&sights, grid);
        Self { source, columns: columns.figures(), problem }
    }

    /// A figure that is not of a GPU, by its name.
    #[must_use]
    pub fn values(&self, name: &str) -> Option<&[Option<f64>]> {
        let is_it = |column: &&Column| column.gpu.is_none() && column.figure.name == name;
        self.columns.iter().find(is_it).map(|column| &*column.values)
    }
}

/// Of a step: the time that is known of, and over it the sum of levels and the growth of counters.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    seconds: f64,
    level_seconds: f64,
    growth: f64,
}

/// Every column that was told, on the grid.
struct Columns {
    parts: BTreeMap<Name, Vec<Part>>,
    steps: usize,
}

impl Columns {
    fn of(sights: &[&Sight], grid: Grid) -> Self {
        let mut columns = Self { parts: BTreeMap::new(), steps: grid.steps };
        let mut last: BTreeMap<&Name, (u64, f64)> = BTreeMap::new();
        for sight in sights {
            for (name, value) in &sight.values {
                let now = (sight.unix_nanos, *value);
                if let Some(before) = last.insert(name, now) {
                    columns.lay(name, before, now, grid);
                }
            }
        }
        columns
    }

    fn lay(&mut self, name: &Name, before: (u64, f64), now: (u64, f64), grid: Grid) {
        let ((from, low), (to, high)) = (before, now);
        if from >= to || to - from > GAP_NANOS_MAX {
            return;
        }
        let whole = (to - from) as f64;
        let place = |nanos: u64| nanos.saturating_sub(grid.start_nanos) / grid.step_nanos;
        let end = grid.end_nanos();
        if to <= grid.start_nanos || from >= end {
            return;
        }
        let parts =
            self.parts.entry(name.clone()).or_insert_with(|| vec![Part::default(); self.steps]);
        let level = |nanos: u64| low + (high - low) * (nanos - from) as f64 / whole;
        for step in place(from)..=place(to - 1) {
            let Some(part) = usize::try_from(step).ok().and_then(|step| parts.get_mut(step)) else {
                break;
            };
            let start = grid.start_nanos + step * grid.step_nanos;
            let (inside_from, inside_to) =
                (from.max(start), to.min(start.saturating_add(grid.step_nanos)));
            let seconds = (inside_to - inside_from) as f64 / 1e9;
            part.seconds += seconds;
            part.level_seconds += seconds * f64::midpoint(level(inside_from), level(inside_to));
            // A counter that fell began anew: how much it grew is not known.
            part.growth += (high - low).max(0.0) * (inside_to - inside_from) as f64 / whole;
        }
    }

    fn figures(&self) -> Vec<Column> {
        let gpus: BTreeSet<Option<u32>> = self.parts.keys().map(|name| name.gpu).collect();
        let column = |figure: &Figure, gpu| {
            let values = self.values(figure, gpu)?;
            let is_known = values.iter().any(Option::is_some);
            is_known.then_some(Column { figure: *figure, gpu, values })
        };
        let of_all = figure::ALL.iter().flat_map(|figure| gpus.iter().map(move |g| (figure, *g)));
        of_all.filter_map(|(figure, gpu)| column(figure, gpu)).collect()
    }

    fn values(&self, figure: &Figure, gpu: Option<u32>) -> Option<Vec<Option<f64>>> {
        let parts = |what: &str| self.parts.get(&Name { what: what.to_owned(), gpu });
        let factor = figure.factor;
        let per = |amount: f64, base: f64| (base > 0.0).then(|| factor * amount / base);
        Some(match figure.of {
            Of::Level(what) => {
                parts(what)?.iter().map(|part| per(part.level_seconds, part.seconds)).collect()
            }
            Of::Rate(what) => {
                parts(what)?.iter().map(|part| per(part.growth, part.seconds)).collect()
            }
            Of::Share(what, base) => {
                let pairs = parts(what)?.iter().zip(parts(base)?);
                pairs.map(|(part, base)| per(part.growth, base.growth)).collect()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const GRID: Grid = Grid { start_nanos: 100 * SECOND, step_nanos: SECOND, steps: 4 };

    fn watched(what: &str, seen: &[(f64, f64)]) -> Watched {
        let sight = |(at, value): &(f64, f64)| Sight {
            unix_nanos: (at * 1e9) as u64,
            values: vec![(Name { what: what.to_owned(), gpu: None }, *value)],
        };
        let block = Block { sights: seen.iter().map(sight).collect(), problem: None };
        Watched::of(Source::Prony, &[block], GRID)
    }

    #[test]
    fn a_counter_grows_evenly_between_two_sights() {
        let seen = watched("cpu_seconds", &[(99.5, 10.0), (101.5, 12.0), (102.0, 12.0)]);
        assert_eq!(
            seen.values("cpu"),
            Some(&[Some(100.0), Some(50.0), None, None][..]),
            "a core until 101.5 s, nothing for half a second, then nobody looked"
        );
    }

    #[test]
    fn a_level_goes_straight_from_one_sight_to_the_next() {
        let seen = watched("requests_running", &[(100.0, 0.0), (102.0, 8.0), (103.0, 2.0)]);
        assert_eq!(
            seen.values("requests_running"),
            Some(&[Some(2.0), Some(6.0), Some(5.0), None][..])
        );
    }

    #[test]
    fn what_lies_elsewhere_or_far_apart_or_fell_says_nothing() {
        for seen in [&[(90.0, 1.0), (99.0, 2.0)], &[(104.0, 1.0), (105.0, 2.0)]] {
            assert_eq!(watched("cpu_seconds", seen).columns, []);
        }
        let apart = watched("cpu_seconds", &[(90.0, 1.0), (110.0, 2.0)]);
        assert_eq!(apart.columns, []);
        let anew = watched("output_tokens", &[(100.0, 500.0), (101.0, 20.0), (102.0, 60.0)]);
        assert_eq!(anew.values("output_tokens"), Some(&[Some(0.0), Some(40.0), None, None][..]));
    }

    #[test]
    fn a_share_is_of_what_both_counters_grew() {
        let sight = |at: u64, hits: f64, queries: f64| Sight {
            unix_nanos: at * SECOND,
            values: [("prefix_cache_hits", hits), ("prefix_cache_queries", queries)]
                .map(|(what, value)| (Name { what: what.to_owned(), gpu: None }, value))
                .to_vec(),
        };
        let sights = vec![sight(100, 5.0, 50.0), sight(101, 15.0, 90.0), sight(102, 15.0, 90.0)];
        let block = Block { sights, problem: Some("gone".to_owned()) };
        let seen = Watched::of(Source::Prony, &[block], GRID);
        assert_eq!(seen.values("prefix_cache_hits"), Some(&[Some(25.0), None, None, None][..]));
        assert_eq!(seen.problem.as_deref(), Some("gone"));
    }
}
