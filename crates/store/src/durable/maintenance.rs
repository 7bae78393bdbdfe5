//! What keeps the store in shape: sealing, compaction, retention, and the deletion of runs.
//!
//! Each piece of work writes new partitions, and then changes in one transaction which ones count.
//! Files that no longer count stay for a while, since a query may be reading them.

mod compaction;
mod seal;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::Clock;

use super::DurableError;
use super::catalog::{Catalog, Change, NewPartition, Partition};
use super::fault::{Moment, pass};
use super::folder::{self, Folder};
use super::log::replay::Damage;
use super::partition::{self, PartitionWriter, WholeDraft};
use super::provenance::StoredRecord;

/// The most partitions that are written at once.
const WRITERS_MAX: usize = 32;

/// What is kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How long after its end a request's record is kept; for ever where it is `None`.
    pub records: Option<Duration>,
    /// How long prompts and answers are kept at most, whatever was said when they were stored.
    pub content: Option<Duration>,
    /// How long a file that no longer counts stays, for queries that still read it.
    pub grace: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { records: None, content: None, grace: Duration::from_secs(600) }
    }
}

/// What was done to keep the store in shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Records that went from the log into partitions.
    pub sealed: u64,
    /// What of the log could not be read, and now lies aside.
    pub damage: Vec<Damage>,
    /// Partitions that were merged into others.
    pub merged: u64,
    /// Records that were kept long enough.
    pub expired: u64,
    /// Requests whose prompt and answer were kept long enough.
    pub forgotten: u64,
    /// Files that were removed.
    pub removed: u64,
    /// Partitions that could not be read and are left as they are.
    pub unreadable: Vec<PathBuf>,
}

/// Does the work. One at a time: its owner sees to that.
#[derive(Debug)]
pub(crate) struct Maintenance {
    folder: Folder,
    catalog: Arc<Catalog>,
    clock: Arc<dyn Clock>,
    next_file: AtomicU64,
}

