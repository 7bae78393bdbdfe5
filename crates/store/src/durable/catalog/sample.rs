//! Samples: what was looked at beside a run, in blocks of a few moments each.
//!
//! What a block is made of is its owner's affair: here it is bytes. It goes with its run.

use rusqlite::params;

use super::{Catalog, signed, unsigned};
use crate::durable::DurableError;

/// A few moments of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleBlock {
    /// What was looked at, as its owner writes it.
    pub source: String,
    /// Its first moment, in nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// What was seen.
    pub data: Vec<u8>,
}

impl Catalog {
    /// Keeps blocks of a run. Those of a run that is not there, or not any more, are let go.
    pub(crate) fn put_samples(
        &self,
        run: &str,
        blocks: &[SampleBlock],
    ) -> Result<(), DurableError> {
        self.write(|connection| {
            let mut put = connection.prepare_cached(
                "INSERT OR REPLACE INTO sample (run, source, start_unix_ns, data) \
                 SELECT id, ?, ?, ? FROM run WHERE id = ?",
            )?;
            for SampleBlock { source, start_unix_ns, data } in blocks {
                put.execute(params![source, signed(*start_unix_ns), data, run])?;
            }
            Ok(())
        })
    }

    /// The blocks of a run that start before `to`, and not before `from`: by source, then by time.
    pub(crate) fn samples(
        &self,
        run: &str,
        from_unix_ns: u64,
        to_unix_ns: u64,
    ) -> Result<Vec<SampleBlock>, DurableError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT source, start_unix_ns, data FROM sample \
             WHERE run = ? AND start_unix_ns >= ? AND start_unix_ns < ? \
             ORDER BY source, start_unix_ns",
        )?;
        let range = params![run, signed(from_unix_ns), signed(to_unix_ns)];
        let blocks = statement.query_map(range, |row| {
            let start_unix_ns = unsigned(row.get(1)?);
            Ok(SampleBlock { source: row.get(0)?, start_unix_ns, data: row.get(2)? })
        })?;
        Ok(blocks.collect::<Result<_, _>>()?)
    }

    /// Forgets blocks that start before a moment.
    pub(crate) fn forget_samples(&self, before_unix_ns: u64) -> Result<(), DurableError> {
        self.write(|connection| {
            let sql = "DELETE FROM sample WHERE start_unix_ns < ?";
            connection.prepare_cached(sql)?.execute([signed(before_unix_ns)])?;
            Ok(())
        })
    }
}
