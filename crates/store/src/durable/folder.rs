//! The store's folder: what lies where, which format it has, and who may write.
//!
//! | name | what |
//! |---|---|
//! | `FORMAT` | the format's number |
//! | `LOCK` | locked by whoever writes; holds the process id |
//! | `log/` | what was appended and is not yet in a partition |
//! | `partitions/` | Parquet files of an hour each |
//! | `catalog.db` | runs, documents, rollups, and which partitions count |
//! | `content.db` | what requests asked and were answered, where that is kept |
//! | `damaged/` | what could not be read, kept for whoever wants to look |

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::DurableError;

/// The newest format, and the one that is written.
pub(crate) const FORMAT: u32 = 1;

/// The first word of the format file.
const MARK: &str = "prony-store";

/// A store's folder, its format checked.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Refuses a folder that holds something else, before anything is put there.
    pub(crate) fn refuse_foreign(root: &Path) -> Result<(), DurableError> {
        let folder = Self { root: root.to_owned() };
        match folder.check_format() {
            Err(DurableError::NoStore { .. }) => folder.check_empty(),
            other => other,
        }
    }

    /// The store in `root`, made there if the folder is empty.
    pub(crate) fn create(root: &Path) -> Result<Self, DurableError> {
        let folder = Self { root: root.to_owned() };
        match folder.check_format() {
            Err(DurableError::NoStore { .. }) => {
                folder.check_empty()?;
                write_whole(&folder.format_file(), format!("{MARK} {FORMAT}\n").as_bytes())?;
            }
            other => other?,
        }
        for sub in [folder.log(), folder.partitions(), folder.damaged()] {
            std::fs::create_dir_all(&sub).map_err(DurableError::file("create", &sub))?;
        }
        sync(&folder.root)?;
        Ok(folder)
    }

    /// Refuses a store whose catalog is gone: a new one would count nothing of what is there.
    pub(crate) fn refuse_lost_catalog(&self) -> Result<(), DurableError> {
        let path = self.catalog();
        if path.exists() {
            return Ok(());
        }
        for folder in [self.partitions(), self.log()] {
            let mut entries =
                std::fs::read_dir(&folder).map_err(DurableError::file("list", &folder))?;
            if entries.next().is_some() {
                let reason = format!("it is gone, and {} is not empty", folder.display());
                return Err(DurableError::Damaged { path, reason });
            }
        }
        Ok(())
    }

    /// The store in `root`, which must be there.
    pub(crate) fn existing(root: &Path) -> Result<Self, DurableError> {
        let folder = Self { root: root.to_owned() };
        folder.check_format()?;
        Ok(folder)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn partitions(&self) -> PathBuf {
        self.root.join("partitions")
    }

    pub(crate) fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    pub(crate) fn catalog(&self) -> PathBuf {
        self.root.join("catalog.db")
    }

    pub(crate) fn contents(&self) -> PathBuf {
        self.root.join("content.db")
    }

    fn format_file(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    fn check_format(&self) -> Result<(), DurableError> {
        let path = self.format_file();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(DurableError::NoStore { folder: self.root.clone() });
            }
            Err(source) => return Err(DurableError::File { action: "read", path, source }),
        };
        let found = text.trim().strip_prefix(MARK).and_then(|number| number.trim().parse().ok());
        match found {
            Some(FORMAT) => Ok(()),
            Some(found) if found > FORMAT => {
                Err(DurableError::Newer { path: self.root.clone(), found, known: FORMAT })
            }
            Some(_) | None => {
                let reason = format!("it does not read `{MARK} {FORMAT}`");
                Err(DurableError::Damaged { path, reason })
            }
        }
    }

    /// Refuses a folder where something is, unless an earlier try left it.
    fn check_empty(&self) -> Result<(), DurableError> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                let path = self.root.clone();
                return Err(DurableError::File { action: "list", path, source });
            }
        };
        for entry in entries {
            let name = entry.map_err(DurableError::file("list", &self.root))?.file_name();
            if name != "FORMAT.part" && name != "LOCK" {
                return Err(DurableError::Foreign { folder: self.root.clone() });
            }
        }
        Ok(())
    }
}

/// The right to write to a store, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store in `root`, whose folder exists.
    pub(crate) fn take(root: &Path) -> Result<Self, DurableError> {
        let path = root.join("LOCK");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(DurableError::file("open", &path))?;
        match try_lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is only told, so a file that cannot be read is as good as empty.
                let _ = file.read_to_string(&mut text);
                let pid = text.trim().parse().ok();
                return Err(DurableError::Locked { folder: root.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(DurableError::File { action: "lock", path, source });
            }
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(DurableError::file("write", &path))?;
        Ok(Self { _file: file })
    }

    /// Whether some process holds the lock of the store in `root`.
    pub(crate) fn is_held(root: &Path) -> bool {
        let file = File::open(root.join("LOCK"));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Locks a file. Whoever only asks whether it is locked has it for an instant.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    const TRIES: u32 = 5;
    const PAUSE: Duration = Duration::from_millis(5);
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

/// Waits until the device has the names in a folder.
pub(crate) fn sync(folder: &Path) -> Result<(), DurableError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(DurableError::file("sync", folder))
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    let draft = path.with_extension("part");
    let written = File::create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&draft, path));
    written.map_err(DurableError::file("write", path))?;
    path.parent().map_or(Ok(()), sync)
}

/// Removes a file that may be gone already.
pub(crate) fn remove(path: &Path) -> Result<(), DurableError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DurableError::File { action: "remove", path: path.to_owned(), source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