impl Maintenance {
    /// Sweeps away what a crash left behind.
    pub(crate) fn open(
        folder: Folder,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DurableError> {
        let partitions = folder.partitions();
        let counting = catalog.manifest()?.partitions;
        let retired = catalog.retired(u64::MAX)?;
        let known: std::collections::BTreeSet<&str> = counting
            .iter()
            .map(|partition| &*partition.file.name)
            .chain(retired.iter().map(|name| &**name))
            .collect();
        let mut last = 0;
        let list = DurableError::file("list", &partitions);
        for entry in std::fs::read_dir(&partitions).map_err(list)? {
            let name = entry.map_err(DurableError::file("list", &partitions))?.file_name();
            // What has another name than ours was put there by someone else.
            let Some(name) = name.to_str() else { continue };
            let Some(number) = partition::file_number(name) else { continue };
            last = last.max(number);
            if !known.contains(name) {
                folder::remove(&partitions.join(name))?;
            }
        }
        Ok(Self { folder, catalog, clock, next_file: AtomicU64::new(last + 1) })
    }

    /// Retires partitions whose records were kept long enough and what was looked at beside them, and
    /// removes files whose grace is over.
    pub(crate) fn expire(
        &self,
        retention: Retention,
        done: &mut Maintained,
    ) -> Result<(), DurableError> {
        let now = self.clock.unix_nanos();
        if let Some(keep) = retention.records {
            let partitions = self.catalog.manifest()?.partitions;
            let limit = now.saturating_sub(nanos(keep));
            let retire: Vec<&Partition> = partitions
                .iter()
                .filter(|partition| partition.file.finished_unix_ns_max < limit)
                .collect();
            if !retire.is_empty() {
                done.expired += retire.iter().map(|partition| partition.file.rows()).sum::<u64>();
                self.change(Change { retire, ..Change::default() })?;
            }
            self.catalog.forget_samples(limit)?;
        }
        let files = self.catalog.retired(now.saturating_sub(nanos(retention.grace)))?;
        for file in &files {
            folder::remove(&self.folder.partitions().join(file))?;
        }
        done.removed += files.len() as u64;
        if files.is_empty() { Ok(()) } else { self.catalog.forget_retired(&files) }
    }

    /// Forgets a run and its records: those in partitions, and those in the log up to segment
    /// `last`.
    pub(crate) fn delete_run(&self, id: &str, last: u64) -> Result<(), DurableError> {
        let partitions = self.catalog.manifest()?.partitions;
        let touched: Vec<&Partition> = partitions
            .iter()
            .filter(|partition| partition.file.rows_by_run.contains_key(id))
            .collect();
        let mut drafts = Vec::new();
        for partition in &touched {
            if partition.file.rows_by_run.len() > 1 {
                partition::verify(&self.folder.partitions(), partition)?;
                drafts.push(self.rewrite(&[partition], Some(id))?);
            }
        }
        let add = self.publish(drafts)?;
        let forget_run = Some((id, last));
        self.change(Change { add, retire: touched, forget_run, ..Change::default() })
    }

    /// Writes the rows of partitions of one hour into a new one, but for those of a run.
    fn rewrite(
        &self,
        partitions: &[&Partition],
        without: Option<&str>,
    ) -> Result<WholeDraft, DurableError> {
        let folder = self.folder.partitions();
        let hour = partitions.first().map_or(0, |partition| partition.file.hour_unix_s);
        let mut writer = self.writer(hour)?;
        for partition in partitions {
            partition::read_rows(&folder, partition, |batch| match without {
                None => writer.push_rows(&batch),
                Some(run) => {
                    let kept = partition::without_run(&batch, run);
                    writer.push_rows(&kept.map_err(|reason| DurableError::Damaged {
                        path: folder.join(&partition.file.name),
                        reason,
                    })?)
                }
            })?;
        }
        writer.finish()
    }

    fn writer(&self, hour_unix_s: u64) -> Result<PartitionWriter, DurableError> {
        let number = self.next_file.fetch_add(1, Ordering::Relaxed);
        PartitionWriter::new(&self.folder.partitions(), hour_unix_s, number)
    }

    /// Gives drafts their names, which the device has when this returns.
    fn publish(&self, drafts: Vec<WholeDraft>) -> Result<Vec<NewPartition>, DurableError> {
        pass(Moment::Drafted)?;
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let published = drafts.into_iter().map(WholeDraft::publish).collect::<Result<_, _>>()?;
        folder::sync(&self.folder.partitions())?;
        Ok(published)
    }

    fn change(&self, change: Change<'_>) -> Result<(), DurableError> {
        pass(Moment::Published)?;
        self.catalog.change(&Change { now_unix_ns: self.clock.unix_nanos(), ..change })?;
        pass(Moment::Recorded)
    }
}

/// Partitions that are written at once, one an hour.
struct Writers<'a> {
    maintenance: &'a Maintenance,
    open: BTreeMap<u64, PartitionWriter>,
    drafts: Vec<WholeDraft>,
}

impl<'a> Writers<'a> {
    const fn new(maintenance: &'a Maintenance) -> Self {
        Self { maintenance, open: BTreeMap::new(), drafts: Vec::new() }
    }

    fn push(&mut self, record: &StoredRecord) -> Result<(), DurableError> {
        let hour = partition::hour_of(record);
        if !self.open.contains_key(&hour) {
            if self.open.len() >= WRITERS_MAX
                && let Some((_, oldest)) = self.open.pop_first()
            {
                self.drafts.push(oldest.finish()?);
            }
            self.open.insert(hour, self.maintenance.writer(hour)?);
        }
        self.open.get_mut(&hour).expect("it was just put there").push(record)
    }

    fn finish(mut self) -> Result<Vec<WholeDraft>, DurableError> {
        for (_, writer) in self.open {
            self.drafts.push(writer.finish()?);
        }
        Ok(self.drafts)
    }
}

/// Moves a file to where what is damaged is kept.
fn lay_aside(path: &Path, aside: &Path) -> Result<(), DurableError> {
    let target = aside.join(path.file_name().unwrap_or_default());
    std::fs::rename(path, &target).map_err(DurableError::file("lay aside", path))?;
    folder::sync(aside)
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
