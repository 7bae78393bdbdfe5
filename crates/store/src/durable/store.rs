//! The store as its one writer sees it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{Clock, Timestamp};

use super::DurableError;
use super::catalog::{Catalog, Document, RollupRow, Run, SampleBlock};
use super::content::{Contents, Stay};
use super::folder::{Folder, Lock};
use super::log::replay::{Damage, Segments};
use super::log::{Log, LogSettings, Ticket};
use super::maintenance::{Maintained, Maintenance, Retention, nanos};
use super::provenance::{Entry, StoredRecord};
use super::reader::Reader;
use crate::content::Content;

/// How the store works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// How long a record waits for others to be brought to the device with it.
    pub commit_interval: Duration,
    /// How large a segment of the log grows before its records go into partitions.
    pub segment_bytes: u64,
    /// How long they wait for that at most.
    pub seal_interval: Duration,
    /// How many bytes of records may wait in memory; whoever appends more waits.
    pub pending_bytes: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_millis(20),
            segment_bytes: 32 << 20,
            seal_interval: Duration::from_secs(900),
            pending_bytes: 16 << 20,
        }
    }
}

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records in the log, which are not in partitions yet.
    pub records: u64,
    /// Bytes of the log that could not be read. A torn tail was cut off; a copy of it lies in the
    /// folder `damaged`.
    pub damage: Vec<Damage>,
    /// Acknowledged records that were lost with them.
    pub lost: u64,
}

/// A store, open to write. There is one at a time.
#[derive(Debug)]
pub struct Store {
    // Dropped in this order: the catalog is tidied up by the last connection, if it may write, and
    // the lock outlives whatever writes.
    pub(super) log: Log,
    reader: Reader,
    maintenance: Mutex<Upkeep>,
    catalog: Arc<Catalog>,
    contents: Contents,
    folder: Folder,
    clock: Arc<dyn Clock>,
    settings: StoreSettings,
    _lock: Lock,
}

#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) work: Maintenance,
    /// When the log's segment was last closed for its age.
    closed: Timestamp,
}

impl Store {
    /// Opens the store in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// Where another process has it open, it cannot be written, or a newer version wrote it.
    pub fn open(
        folder: &Path,
        settings: StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), DurableError> {
        Folder::refuse_foreign(folder)?;
        std::fs::create_dir_all(folder).map_err(DurableError::file("create", folder))?;
        let lock = Lock::take(folder)?;
        let folder = Folder::create(folder)?;
        folder.refuse_lost_catalog()?;
        let catalog = Arc::new(Catalog::open(&folder.catalog())?);
        let work = Maintenance::open(folder.clone(), Arc::clone(&catalog), Arc::clone(&clock))?;
        work.sweep_log()?;

        let position = catalog.position()?;
        let segments = Segments::list(&folder.log(), position.segment)?;
        let mut records = 0;
        let report = segments.read(position.sequence, |_, _| {
            records += 1;
            Ok(())
        })?;
        Segments::cut_torn_tails(&report, &folder.damaged())?;
        let after = segments.last_number(position.segment);
        let next = report.next.max(position.rolled_up.unwrap_or(0));
        let StoreSettings { commit_interval, segment_bytes, pending_bytes, .. } = settings;
        let log_settings = LogSettings { commit_interval, segment_bytes, pending_bytes };
        let log = Log::open(&folder.log(), after, next, log_settings)?;

        let reader = Reader::new(folder.clone())?;
        let maintenance = Mutex::new(Upkeep { work, closed: clock.now() });
        let contents = Contents::new(folder.contents());
        let store = Self {
            log,
            reader,
            maintenance,
            catalog,
            contents,
            folder,
            clock,
            settings,
            _lock: lock,
        };
        Ok((store, Recovery { records, damage: report.damage, lost: report.lost }))
    }

    /// What can be read of the store.
    #[must_use]
    pub const fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Takes records in, to be brought to the device within moments. They count as kept once
    /// [`Store::wait`] or [`Store::poll`] says so; either all of them are kept, or none.
    ///
    /// Waits while too many bytes are pending.
    ///
    /// # Errors
    /// Where a record is too large. None was taken in then.
    pub fn append<'a>(
        &self,
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Result<Ticket, DurableError> {
        self.log.append(entries)
    }

    /// Waits until records are on the device.
    ///
    /// # Errors
    /// Where they could not be brought there. They are not in the store, and may be appended again.
    pub fn wait(&self, ticket: Ticket) -> Result<(), DurableError> {
        self.log.wait(ticket)
    }

    /// Whether records are on the device; `None` while that is not known.
    #[must_use]
    pub fn poll(&self, ticket: Ticket) -> Option<Result<(), DurableError>> {
        self.log.poll(ticket)
    }

    /// How often an append had to wait for room.
    #[must_use]
    pub fn held_back(&self) -> u64 {
        self.log.held_back()
    }

    /// Adds a run.
    ///
    /// # Errors
    /// Where there is one of its id.
    pub fn create_run(&self, run: &Run) -> Result<(), DurableError> {
        self.catalog.create_run(run)
    }

    /// Replaces what is known of a run.
    ///
    /// # Errors
    /// Where there is none of its id.
    pub fn update_run(&self, run: &Run) -> Result<(), DurableError> {
        self.catalog.update_run(run)
    }

