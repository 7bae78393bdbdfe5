//! What requests asked and were answered: a database of its own beside the catalog, which only its
//! owner may read, and which is there only once somebody asked for it.
//!
//! It is not kept as records are: a crash of the machine may lose what was written last. Each text
//! says how long it may stay, and what is removed is written over.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::RequestId;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::DurableError;
use crate::content::Content;

/// How long to wait for another connection's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS content (
        run TEXT NOT NULL,
        request_run INTEGER NOT NULL,
        request_index INTEGER NOT NULL,
        stored_unix_ns INTEGER NOT NULL,
        expires_unix_ns INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run, request_run, request_index)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS content_by_expiry ON content (expires_unix_ns);
    CREATE INDEX IF NOT EXISTS content_by_storing ON content (stored_unix_ns);
";

/// The database, opened to write once there is something to do in it.
#[derive(Debug)]
pub(crate) struct Contents {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

/// How long texts stay: when they were stored, and when they are to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stay {
    pub(crate) stored_unix_ns: u64,
    pub(crate) expires_unix_ns: u64,
}

impl Contents {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, connection: Mutex::default() }
    }

    /// Keeps texts of requests, each with the run it belongs to.
    pub(crate) fn keep<'a>(
        &self,
        contents: impl IntoIterator<Item = (&'a str, &'a Content)>,
        stay: Stay,
    ) -> Result<(), DurableError> {
        let mut open = self.lock();
        let connection = match &mut *open {
            Some(connection) => connection,
            none => none.insert(create(&self.path)?),
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let sql = "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?)";
            let mut insert = transaction.prepare_cached(sql)?;
            for (run, content) in contents {
                let (request_run, request_index) = key(content.id);
                let (stored, expires) = (signed(stay.stored_unix_ns), signed(stay.expires_unix_ns));
                let line = content.line();
                let body = line.trim_end();
                insert.execute(params![run, request_run, request_index, stored, expires, body])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Removes the texts of a run.
    pub(crate) fn delete_run(&self, run: &str) -> Result<(), DurableError> {
        self.remove("DELETE FROM content WHERE run = ?", params![run]).map(drop)
    }

    /// Removes texts whose time is over, and those stored before a moment. Returns how many.
    pub(crate) fn expire(
        &self,
        now_unix_ns: u64,
        stored_before_unix_ns: u64,
    ) -> Result<u64, DurableError> {
        let sql = "DELETE FROM content WHERE expires_unix_ns <= ? OR stored_unix_ns < ?";
        self.remove(sql, params![signed(now_unix_ns), signed(stored_before_unix_ns)])
    }

    fn remove(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<u64, DurableError> {
        let mut open = self.lock();
        let connection = match &mut *open {
            Some(connection) => connection,
            None if !self.path.exists() => return Ok(0),
            none => none.insert(create(&self.path)?),
        };
        let removed = connection.prepare_cached(sql)?.execute(values)? as u64;
        if removed > 0 {
            // Until then it still stands in the file beside the database.
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(removed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands over the texts of a run, or of one request of it, by id, and returns how many there are.
pub(crate) fn read(
    path: &Path,
    run: &str,
    request: Option<RequestId>,
    mut take: impl FnMut(Content) -> Result<(), DurableError>,
) -> Result<u64, DurableError> {
    if !path.exists() {
        return Ok(0);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let sql = "SELECT body FROM content WHERE run = ?1 \
               AND (?2 IS NULL OR (request_run = ?2 AND request_index = ?3)) \
               ORDER BY request_run, request_index";
    let (request_run, request_index) = request.map(key).unzip();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(params![run, request_run, request_index])?;
    let mut count = 0;
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        let content = serde_json::from_str(&body).map_err(|error| DurableError::Damaged {
            path: path.to_owned(),
            reason: format!("a text cannot be read: {error}"),
        })?;
        take(content)?;
        count += 1;
    }
    Ok(count)
}

/// Opens the database to write. Nobody but its owner may read it, from its first byte on.
fn create(path: &Path) -> Result<Connection, DurableError> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(DurableError::file("create", path))?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "auto_vacuum", "FULL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.execute_batch(SCHEMA)?;
    Ok(connection)
}

/// A request's id in SQLite's integers, which have a sign.
const fn key(id: RequestId) -> (i64, i64) {
    (id.run.cast_signed(), id.index.cast_signed())
}

fn signed(unix_ns: u64) -> i64 {
    i64::try_from(unix_ns).unwrap_or(i64::MAX)
}
