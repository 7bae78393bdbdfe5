//! Reads the log back: every record that was acknowledged, and what could not be read.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::frame::{self, HeaderFault, Item, SEGMENT_HEADER, SegmentHeader};
use crate::durable::DurableError;
use crate::durable::codec;
use crate::durable::folder;
use crate::durable::provenance::StoredRecord;

/// Where a segment lies.
pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.log"))
}

fn segment_number(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}

/// The segments of a log, in order.
#[derive(Clone, Debug)]
pub(crate) struct Segments(Vec<Segment>);

/// A segment that may still be written.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    header: Option<SegmentHeader>,
    /// From this sequence on its records are void.
    void_from: u64,
}

/// Bytes of a segment that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// Whether they are the log's last: what a write leaves that was cut short. They were not
    /// acknowledged.
    pub is_torn_tail: bool,
}

/// What reading segments brought to light.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The sequence after the last record.
    pub(crate) next: u64,
    pub(crate) damage: Vec<Damage>,
    /// Acknowledged records that stood where the damage is.
    pub(crate) lost: u64,
}

impl Segments {
    /// Lists the segments after number `after`.
    pub(crate) fn list(folder: &Path, after: u64) -> Result<Self, DurableError> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(DurableError::file("list", folder))? {
            let name = entry.map_err(DurableError::file("list", folder))?.file_name();
            let number = name.to_str().and_then(segment_number);
            if let Some(number) = number.filter(|number| *number > after) {
                let path = segment_path(folder, number);
                let header = read_header(&path)?;
                segments.push(Segment { number, path, header, void_from: u64::MAX });
            }
        }
        segments.sort_by_key(|segment| segment.number);
        let mut void_from = u64::MAX;
        for segment in segments.iter_mut().rev() {
            segment.void_from = void_from;
            void_from = segment.header.map_or(void_from, |header| void_from.min(header.cut_from));
        }
        Ok(Self(segments))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.0.iter()
    }

    /// The last segment's number, or `otherwise` where there is none.
    pub(crate) fn last_number(&self, otherwise: u64) -> u64 {
        self.0.last().map_or(otherwise, |segment| segment.number)
    }

    /// The sequence after a segment's last record, as the next segment tells it.
    pub(crate) fn end_of(&self, segment: &Segment) -> Option<u64> {
        let next = self.0.iter().find(|other| other.number > segment.number)?;
        next.header.map(|header| header.first)
    }

    /// Hands over every record from sequence `from` on, with its sequence.
    pub(crate) fn read(
        &self,
        from: u64,
        mut take: impl FnMut(u64, StoredRecord) -> Result<(), DurableError>,
    ) -> Result<Report, DurableError> {
        let mut report = Report { next: from, ..Report::default() };
        for segment in &self.0 {
            self.read_segment(segment, &mut report, |sequence, record| {
                if sequence < from { Ok(()) } else { take(sequence, record) }
            })?;
        }
        Ok(report)
    }

    /// Hands over the records of one segment, and carries on in `report`.
    pub(crate) fn read_segment(
        &self,
        segment: &Segment,
        report: &mut Report,
        mut take: impl FnMut(u64, StoredRecord) -> Result<(), DurableError>,
    ) -> Result<(), DurableError> {
        let is_last = self.0.last().is_some_and(|last| last.number == segment.number);
        segment.read(report, is_last, &mut take)
    }

    /// Cuts the torn tails that `report` names, after a copy of each is laid into `aside`.
    pub(crate) fn cut_torn_tails(report: &Report, aside: &Path) -> Result<(), DurableError> {
        for damage in report.damage.iter().filter(|damage| damage.is_torn_tail) {
            let path = &damage.path;
            let bytes = std::fs::read(path).map_err(DurableError::file("read", path))?;
            let start = usize::try_from(damage.offset).unwrap_or(bytes.len()).min(bytes.len());
            let mut name = path.file_name().map(ToOwned::to_owned).unwrap_or_default();
            name.push(format!(".tail-{}", damage.offset));
            folder::write_whole(&aside.join(name), &bytes[start..])?;
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(damage.offset).and_then(|()| file.sync_all()))
                .map_err(DurableError::file("cut", path))?;
        }
        Ok(())
    }
}

impl Segment {
    /// Reads on in `report`.
    fn read(
        &self,
        report: &mut Report,
        is_last: bool,
        take: &mut dyn FnMut(u64, StoredRecord) -> Result<(), DurableError>,
    ) -> Result<(), DurableError> {
        let bytes = std::fs::read(&self.path).map_err(DurableError::file("read", &self.path))?;
        if let Some(header) = self.header {
            report.lost += header.cut_from.saturating_sub(report.next);
            report.next = report.next.max(header.first);
        }
        let mut at = SEGMENT_HEADER;
        while let Some(item) = frame::read(&bytes, at) {
            at = match item {
                Item::Damage { start, end } => {
                    // What stands here may be void; then nobody misses it.
                    if report.next < self.void_from {
                        report.damage.push(Damage {
                            path: self.path.clone(),
                            offset: start as u64,
                            bytes: (end - start) as u64,
                            is_torn_tail: is_last && end == bytes.len(),
                        });
                    }
                    end
                }
                Item::Frame(frame) if frame.sequence >= self.void_from => frame.end,
                Item::Frame(frame) => {
                    report.lost += frame.sequence.saturating_sub(report.next);
                    report.next = report.next.max(frame.sequence + u64::from(frame.records));
                    self.decode(&frame, take)?;
                    frame.end
                }
            };
        }
        Ok(())
    }

    fn decode(
        &self,
        frame: &frame::Frame<'_>,
        take: &mut dyn FnMut(u64, StoredRecord) -> Result<(), DurableError>,
    ) -> Result<(), DurableError> {
        let mut sequence = frame.sequence;
        let mut result = Ok(());
        let decoded = codec::decode(frame.payload, |record| {
            if result.is_ok() {
                result = take(sequence, record);
            }
            sequence += 1;
        });
        // The checksum is right, so these are the bytes that were written, by a newer version.
        decoded.map_err(|error| DurableError::Damaged {
            path: self.path.clone(),
            reason: format!("a batch of records is not understood: {error}"),
        })?;
        result
    }
}

/// A segment's header; `None` where a crash cut it short or it is damaged.
fn read_header(path: &Path) -> Result<Option<SegmentHeader>, DurableError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SEGMENT_HEADER as u64).read_to_end(&mut bytes))
        .map_err(DurableError::file("read", path))?;
    match SegmentHeader::read(&bytes) {
        Ok(header) => Ok(Some(header)),
        Err(HeaderFault::Damaged) => Ok(None),
        Err(HeaderFault::Newer(found)) => {
            let known = frame::version();
            Err(DurableError::Newer { path: path.to_owned(), found, known })
        }
    }
}
