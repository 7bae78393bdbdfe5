//! What a benchmark measured before the process died under it: its records outlive the process, and
//! the results of runs that had not ended are made of them.

use std::collections::BTreeMap;

use analysis::{ArrivalClock, RunAccumulator};
use domain::{Exchange, Timestamp};
use load::Load;
use report::json;
use serde_json::Value;
use store::STORED_ANCHOR;

use crate::benchmark::{BenchmarkId, Spec};
use crate::catalogue::{Catalogue, Target};
use crate::keeper::{Keeper, KeeperError};
use crate::protocol::Protocol;

/// A benchmark that was running when the process died.
pub(crate) struct Unfinished {
    pub(crate) id: BenchmarkId,
    /// What it was to do, as far as the configuration still knows.
    pub(crate) spec: Spec,
}

/// Requests of runs that had not ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
}

/// A run that has records and no results.
struct Begun<'a> {
    case: &'a Case<'a>,
    target: &'a Target,
    span: Span,
    figures: RunAccumulator,
}

/// When a run began and ended, as its records tell.
#[derive(Clone, Copy)]
struct Span {
    window_start: Timestamp,
    end: Timestamp,
}

impl Unfinished {
    /// Keeps the results of the runs that have records and no results, and says how many of their
    /// requests succeeded and failed.
    ///
    /// # Errors
    /// Where the records cannot be read, or the results not be kept.
    pub(crate) fn recover(
        &self,
        keeper: &dyn Keeper,
        catalogue: &Catalogue,
    ) -> Result<Recovered, KeeperError> {
        let cases = self.cases_without(&keeper.runs(self.id)?);
        let mut spans: BTreeMap<u64, Span> = BTreeMap::new();
        keeper.records(self.id, &mut |index, exchange| {
            if cases.contains_key(&index) && !exchange.warmup {
                let span = Span::of(exchange);
                spans.entry(index).and_modify(|known| known.widen(span)).or_insert(span);
            }
        })?;
        let begun = spans.iter().filter_map(|(&index, &span)| {
            let case = &cases[&index];
            let target = self.spec.target(case.target, catalogue)?;
            let figures = case.figures(&self.spec.protocol, target, span);
            Some((index, Begun { case, target, span, figures }))
        });
        let mut begun: BTreeMap<u64, Begun<'_>> = begun.collect();
        keeper.records(self.id, &mut |index, exchange| {
            if let Some(run) = begun.get_mut(&index) {
                run.figures.record(exchange);
            }
        })?;
        let mut recovered = Recovered::default();
        for run in begun.into_values().map(Begun::result) {
            keeper.add_run(self.id, &json::run(&run, STORED_ANCHOR))?;
            recovered.completed += run.summary.completed;
            recovered.failed += run.summary.failed;
        }
        Ok(recovered)
    }

    /// The runs there are to be, but for those that have results, by their places.
    fn cases_without(&self, results: &[Value]) -> BTreeMap<u64, Case<'_>> {
        let has_results = |case: &Case<'_>| {
            results.iter().any(|run| {
                run["target"] == **case.target
                    && run["scenario"] == **case.scenario
                    && run["load"] == *case.load.to_string()
            })
        };
        let cases =
            self.spec.cases().map(|(target, scenario, load)| Case { target, scenario, load });
        (0..).zip(cases).filter(|(_, case)| !has_results(case)).collect()
    }
}

/// What one run is about.
struct Case<'a> {
    target: &'a String,
    scenario: &'a String,
    load: &'a Load,
}

impl Case<'_> {
    fn figures(&self, protocol: &Protocol, target: &Target, span: Span) -> RunAccumulator {
        let arrivals = match target.url_host {
            Some(_) => ArrivalClock::Network,
            None => ArrivalClock::InProcess,
        };
        let mut spec = protocol.spec(self.load, arrivals, span.window_start);
        spec.window_end = protocol.stop.duration.map(|duration| span.window_start + duration);
        let mut figures = RunAccumulator::new(spec);
        figures.note_cut_short();
        figures
    }
}

impl Begun<'_> {
    fn result(self) -> report::Run {
        let Case { target, scenario, load } = self.case;
        report::Run {
            target: (*target).clone(),
            model: self.target.model.clone(),
            scenario: (*scenario).clone(),
            load: load.to_string(),
            summary: self.figures.finish(self.span.end),
            process: None,
            error: None,
        }
    }
}

impl Span {
    fn of(exchange: &Exchange) -> Self {
        let timeline = &exchange.timeline;
        Self { window_start: timeline.planned, end: timeline.finished.arrived }
    }

    fn widen(&mut self, other: Self) {
        self.window_start = self.window_start.min(other.window_start);
        self.end = self.end.max(other.end);
    }
}
