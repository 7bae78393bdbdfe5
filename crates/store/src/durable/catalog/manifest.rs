//! Which partitions count, and how far the log has gone into them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};

use super::{Catalog, signed, unsigned};
use crate::durable::DurableError;

/// How far the log has been dealt with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The last segment whose records lie in partitions.
    pub(crate) segment: u64,
    /// The sequence after the last such record.
    pub(crate) sequence: u64,
    /// The sequence after the last record that is in the rollups; `None` where nobody rolls up.
    pub(crate) rolled_up: Option<u64>,
}

/// What counts at one moment.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// How far the log has been dealt with.
    pub(crate) position: Position,
    /// The partitions that count, by time.
    pub(crate) partitions: Vec<Partition>,
    /// The runs whose records in the log no longer count.
    pub(crate) forgotten: BTreeSet<String>,
}

/// A Parquet file of records that ended in one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub(crate) id: i64,
    pub(crate) file: PartitionFile,
}

/// A partition that the catalog does not know yet.
pub(crate) type NewPartition = PartitionFile;

/// What is known of a partition's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionFile {
    /// Its name in the folder of partitions.
    pub(crate) name: String,
    /// When its hour begins, in seconds since 1970.
    pub(crate) hour_unix_s: u64,
    pub(crate) bytes: u64,
    /// The checksum of all its bytes.
    pub(crate) crc: u32,
    pub(crate) finished_unix_ns_min: u64,
    pub(crate) finished_unix_ns_max: u64,
    /// How many records it has of each run; those of no run go by the empty id.
    pub(crate) rows_by_run: BTreeMap<String, u64>,
}

impl PartitionFile {
    /// How many records it holds.
    pub(crate) fn rows(&self) -> u64 {
        self.rows_by_run.values().sum()
    }
}

/// A change of what counts. All of it happens at once.
#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    /// Partitions that count from now on.
    pub(crate) add: Vec<NewPartition>,
    /// Partitions that no longer do. Their files are kept for a while, for who reads them now.
    pub(crate) retire: Vec<&'a Partition>,
    /// The segment and the sequence that the log has been dealt with up to.
    pub(crate) sealed: Option<(u64, u64)>,
    /// A run that is forgotten, and the last segment of the log that may have records of it.
    pub(crate) forget_run: Option<(&'a str, u64)>,
    /// When this is, in nanoseconds since 1970.
    pub(crate) now_unix_ns: u64,
}

impl Catalog {
    /// How far the log has been dealt with.
    pub(crate) fn position(&self) -> Result<Position, DurableError> {
        position(&self.lock())
    }

    /// What counts now.
    pub(crate) fn manifest(&self) -> Result<Manifest, DurableError> {
        self.read(|connection| {
            Ok(Manifest {
                position: position(connection)?,
                partitions: partitions(connection)?,
                forgotten: forgotten(connection)?,
            })
        })
    }

    /// Changes what counts.
    pub(crate) fn change(&self, change: &Change<'_>) -> Result<(), DurableError> {
        self.write(|connection| {
            change.add.iter().try_for_each(|file| add(connection, file))?;
            for partition in &change.retire {
                connection.execute("DELETE FROM partition WHERE id = ?", [partition.id])?;
                connection.execute(
                    "INSERT OR REPLACE INTO retired (file, retired_unix_ns) VALUES (?, ?)",
                    params![partition.file.name, signed(change.now_unix_ns)],
                )?;
            }
            if let Some((segment, sequence)) = change.sealed {
                set(connection, SEGMENT, segment)?;
                set(connection, SEQUENCE, sequence)?;
                let sql = "DELETE FROM forgotten WHERE segment <= ?";
                connection.execute(sql, [signed(segment)])?;
            }
            if let Some((run, segment)) = change.forget_run {
                connection.execute("DELETE FROM run WHERE id = ?", [run])?;
                if position(connection)?.segment < segment {
                    let sql = "INSERT OR REPLACE INTO forgotten (run, segment) VALUES (?, ?)";
                    connection.execute(sql, params![run, signed(segment)])?;
                }
            }
            Ok(())
        })
    }

