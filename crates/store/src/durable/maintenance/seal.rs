//! Sealing: the records of closed segments go into partitions, and the segments away.

use super::{Maintained, Maintenance, Writers, lay_aside};
use crate::durable::DurableError;
use crate::durable::catalog::{Change, Manifest};
use crate::durable::folder;
use crate::durable::log::replay::{Report, Segment, Segments};

impl Maintenance {
    /// Seals the segments up to number `last`, one after the other, as far as they are rolled up.
    pub(crate) fn seal(&self, last: u64, done: &mut Maintained) -> Result<(), DurableError> {
        let Manifest { position, forgotten, .. } = self.catalog.manifest()?;
        let segments = Segments::list(&self.folder.log(), position.segment)?;
        let is_ahead = |end| position.rolled_up.is_some_and(|rolled_up| end > rolled_up);
        let mut next = position.sequence;
        for segment in segments.iter().filter(|segment| segment.number <= last) {
            if segments.end_of(segment).is_some_and(is_ahead) {
                return Ok(());
            }
            let mut report = Report { next, ..Report::default() };
            let mut writers = Writers::new(self);
            let mut records = 0;
            segments.read_segment(segment, &mut report, |_, record| {
                if record.is_of(&forgotten) {
                    return Ok(());
                }
                records += 1;
                writers.push(&record)
            })?;
            if is_ahead(report.next) {
                return Ok(());
            }
            let add = self.publish(writers.finish()?)?;
            let sealed = Some((segment.number, report.next));
            self.change(Change { add, sealed, ..Change::default() })?;
            next = report.next;
            done.sealed += records;
            self.put_away(segment, &report)?;
            done.damage.append(&mut report.damage);
        }
        Ok(())
    }

    /// Removes what a crash kept from being removed after it was sealed.
    pub(crate) fn sweep_log(&self) -> Result<(), DurableError> {
        let sealed = self.catalog.position()?.segment;
        let segments = Segments::list(&self.folder.log(), 0)?;
        for segment in segments.iter().filter(|segment| segment.number <= sealed) {
            let mut report = Report::default();
            segments.read_segment(segment, &mut report, |_, _| Ok(()))?;
            self.put_away(segment, &report)?;
        }
        Ok(())
    }

    /// Removes a sealed segment; where a part of it could not be read, someone may want to look.
    fn put_away(&self, segment: &Segment, report: &Report) -> Result<(), DurableError> {
        if report.damage.is_empty() {
            folder::remove(&segment.path)
        } else {
            lay_aside(&segment.path, &self.folder.damaged())
        }
    }
}
