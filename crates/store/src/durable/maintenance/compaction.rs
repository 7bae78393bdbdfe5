//! Compaction: the many small partitions of an hour become few large ones.

use std::collections::BTreeMap;

use super::{Maintained, Maintenance};
use crate::durable::DurableError;
use crate::durable::catalog::{Change, Partition};
use crate::durable::partition::{self, HOUR_S};

/// How large a partition grows before it is left alone.
const BYTES_ENOUGH: u64 = 128 << 20;
/// How many small ones of an hour are borne while it lasts.
const SMALL_MAX: usize = 8;
/// How long after its end an hour still gets records.
const LATE_S: u64 = 600;

impl Maintenance {
    /// Merges what is worth merging. A partition that cannot be read is left as it is.
    pub(crate) fn compact(&self, done: &mut Maintained) -> Result<(), DurableError> {
        let partitions = self.catalog.manifest()?.partitions;
        let now_s = self.clock.unix_nanos() / 1_000_000_000;
        for mut group in groups(&partitions, now_s) {
            self.leave_out_damaged(&mut group, done)?;
            if group.len() > 1 {
                let add = self.publish(vec![self.rewrite(&group, None)?])?;
                done.merged += group.len() as u64;
                self.change(Change { add, retire: group, ..Change::default() })?;
            }
        }
        Ok(())
    }

    fn leave_out_damaged(
        &self,
        group: &mut Vec<&Partition>,
        done: &mut Maintained,
    ) -> Result<(), DurableError> {
        let folder = self.folder.partitions();
        let mut sound = Vec::new();
        for partition in group.drain(..) {
            match partition::verify(&folder, partition) {
                Ok(()) => sound.push(partition),
                Err(DurableError::Damaged { path, .. }) => done.unreadable.push(path),
                Err(error) => return Err(error),
            }
        }
        *group = sound;
        Ok(())
    }
}

/// Which partitions are to be merged with each other.
fn groups(partitions: &[Partition], now_s: u64) -> Vec<Vec<&Partition>> {
    let mut by_hour: BTreeMap<u64, Vec<&Partition>> = BTreeMap::new();
    for partition in partitions.iter().filter(|partition| partition.file.bytes < BYTES_ENOUGH) {
        by_hour.entry(partition.file.hour_unix_s).or_default().push(partition);
    }
    let mut groups = Vec::new();
    for (hour, small) in by_hour {
        let is_over = hour + HOUR_S + LATE_S <= now_s;
        if small.len() < if is_over { 2 } else { SMALL_MAX } {
            continue;
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        for partition in small {
            bytes += partition.file.bytes;
            group.push(partition);
            if bytes >= BYTES_ENOUGH {
                groups.push(std::mem::take(&mut group));
                bytes = 0;
            }
        }
        groups.push(group);
    }
    groups.retain(|group| group.len() > 1);
    groups
}