    /// The files that no longer count since `before` or earlier.
    pub(crate) fn retired(&self, before_unix_ns: u64) -> Result<Vec<String>, DurableError> {
        let sql = "SELECT file FROM retired WHERE retired_unix_ns <= ?";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let files = statement.query_map([signed(before_unix_ns)], |row| row.get(0))?;
        Ok(files.collect::<Result<_, _>>()?)
    }

    /// Forgets files that were retired and are gone.
    pub(crate) fn forget_retired(&self, files: &[String]) -> Result<(), DurableError> {
        self.write(|connection| {
            for file in files {
                connection.execute("DELETE FROM retired WHERE file = ?", [file])?;
            }
            Ok(())
        })
    }
}

const SEGMENT: &str = "sealed_segment";
const SEQUENCE: &str = "sealed_sequence";
const ROLLED_UP: &str = "rolled_up_sequence";

fn position(connection: &Connection) -> Result<Position, DurableError> {
    Ok(Position {
        segment: get(connection, SEGMENT)?.unwrap_or(0),
        sequence: get(connection, SEQUENCE)?.unwrap_or(0),
        rolled_up: get(connection, ROLLED_UP)?,
    })
}

fn get(connection: &Connection, key: &str) -> Result<Option<u64>, DurableError> {
    let mut statement = connection.prepare_cached("SELECT value FROM position WHERE key = ?")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?.map(unsigned))
}

fn set(connection: &Connection, key: &str, value: u64) -> Result<(), DurableError> {
    let sql = "INSERT OR REPLACE INTO position (key, value) VALUES (?, ?)";
    connection.prepare_cached(sql)?.execute(params![key, signed(value)])?;
    Ok(())
}

/// Notes how far records are in the rollups.
pub(super) fn set_rolled_up(connection: &Connection, sequence: u64) -> Result<(), DurableError> {
    set(connection, ROLLED_UP, sequence)
}

fn forgotten(connection: &Connection) -> Result<BTreeSet<String>, DurableError> {
    let mut statement = connection.prepare_cached("SELECT run FROM forgotten")?;
    let runs = statement.query_map([], |row| row.get(0))?;
    Ok(runs.collect::<Result<_, _>>()?)
}

fn add(connection: &Connection, file: &NewPartition) -> Result<(), DurableError> {
    connection.execute(
        "INSERT INTO partition \
         (file, hour, rows, bytes, crc, finished_unix_ns_min, finished_unix_ns_max) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![
            file.name,
            signed(file.hour_unix_s),
            signed(file.rows()),
            signed(file.bytes),
            file.crc,
            signed(file.finished_unix_ns_min),
            signed(file.finished_unix_ns_max),
        ],
    )?;
    let partition = connection.last_insert_rowid();
    let sql = "INSERT INTO partition_run (partition, run, rows) VALUES (?, ?, ?)";
    let mut statement = connection.prepare_cached(sql)?;
    for (run, rows) in &file.rows_by_run {
        statement.execute(params![partition, run, signed(*rows)])?;
    }
    Ok(())
}

fn partitions(connection: &Connection) -> Result<Vec<Partition>, DurableError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, file, hour, bytes, crc, finished_unix_ns_min, finished_unix_ns_max \
         FROM partition ORDER BY finished_unix_ns_min, id",
    )?;
    let partitions = statement.query_map([], |row| {
        Ok(Partition {
            id: row.get(0)?,
            file: PartitionFile {
                name: row.get(1)?,
                hour_unix_s: unsigned(row.get(2)?),
                bytes: unsigned(row.get(3)?),
                crc: row.get(4)?,
                finished_unix_ns_min: unsigned(row.get(5)?),
                finished_unix_ns_max: unsigned(row.get(6)?),
                rows_by_run: BTreeMap::new(),
            },
        })
    })?;
    let mut partitions = partitions.collect::<Result<Vec<_>, _>>()?;
    let mut runs: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
    let mut statement =
        connection.prepare_cached("SELECT partition, run, rows FROM partition_run")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        runs.entry(row.get(0)?).or_default().insert(row.get(1)?, unsigned(row.get(2)?));
    }
    for partition in &mut partitions {
        partition.file.rows_by_run = runs.remove(&partition.id).unwrap_or_default();
    }
    Ok(partitions)
}
