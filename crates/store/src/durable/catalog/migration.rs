//! The catalog's schema, and how older ones become it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::durable::DurableError;

/// What turns each version of the schema into the next one. Append only.
const STEPS: &[&str] = &[
    "
    CREATE TABLE position (
        key TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE run (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        status TEXT NOT NULL,
        request TEXT NOT NULL,
        summary TEXT,
        labels TEXT NOT NULL,
        created_unix_ns INTEGER NOT NULL,
        started_unix_ns INTEGER,
        finished_unix_ns INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX run_by_creation ON run (created_unix_ns);

    CREATE TABLE document (
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        updated_unix_ns INTEGER NOT NULL,
        PRIMARY KEY (kind, id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE partition (
        id INTEGER PRIMARY KEY,
        file TEXT NOT NULL UNIQUE,
        hour INTEGER NOT NULL,
        rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        finished_unix_ns_min INTEGER NOT NULL,
        finished_unix_ns_max INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX partition_by_hour ON partition (hour);

    CREATE TABLE partition_run (
        partition INTEGER NOT NULL REFERENCES partition ON DELETE CASCADE,
        run TEXT NOT NULL,
        rows INTEGER NOT NULL,
        PRIMARY KEY (partition, run)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX partition_run_by_run ON partition_run (run);

    CREATE TABLE retired (
        file TEXT PRIMARY KEY,
        retired_unix_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE rollup (
        resolution_s INTEGER NOT NULL,
        series INTEGER NOT NULL REFERENCES series,
        start_unix_s INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (resolution_s, series, start_unix_s)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE forgotten (
        run TEXT PRIMARY KEY,
        segment INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE sample (
        run TEXT NOT NULL REFERENCES run ON DELETE CASCADE,
        source TEXT NOT NULL,
        start_unix_ns INTEGER NOT NULL,
        data BLOB NOT NULL,
        PRIMARY KEY (run, source, start_unix_ns)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sample_by_start ON sample (start_unix_ns);
",
];

/// How many steps were taken, as SQLite keeps it for us.
fn version(connection: &Connection) -> Result<u32, DurableError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn newest() -> u32 {
    u32::try_from(STEPS.len()).expect("there are few steps")
}

/// Refuses a schema that is not the newest.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), DurableError> {
    let (found, known) = (version(connection)?, newest());
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => {
            Err(DurableError::Newer { path: path.to_owned(), found, known })
        }
        std::cmp::Ordering::Less => Err(DurableError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "its schema is {found}, and becomes {known} once it is opened to write"
            ),
        }),
    }
}

/// Takes the steps that are missing, each whole or not at all.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), DurableError> {
    // Larger than usual, since a rollup's row takes some hundred bytes. Only a new file heeds it.
    connection.pragma_update(None, "page_size", 16_384)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let found = version(connection)?;
    if found > newest() {
        return check(connection, path);
    }
    for (step, number) in STEPS.iter().zip(1..).skip(found as usize) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}