    /// Keeps what requests asked and were answered, each with the id of its run, for as long as
    /// `keep` says. A crash of the machine may lose what was kept last.
    ///
    /// # Errors
    /// Where it cannot be written. None of it is kept then.
    pub fn keep_content<'a>(
        &self,
        contents: impl IntoIterator<Item = (&'a str, &'a Content)>,
        keep: Duration,
    ) -> Result<(), DurableError> {
        let stored_unix_ns = self.clock.unix_nanos();
        let expires_unix_ns = stored_unix_ns.saturating_add(nanos(keep));
        self.contents.keep(contents, Stay { stored_unix_ns, expires_unix_ns })
    }

    /// Forgets a run, every record of it and what was said in it, and returns how many records those were. What they add up to
    /// stays in the rollups.
    ///
    /// # Errors
    /// Where there is no such run, or what it has cannot be read or written anew.
    pub fn delete_run(&self, id: &str) -> Result<u64, DurableError> {
        let upkeep = self.upkeep();
        let last = self.log.close_segment()?;
        let records = self.reader.count(id)?;
        if records == 0 && self.catalog.run(id)?.is_none() {
            return Err(DurableError::UnknownRun { id: id.to_owned() });
        }
        self.contents.delete_run(id)?;
        upkeep.work.delete_run(id, last)?;
        Ok(records)
    }

    /// Keeps a document, in place of an earlier one of the same kind and id.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub fn put_document(&self, kind: &str, id: &str, body: &str) -> Result<(), DurableError> {
        let updated_unix_ns = self.clock.unix_nanos();
        let document = Document { id: id.to_owned(), body: body.to_owned(), updated_unix_ns };
        self.catalog.put_document(kind, &document)
    }

    /// Removes a document, and says whether there was one.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub fn remove_document(&self, kind: &str, id: &str) -> Result<bool, DurableError> {
        self.catalog.remove_document(kind, id)
    }

    /// Keeps what was looked at beside a run, for as long as the run is there. What is of a run that
    /// is not, or not any more, is let go.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub fn put_samples(&self, run: &str, blocks: &[SampleBlock]) -> Result<(), DurableError> {
        self.catalog.put_samples(run, blocks)
    }

    /// Adds what is new in windows, joined by `join` with what they have.
    ///
    /// From now on the rollups are of all records up to and with those of `through`, and none after
    /// them: those are handed over by [`Store::not_rolled_up`] after a crash. Once a store has
    /// rollups, records stay in its log until they are in them too.
    ///
    /// # Errors
    /// Where the catalog cannot be written, or `join` says why it cannot. Nothing is added then.
    pub fn add_rollups(
        &self,
        rows: &[RollupRow],
        through: Ticket,
        join: impl Fn(&[u8], &[u8]) -> Result<Vec<u8>, String>,
    ) -> Result<(), DurableError> {
        self.catalog.add_rollups(rows, through.sequence(), join)
    }

    /// Hands over every record that is not in the rollups, and returns what stands for them all.
    ///
    /// Of a store that never had rollups these are the records that are still in its log. To be
    /// asked before anything is appended.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn not_rolled_up(
        &self,
        mut take: impl FnMut(StoredRecord),
    ) -> Result<Ticket, DurableError> {
        let upkeep = self.upkeep();
        let position = self.catalog.position()?;
        let from = position.rolled_up.unwrap_or(position.sequence);
        let segments = Segments::list(&self.folder.log(), position.segment)?;
        let report = segments.read(from, |_, record| {
            take(record);
            Ok(())
        })?;
        drop(upkeep);
        Ok(Ticket::at(report.next))
    }

    /// Forgets rollups of a resolution that start before a moment, and returns how many.
    ///
    /// # Errors
    /// Where the catalog cannot be written.
    pub fn forget_rollups(
        &self,
        resolution_s: u32,
        before_unix_s: u64,
    ) -> Result<usize, DurableError> {
        self.catalog.forget_rollups(resolution_s, before_unix_s)
    }

    /// Keeps the store in shape: seals what is due, merges small partitions, and removes what was
    /// kept long enough. To be called every few seconds, on a thread that may take its time.
    ///
    /// # Errors
    /// Where something cannot be written. What was there is as it was.
    pub fn maintain(&self, retention: Retention) -> Result<Maintained, DurableError> {
        let mut upkeep = self.upkeep();
        let now = self.clock.now();
        if now.since(upkeep.closed) >= self.settings.seal_interval {
            self.log.close_segment()?;
            upkeep.closed = now;
        }
        let mut done = Maintained::default();
        upkeep.work.seal(self.log.closed(), &mut done)?;
        upkeep.work.compact(&mut done)?;
        upkeep.work.expire(retention, &mut done)?;
        // What was said of a record goes with it at the latest.
        let keep = [retention.content, retention.records].into_iter().flatten().min();
        let now = self.clock.unix_nanos();
        let limit = keep.map_or(0, |keep| now.saturating_sub(nanos(keep)));
        done.forgotten = self.contents.expire(now, limit)?;
        Ok(done)
    }

    /// Where the store lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.root()
    }

    pub(super) fn upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.maintenance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
