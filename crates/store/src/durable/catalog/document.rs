//! Documents: whatever else is to be kept, by kind and id. Targets, keys, the state of alerts.

use rusqlite::{OptionalExtension, params};

use super::{Catalog, signed, unsigned};
use crate::durable::DurableError;

/// Something kept under its kind and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name among those of its kind.
    pub id: String,
    /// What it says, as its owner writes it.
    pub body: String,
    /// When it was last put, in nanoseconds since 1970.
    pub updated_unix_ns: u64,
}

impl Catalog {
    /// Keeps a document, in place of an earlier one of the same kind and id.
    pub(crate) fn put_document(&self, kind: &str, document: &Document) -> Result<(), DurableError> {
        self.write(|connection| {
            let sql = "INSERT OR REPLACE INTO document (kind, id, body, updated_unix_ns) \
                       VALUES (?, ?, ?, ?)";
            let Document { id, body, updated_unix_ns } = document;
            let values = params![kind, id, body, signed(*updated_unix_ns)];
            connection.prepare_cached(sql)?.execute(values)?;
            Ok(())
        })
    }

    /// Removes a document, and says whether there was one.
    pub(crate) fn remove_document(&self, kind: &str, id: &str) -> Result<bool, DurableError> {
        self.write(|connection| {
            let sql = "DELETE FROM document WHERE kind = ? AND id = ?";
            Ok(connection.prepare_cached(sql)?.execute([kind, id])? > 0)
        })
    }

    /// One document.
    pub(crate) fn document(&self, kind: &str, id: &str) -> Result<Option<Document>, DurableError> {
        let sql = "SELECT id, body, updated_unix_ns FROM document WHERE kind = ? AND id = ?";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_row([kind, id], read).optional()?)
    }

    /// Every document of a kind, by id.
    pub(crate) fn documents(&self, kind: &str) -> Result<Vec<Document>, DurableError> {
        let sql = "SELECT id, body, updated_unix_ns FROM document WHERE kind = ? ORDER BY id";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let documents = statement.query_map([kind], read)?;
        Ok(documents.collect::<Result<_, _>>()?)
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document { id: row.get(0)?, body: row.get(1)?, updated_unix_ns: unsigned(row.get(2)?) })
}
