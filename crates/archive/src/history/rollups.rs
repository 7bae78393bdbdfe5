//! Figures of series over any time, in steps: what a chart is drawn of.

use std::collections::BTreeSet;

use alert::question::Filters;
use alert::{Dimension, Labels};
use analysis::Sketch;
use analysis::rollup::Rollup;
use store::durable::RollupRange;

use super::grid::{Grid, Step};
use super::group::groups;
use super::{History, HistoryError};
use crate::archive::length;
use crate::rollup::Merger;

/// The most groups of an answer.
pub const GROUPS_MAX: usize = 200;

/// Which figures are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupQuestion {
    /// The first moment, in milliseconds since 1970.
    pub from_unix_ms: u64,
    /// The moment after the last one. Both are taken to whole seconds.
    pub to_unix_ms: u64,
    /// How far apart the points are.
    pub step: Step,
    /// Which requests count.
    pub filters: Filters,
    /// The dimensions whose values tell the groups apart; none for one group of them all.
    pub group_by: BTreeSet<Dimension>,
}

/// The figures of each group.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollups {
    /// How long each step is.
    pub step_s: u64,
    /// When each starts, in milliseconds since 1970: at whole multiples of the step. What lies before
    /// or after the time asked for counts in none.
    pub times_unix_ms: Vec<u64>,
    /// Each group, by its labels.
    pub series: Vec<RollupSeries>,
}

/// The figures of a group, a value a step.
#[derive(Clone, Debug, PartialEq)]
pub struct RollupSeries {
    /// A value for each dimension grouped by.
    pub labels: Labels,
    /// Requests that ended.
    pub requests: Vec<u64>,
    /// Of these, those that failed.
    pub errors: Vec<u64>,
    /// Tokens of prompts.
    pub input_tokens: Vec<u64>,
    /// Tokens of answers.
    pub output_tokens: Vec<u64>,
    /// How many were under way, in the mean.
    pub in_flight: Vec<f64>,
    /// Time to the first token.
    pub ttft_ms: Quantiles,
    /// Time per output token.
    pub tpot_ms: Quantiles,
    /// End-to-end latency.
    pub e2e_ms: Quantiles,
}

/// Quantiles, a value a step; `None` where nothing was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// The medians.
    pub p50: Vec<Option<f64>>,
    /// The 95th percentiles.
    pub p95: Vec<Option<f64>>,
    /// The 99th percentiles.
    pub p99: Vec<Option<f64>>,
}

impl Quantiles {
    pub(super) fn push(&mut self, sketch: &Sketch) {
        let values = sketch.quantiles_ms([0.5, 0.95, 0.99]).map(|values| values.map(Some));
        let [p50, p95, p99] = values.unwrap_or_default();
        self.p50.push(p50);
        self.p95.push(p95);
        self.p99.push(p99);
    }
}

impl History {
    /// The figures of each group, in steps.
    ///
    /// # Errors
    /// Where the question asks for too much, or the store cannot be read.
    pub fn rollups(&self, question: &RollupQuestion) -> Result<Rollups, HistoryError> {
        let from_s = question.from_unix_ms / 1_000;
        let to_s = question.to_unix_ms.div_ceil(1_000);
        let grid = Grid::new(from_s, to_s, question.step, &self.kept()?)?;
        let keys = self.reader.series()?;
        let keys = keys.iter().map(String::as_str);
        let groups = groups(keys, &question.filters, &question.group_by);
        let mut series = Vec::new();
        for (labels, keys) in groups {
            // A group that was quiet all the time is none of this time's.
            let Some(steps) = self.steps(&grid, &keys)? else { continue };
            if series.len() == GROUPS_MAX {
                return Err(HistoryError::TooManyGroups);
            }
            series.push(RollupSeries::new(labels, &steps, grid.step_s));
        }
        let times_unix_ms = grid.starts().map(|start| start * 1_000).collect();
        Ok(Rollups { step_s: grid.step_s, times_unix_ms, series })
    }

    /// What the series together amount to in each step; `None` where there is no window at all.
    pub(super) fn steps(
        &self,
        grid: &Grid,
        keys: &[String],
    ) -> Result<Option<Vec<Rollup>>, HistoryError> {
        let ranges = grid.pieces.iter().map(|piece| RollupRange {
            resolution_s: length(piece.resolution),
            from_unix_s: piece.from_s,
            to_unix_s: piece.to_s,
            series: Some(keys),
        });
        let ranges: Vec<RollupRange<'_>> = ranges.collect();
        let (mut steps, mut is_known) = (vec![Rollup::default(); grid.count], false);
        let mut merger = Merger::default();
        self.reader.each_rollup(&ranges, |start, data| {
            is_known = true;
            let step = &mut steps[grid.place(start)];
            merger.merge_figures(step, data).map_err(|error| error.to_string())?;
            Ok(())
        })?;
        Ok(is_known.then_some(steps))
    }
}

impl RollupSeries {
    fn new(labels: Labels, steps: &[Rollup], step_s: u64) -> Self {
        let step_nanos = step_s as f64 * 1e9;
        let mut quantiles: [Quantiles; 3] = Default::default();
        for Rollup { ended, .. } in steps {
            for (quantiles, sketch) in
                quantiles.iter_mut().zip([&ended.ttft, &ended.tpot, &ended.e2e])
            {
                quantiles.push(sketch);
            }
        }
        let [ttft_ms, tpot_ms, e2e_ms] = quantiles;
        Self {
            labels,
            requests: steps.iter().map(|step| step.ended.requests()).collect(),
            errors: steps.iter().map(|step| step.ended.failed.total()).collect(),
            input_tokens: steps.iter().map(|step| step.flow.input_tokens).collect(),
            output_tokens: steps.iter().map(|step| step.flow.output_tokens).collect(),
            in_flight: steps.iter().map(|step| step.flow.busy_nanos as f64 / step_nanos).collect(),
            ttft_ms,
            tpot_ms,
            e2e_ms,
        }
    }
}
