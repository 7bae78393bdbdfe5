//! Runs: what was asked, how far it is, and what came out.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Catalog, signed, unsigned};
use crate::durable::DurableError;

/// A benchmark, or anything else whose requests belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name in the store.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// How far it is.
    pub status: RunStatus,
    /// What was asked, as JSON.
    pub request: String,
    /// What came out, as JSON; `None` until it is known.
    pub summary: Option<String>,
    /// What its owner tells runs apart by.
    pub labels: BTreeMap<String, String>,
    /// When it was created, in nanoseconds since 1970.
    pub created_unix_ns: u64,
    /// When it started, where it has.
    pub started_unix_ns: Option<u64>,
    /// When it ended, where it has.
    pub finished_unix_ns: Option<u64>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunStatus {
    /// It waits to be started.
    Queued,
    /// It goes on.
    Running,
    /// It ended as planned.
    Completed,
    /// It ended because of an error.
    Failed,
    /// Someone ended it.
    Cancelled,
    /// Its process died.
    Interrupted,
}

impl RunStatus {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
    ];

    /// The word used in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}

const COLUMNS: &str = "id, name, status, request, summary, labels, created_unix_ns, \
                       started_unix_ns, finished_unix_ns";

impl Catalog {
    /// Adds a run.
    pub(crate) fn create_run(&self, run: &Run) -> Result<(), DurableError> {
        self.write(|connection| {
            let sql = format!("INSERT OR IGNORE INTO run ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)");
            match put(connection, &sql, run)? {
                0 => Err(DurableError::RunExists { id: run.id.clone() }),
                _ => Ok(()),
            }
        })
    }

    /// Replaces what is known of a run.
    pub(crate) fn update_run(&self, run: &Run) -> Result<(), DurableError> {
        self.write(|connection| {
            let sql =
                format!("UPDATE run SET ({COLUMNS}) = (?1,?2,?3,?4,?5,?6,?7,?8,?9) WHERE id = ?1");
            match put(connection, &sql, run)? {
                0 => Err(DurableError::UnknownRun { id: run.id.clone() }),
                _ => Ok(()),
            }
        })
    }

    /// The run of that id.
    pub(crate) fn run(&self, id: &str) -> Result<Option<Run>, DurableError> {
        let connection = self.lock();
        let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?");
        let run = connection.prepare_cached(&sql)?.query_row([id], read).optional()?;
        run.transpose()
    }

    /// Every run, the newest first.
    pub(crate) fn runs(&self) -> Result<Vec<Run>, DurableError> {
        let connection = self.lock();
        let sql = format!("SELECT {COLUMNS} FROM run ORDER BY created_unix_ns DESC, id");
        let mut statement = connection.prepare_cached(&sql)?;
        let runs = statement.query_map([], read)?;
        runs.map(|run| run?).collect()
    }
}

fn put(connection: &Connection, sql: &str, run: &Run) -> Result<usize, DurableError> {
    let labels = serde_json::to_string(&run.labels).expect("texts are always JSON");
    let count = connection.prepare_cached(sql)?.execute(params![
        run.id,
        run.name,
        run.status.as_str(),
        run.request,
        run.summary,
        labels,
        signed(run.created_unix_ns),
        run.started_unix_ns.map(signed),
        run.finished_unix_ns.map(signed),
    ])?;
    Ok(count)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<Run, DurableError>> {
    let id: String = row.get(0)?;
    let (status, labels): (String, String) = (row.get(2)?, row.get(5)?);
    let damaged =
        |reason: String| DurableError::Damaged { path: format!("run {id}").into(), reason };
    let status = RunStatus::ALL
        .into_iter()
        .find(|known| known.as_str() == status)
        .ok_or_else(|| damaged(format!("`{status}` is no status")));
    let labels = serde_json::from_str(&labels).map_err(|error| damaged(error.to_string()));
    let (status, labels) = match (status, labels) {
        (Ok(status), Ok(labels)) => (status, labels),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(error)),
    };
    Ok(Ok(Run {
        name: row.get(1)?,
        status,
        request: row.get(3)?,
        summary: row.get(4)?,
        labels,
        created_unix_ns: unsigned(row.get(6)?),
        started_unix_ns: row.get::<_, Option<i64>>(7)?.map(unsigned),
        finished_unix_ns: row.get::<_, Option<i64>>(8)?.map(unsigned),
        id,
    }))
}
