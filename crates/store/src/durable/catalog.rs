//! The catalog: an SQLite database of everything that is not a record.
//!
//! It says which partitions count, so a change of theirs is one transaction. A process that only
//! reads has a connection of its own, and sees each transaction whole or not at all.

mod document;
mod manifest;
mod migration;
mod rollup;
mod run;
mod sample;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::DurableError;
pub use document::Document;
pub(crate) use manifest::{Change, Manifest, NewPartition, Partition};
pub use rollup::{RollupPoint, RollupRange, RollupRow};
pub use run::{Run, RunStatus};
pub use sample::SampleBlock;

/// How long to wait for another connection's transaction, all of which are short.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the catalog.
#[derive(Debug)]
pub(crate) struct Catalog {
    connection: Mutex<Connection>,
}

impl Catalog {
    /// Opens the catalog to write, and brings it to the newest schema.
    pub(crate) fn open(path: &Path) -> Result<Self, DurableError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        migration::migrate(&mut connection, path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Opens it to read, beside whoever writes.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, DurableError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        migration::check(&connection, path)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `change` in one transaction: all of it happens, or none.
    fn write<T>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, DurableError>,
    ) -> Result<T, DurableError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs `look` on one state of the catalog.
    fn read<T>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, DurableError>,
    ) -> Result<T, DurableError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let value = look(&transaction)?;
        transaction.finish()?;
        Ok(value)
    }
}

/// SQLite's integers have a sign. Times and counts never reach it.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
