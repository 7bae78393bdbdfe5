//! Rollups: what the requests of a series add up to in each window of time.
//!
//! What a rollup is made of is its owner's affair: here it is bytes, and a way to join two of them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Catalog, manifest, signed, unsigned};
use crate::durable::DurableError;

/// What is new in a window of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupRow {
    /// The series, as its owner writes it.
    pub series: String,
    /// How long the window is.
    pub resolution_s: u32,
    /// When it starts, in seconds since 1970.
    pub start_unix_s: u64,
    /// What it adds up to.
    pub data: Vec<u8>,
}

/// Which rollups are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupRange<'a> {
    /// The length of windows.
    pub resolution_s: u32,
    /// The first moment, in seconds since 1970.
    pub from_unix_s: u64,
    /// The moment after the last one.
    pub to_unix_s: u64,
    /// The series; every one where it is `None`.
    pub series: Option<&'a [String]>,
}

/// A window of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupPoint {
    /// When it starts, in seconds since 1970.
    pub start_unix_s: u64,
    /// What it adds up to.
    pub data: Vec<u8>,
}

const WINDOWS: &str = "SELECT start_unix_s, data FROM rollup \
     WHERE resolution_s = ? AND series = ? AND start_unix_s >= ? AND start_unix_s < ? \
     ORDER BY start_unix_s";

impl Catalog {
    /// Adds what is new, joined by `join` with what is there. From now on the rollups are of all
    /// records before sequence `through`.
    pub(crate) fn add_rollups(
        &self,
        rows: &[RollupRow],
        through: u64,
        join: impl Fn(&[u8], &[u8]) -> Result<Vec<u8>, String>,
    ) -> Result<(), DurableError> {
        self.write(|connection| {
            let mut known = BTreeMap::new();
            let mut find = connection.prepare_cached(
                "SELECT data FROM rollup \
                 WHERE resolution_s = ? AND series = ? AND start_unix_s = ?",
            )?;
            let mut put = connection.prepare_cached(
                "INSERT OR REPLACE INTO rollup (resolution_s, series, start_unix_s, data) \
                 VALUES (?, ?, ?, ?)",
            )?;
            for row in rows {
                let series = match known.get(&row.series) {
                    Some(id) => *id,
                    None => *known.entry(&row.series).or_insert(series_id(connection, row)?),
                };
                let place = params![row.resolution_s, series, signed(row.start_unix_s)];
                let before: Option<Vec<u8>> = find.query_row(place, |row| row.get(0)).optional()?;
                let joined = before.map(|before| join(&before, &row.data)).transpose();
                let joined = joined.map_err(|reason| DurableError::Rollup { reason })?;
                let data = joined.as_ref().unwrap_or(&row.data);
                put.execute(params![row.resolution_s, series, signed(row.start_unix_s), data])?;
            }
            manifest::set_rolled_up(connection, through)
        })
    }

    /// Every series that has rollups.
    pub(crate) fn series(&self) -> Result<Vec<String>, DurableError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT key FROM series ORDER BY key")?;
        let keys = statement.query_map([], |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// The windows of each series, by time.
    pub(crate) fn rollups(
        &self,
        range: RollupRange<'_>,
    ) -> Result<BTreeMap<String, Vec<RollupPoint>>, DurableError> {
        self.read(|connection| {
            let mut points = BTreeMap::new();
            let mut statement = connection.prepare_cached(WINDOWS)?;
            let (from, to) = (signed(range.from_unix_s), signed(range.to_unix_s));
            for (id, key) in series_of(connection, range.series)? {
                let rows =
                    statement.query_map(params![range.resolution_s, id, from, to], |row| {
                        let start_unix_s = unsigned(row.get(0)?);
                        Ok(RollupPoint { start_unix_s, data: row.get(1)? })
                    })?;
                let rows = rows.collect::<Result<Vec<_>, _>>()?;
                if !rows.is_empty() {
                    points.insert(key, rows);
                }
            }
            Ok(points)
        })
    }

    /// Hands over the windows of ranges, each with its start, all as they were at one moment.
    pub(crate) fn each_rollup(
        &self,
        ranges: &[RollupRange<'_>],
        mut take: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Result<(), DurableError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(WINDOWS)?;
            for range in ranges {
                let (from, to) = (signed(range.from_unix_s), signed(range.to_unix_s));
                for (id, _) in series_of(connection, range.series)? {
                    let mut rows = statement.query(params![range.resolution_s, id, from, to])?;
                    while let Some(row) = rows.next()? {
                        let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                        take(unsigned(row.get(0)?), data)
                            .map_err(|reason| DurableError::Rollup { reason })?;
                    }
                }
            }
            Ok(())
        })
    }

    /// When the first window of each series starts that has one of this resolution.
    pub(crate) fn first_rollups(
        &self,
        resolution_s: u32,
    ) -> Result<BTreeMap<String, u64>, DurableError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT key, (SELECT min(start_unix_s) FROM rollup \
             WHERE resolution_s = ? AND series = series.id) FROM series",
        )?;
        let firsts = statement.query_map([resolution_s], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut known = BTreeMap::new();
        for first in firsts {
            let (key, start): (String, Option<i64>) = first?;
            known.extend(start.map(|start| (key, unsigned(start))));
        }
        Ok(known)
    }

    /// Forgets windows of a resolution that start before a moment.
    pub(crate) fn forget_rollups(
        &self,
        resolution_s: u32,
        before_unix_s: u64,
    ) -> Result<usize, DurableError> {
        self.write(|connection| {
            let mut forgotten = 0;
            let mut statement = connection.prepare_cached(
                "DELETE FROM rollup WHERE resolution_s = ? AND series = ? AND start_unix_s < ?",
            )?;
            for (id, _) in series_of(connection, None)? {
                let values = params![resolution_s, id, signed(before_unix_s)];
                forgotten += statement.execute(values)?;
            }
            Ok(forgotten)
        })
    }
}

fn series_id(connection: &Connection, row: &RollupRow) -> Result<i64, DurableError> {
    let mut find = connection.prepare_cached("SELECT id FROM series WHERE key = ?")?;
    if let Some(id) = find.query_row([&row.series], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    connection.execute("INSERT INTO series (key) VALUES (?)", [&row.series])?;
    Ok(connection.last_insert_rowid())
}

/// The ids and keys of the series asked for, as far as they are known.
fn series_of(
    connection: &Connection,
    asked: Option<&[String]>,
) -> Result<Vec<(i64, String)>, DurableError> {
    let Some(asked) = asked else {
        let mut statement = connection.prepare_cached("SELECT id, key FROM series")?;
        let all = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        return Ok(all.collect::<Result<_, _>>()?);
    };
    let mut find = connection.prepare_cached("SELECT id FROM series WHERE key = ?")?;
    let mut found = Vec::with_capacity(asked.len());
    for key in asked {
        let id = find.query_row([key], |row| row.get(0)).optional()?;
        found.extend(id.map(|id: i64| (id, key.clone())));
    }
    Ok(found)
}
