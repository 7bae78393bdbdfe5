//! The log's thread: writes what is pending, waits for the device, and settles the tickets.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::frame::{SEGMENT_HEADER, SegmentHeader};
use super::replay::segment_path;
use super::{DurableError, Shared};
use crate::durable::folder;

/// How much comes together before it is written at once.
const BATCH_BYTES: usize = 1 << 20;

/// What there is to write.
struct Batch {
    frames: Vec<u8>,
    first: u64,
    end: u64,
    close_segment: bool,
}

/// Works until the log is dropped and nothing is pending.
pub(super) fn run(shared: &Shared, mut committer: Committer) {
    let mut spare = Vec::new();
    while let Some(batch) = next(shared, spare) {
        let result = match batch.frames.is_empty() {
            true => Ok(()),
            false => committer.commit(&batch.frames, batch.first),
        };
        let closed = batch.close_segment.then(|| committer.close(batch.end));
        let mut state = shared.lock();
        if let Err(error) = result {
            state.note_failure(batch.first, batch.end, Arc::from(error.to_string()));
        }
        state.settled = batch.end;
        state.closed = committer.closed();
        if let Some(closed) = closed {
            state.close_segment = false;
            state.close_failure = closed.err().map(|error| error.to_string());
        }
        drop(state);
        shared.done.notify_all();
        spare = batch.frames;
        spare.clear();
    }
}

/// Waits for something to do and then for more of it; `None` once all is over.
fn next(shared: &Shared, spare: Vec<u8>) -> Option<Batch> {
    let state = shared.lock();
    let idle = shared.work.wait_while(state, |state| {
        state.pending.is_empty() && !state.close_segment && !state.is_over
    });
    let state = idle.unwrap_or_else(PoisonError::into_inner);
    let gather = shared.work.wait_timeout_while(state, shared.settings.commit_interval, |state| {
        !state.is_urgent
            && !state.close_segment
            && !state.is_over
            && state.pending.len() < BATCH_BYTES
    });
    let mut state = gather.unwrap_or_else(PoisonError::into_inner).0;
    if state.is_over && state.pending.is_empty() && !state.close_segment {
        return None;
    }
    state.is_urgent = false;
    Some(Batch {
        frames: std::mem::replace(&mut state.pending, spare),
        first: state.settled,
        end: state.next,
        close_segment: state.close_segment,
    })
}

/// Writes segments.
#[derive(Debug)]
pub(super) struct Committer {
    folder: PathBuf,
    /// The segment that is written, and how long it is; `None` until something is to be written.
    file: Option<(File, PathBuf, u64)>,
    /// The last segment's number.
    number: u64,
    /// From which sequence on records are void that no segment's header says so of yet.
    void_from: Option<u64>,
    segment_bytes: u64,
}

impl Committer {
    pub(super) const fn new(folder: PathBuf, after: u64, segment_bytes: u64) -> Self {
        Self { folder, file: None, number: after, void_from: None, segment_bytes }
    }

    /// The last segment that is never written again, and of which it is known what is void.
    const fn closed(&self) -> u64 {
        match (&self.file, self.void_from) {
            (None, None) => self.number,
            _ => self.number.saturating_sub(1),
        }
    }

    /// Closes the segment. Where something in it is void, the next one has to say so first.
    fn close(&mut self, next: u64) -> Result<(), DurableError> {
        if self.void_from.is_some() {
            return self.begin_segment(next);
        }
        self.file = None;
        Ok(())
    }

    /// Brings frames to the device. Where that fails, what the segment holds of them is void, and
    /// the next commit begins another segment: after a failed sync nobody knows what the device has.
    fn commit(&mut self, frames: &[u8], first: u64) -> Result<(), DurableError> {
        let result = self.write(frames, first);
        if result.is_err() {
            self.void_from.get_or_insert(first);
            self.file = None;
        }
        result
    }

    fn write(&mut self, frames: &[u8], first: u64) -> Result<(), DurableError> {
        if self.file.is_none() {
            self.begin_segment(first)?;
        }
        let (file, path, length) = self.file.as_mut().expect("a segment was begun");
        let written = file.write_all(frames).and_then(|()| file.sync_data());
        written.map_err(DurableError::file("write", path))?;
        *length += frames.len() as u64;
        if *length >= self.segment_bytes {
            self.file = None;
        }
        Ok(())
    }

    fn begin_segment(&mut self, first: u64) -> Result<(), DurableError> {
        let path = segment_path(&self.folder, self.number + 1);
        let header = SegmentHeader { cut_from: self.void_from.unwrap_or(first), first };
        let file = File::create_new(&path)
            .and_then(|mut file| {
                file.write_all(&header.to_bytes())?;
                file.sync_all()?;
                Ok(file)
            })
            .map_err(DurableError::file("create", &path));
        let begun = file.and_then(|file| folder::sync(&self.folder).map(|()| file));
        match begun {
            Ok(file) => {
                self.number += 1;
                self.void_from = None;
                self.file = Some((file, path, SEGMENT_HEADER as u64));
                Ok(())
            }
            Err(error) => {
                // It holds nothing. Where it cannot be removed the next one takes another number.
                if folder::remove(&path).is_err() {
                    self.number += 1;
                }
                Err(error)
            }
        }
    }
}
