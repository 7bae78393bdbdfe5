//! Keeps the collector's records, and what they add up to.

use std::collections::HashMap;
use std::sync::Arc;

use analysis::Origin;
use analysis::rollup::Delta;
use collect::{Keeper, Record, RunTag, SeriesDelta};
use domain::{Clock, Series, WallAnchor};
use store::RunLabel;
use store::durable::{DurableError, Entry, Provenance, Store, Ticket};

use crate::archive::{append_rows, join};
use crate::series;

/// How many provenances are kept ready.
const PROVENANCES_MAX: usize = 4_096;

/// Keeps records in a store: each batch is on the device before it counts as kept.
#[derive(Debug)]
pub struct RecordKeeper {
    store: Arc<Store>,
    anchor: WallAnchor,
    provenances: Provenances,
    /// Stands for the records that were kept last.
    kept: Option<Ticket>,
}

impl RecordKeeper {
    pub(crate) fn new(store: Arc<Store>, clock: &dyn Clock) -> Self {
        let anchor = WallAnchor::take(clock);
        Self { store, anchor, provenances: Provenances::default(), kept: None }
    }
}

impl Keeper for RecordKeeper {
    type Error = DurableError;

    fn keep(&mut self, records: &[Record]) -> Result<(), DurableError> {
        let anchor = self.anchor;
        let provenances: Vec<Arc<Provenance>> =
            records.iter().map(|record| self.provenances.of(record)).collect();
        let entries = records.iter().zip(&provenances).map(|(record, provenance)| Entry {
            provenance,
            exchange: &record.exchange,
            anchor,
        });
        let ticket = self.store.append(entries)?;
        self.store.wait(ticket)?;
        self.kept = Some(ticket);
        Ok(())
    }

    fn roll_up(&mut self, deltas: &[SeriesDelta]) -> Result<(), DurableError> {
        // Deltas are of records, or of what was in flight beside them.
        let Some(through) = self.kept else { return Ok(()) };
        let mut by_series: HashMap<&Series, Vec<Delta>> = HashMap::new();
        for SeriesDelta { series, delta } in deltas {
            by_series.entry(series.series()).or_default().push(delta.clone());
        }
        let mut rows = Vec::new();
        for (series, deltas) in by_series {
            append_rows(&mut rows, &series::write(series), &deltas);
        }
        self.store.add_rollups(&rows, through, join)
    }
}

/// What the records of a run, or of a series outside of runs, have in common.
#[derive(Debug, Default)]
struct Provenances(HashMap<Kind, Arc<Provenance>>);

/// A series, the run, and whether latencies count from the planned moment.
type Kind = (Series, Option<Arc<RunTag>>, bool);

impl Provenances {
    fn of(&mut self, record: &Record) -> Arc<Provenance> {
        let Record { series, run, origin, .. } = record;
        let key = (series.series().clone(), run.clone(), *origin == Origin::Planned);
        if let Some(known) = self.0.get(&key) {
            return Arc::clone(known);
        }
        if self.0.len() >= PROVENANCES_MAX {
            self.0.clear();
        }
        let new = Arc::new(provenance(series.series(), run.as_deref(), *origin));
        self.0.insert(key, Arc::clone(&new));
        new
    }
}

fn provenance(series: &Series, run: Option<&RunTag>, origin: Origin) -> Provenance {
    let (index, load) = match run {
        Some(run) => (run.index, Arc::clone(&run.load)),
        None => (0, Arc::from("")),
    };
    Provenance {
        run: run.map(|run| Arc::clone(&run.benchmark)),
        label: RunLabel { run: index, load, origin },
        provider: Arc::clone(&series.provider),
        target_region: Arc::clone(&series.region),
        vantage_region: Arc::clone(&series.vantage_region),
        source: series.source.as_str().into(),
    }
}
