//! Why the store could not do something, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes to the store.
    #[error("{} is in use by another process{}", folder.display(), holder(*pid))]
    Locked {
        /// The store's folder.
        folder: PathBuf,
        /// The process, where it could be told.
        pid: Option<u32>,
    },
    /// There is no store, and none was to be made.
    #[error("{} holds no store", folder.display())]
    NoStore {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds something that is not a store.
    #[error("{} is not empty and holds no store", folder.display())]
    Foreign {
        /// The folder.
        folder: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{} has format {found}, newer than {known}, the newest this version knows", path.display())]
    Newer {
        /// What has the format.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// A file does not hold what was written to it.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// The catalog could not be read or written.
    #[error("the catalog failed: {0}")]
    Catalog(#[from] rusqlite::Error),
    /// The records were not kept, since the log could not be written. None of them counts as kept:
    /// they may be handed in again.
    #[error("records were not kept: {reason}")]
    NotKept {
        /// What the system said of which file.
        reason: String,
    },
    /// One record alone is larger than the log takes.
    #[error("a record of {bytes} bytes is larger than the log takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// There is no such run.
    #[error("there is no run `{id}`")]
    UnknownRun {
        /// The id asked for.
        id: String,
    },
    /// There is such a run already.
    #[error("there is a run `{id}` already")]
    RunExists {
        /// Its id.
        id: String,
    },
    /// A query could not be answered.
    #[error("{message}")]
    Query {
        /// Why.
        message: String,
    },
    /// Rollups could not be joined.
    #[error("rollups of one window cannot be joined: {reason}")]
    Rollup {
        /// Why.
        reason: String,
    },
    /// An output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}

impl DurableError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::File { source, .. } | Self::Output(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space on the device; what was acknowledged is safe"
                }
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory => "name a folder that you may write to",
                _ => "check the device and the folder; what was acknowledged is safe",
            },
            Self::Locked { .. } => {
                "one process writes to a store at a time: stop the other one, or name another folder"
            }
            Self::NoStore { .. } => "name a store's folder; a benchmark or a server makes one",
            Self::Foreign { .. } => "name an empty folder, or one that holds a store",
            Self::Newer { .. } => "use the version of Prony that wrote it, or a newer one",
            Self::Damaged { .. } => {
                "the file is left as it is, and everything else can be read; restore it from a copy"
            }
            Self::Catalog(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
                ) =>
            {
                "the catalog is damaged: restore catalog.db from a copy; the records are untouched"
            }
            Self::Catalog(error)
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) =>
            {
                "free some space on the device; what was acknowledged is safe"
            }
            Self::Catalog(_) => "check the space left on the device and the folder's permissions",
            Self::NotKept { .. } => "free some space on the device, and try again",
            Self::TooLarge { .. } => "lower the longest answer asked for",
            Self::UnknownRun { .. } => "name one of the runs that the store lists",
            Self::RunExists { .. } => "give the run another id",
            Self::Query { .. } => {
                "the tables are `requests` and `runs`; `DESCRIBE requests` lists the columns"
            }
            Self::Rollup { .. } => "the rollups were written by another version: delete them",
        }
    }

    /// Says which file `source` is about.
    pub(crate) fn file(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { action, path, source }
    }
}
