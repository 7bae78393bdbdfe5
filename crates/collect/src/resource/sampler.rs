//! Reads the files that the figures come from.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;

use super::{CgroupSample, Gpus, ProcessSample, ResourceSample, procfs};

/// Where control groups of version 2 are mounted, alone or beside those of version 1.
const CGROUP_ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Why resources could not be sampled.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// The process watched has ended.
    #[error("process {0} has ended")]
    Ended(u32),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not say what the kernel's documentation has it say.
    #[error("cannot make sense of {}", .0.display())]
    Format(PathBuf),
}

/// Samples one process, and the machine it runs on.
///
/// A sample takes some 0.1 ms, and more where the process has much memory, as the kernel then walks
/// its page tables: call it from a thread that may block.
#[derive(Debug)]
pub struct Sampler {
    clock: Arc<dyn Clock>,
    process: u32,
    folder: PathBuf,
    /// Tells the process from a later one of the same number.
    began: u64,
    tick: Duration,
    gpus: Option<Gpus>,
}

impl Sampler {
    /// Watches the process of this number.
    ///
    /// # Errors
    /// Where there is none, or this is not Linux.
    pub fn new(
        process: u32,
        clock: Arc<dyn Clock>,
        gpus: Option<Gpus>,
    ) -> Result<Self, SamplerError> {
        let per_second = rustix::param::clock_ticks_per_second();
        let tick = Duration::from_secs(1) / u32::try_from(per_second).unwrap_or(100).max(1);
        let folder = PathBuf::from(format!("/proc/{process}"));
        let mut sampler = Self { clock, process, folder, began: 0, tick, gpus };
        sampler.began = sampler.stat()?.began;
        Ok(sampler)
    }

    /// Watches this very process.
    ///
    /// # Errors
    /// Where this is not Linux.
    pub fn of_self(clock: Arc<dyn Clock>, gpus: Option<Gpus>) -> Result<Self, SamplerError> {
        Self::new(std::process::id(), clock, gpus)
    }

    /// Reads everything.
    ///
    /// # Errors
    /// Where the process has ended, or a file that every Linux has cannot be read.
    pub fn sample(&self) -> Result<ResourceSample, SamplerError> {
        let at = self.clock.now();
        let process = self.process()?;
        let network = self.folder.join("net/dev");
        let (stat, meminfo) = (Path::new("/proc/stat"), Path::new("/proc/meminfo"));
        Ok(ResourceSample {
            at,
            process,
            cgroup: self.cgroup(),
            network: known(procfs::network(&self.read(&network)?), &network)?,
            machine: known(
                procfs::machine(&self.read(stat)?, &self.read(meminfo)?, self.tick),
                stat,
            )?,
            gpus: self.gpus.as_ref().map(Gpus::sample).unwrap_or_default(),
        })
    }

    fn process(&self) -> Result<ProcessSample, SamplerError> {
        let stat = self.stat()?;
        if stat.began != self.began {
            return Err(SamplerError::Ended(self.process));
        }
        let status = self.folder.join("status");
        let resident = procfs::bytes(&self.read(&status)?, "VmRSS");
        // Another user's process does not show it.
        let rollup = self.read(&self.folder.join("smaps_rollup")).ok();
        Ok(ProcessSample {
            cpu: stat.cpu,
            // One that has just ended, and waits to be noticed, has no memory.
            resident_bytes: resident.ok_or(SamplerError::Ended(self.process))?,
            proportional_bytes: rollup.and_then(|text| procfs::bytes(&text, "Pss")),
            threads: stat.threads,
        })
    }

    fn stat(&self) -> Result<procfs::Stat, SamplerError> {
        let path = self.folder.join("stat");
        known(procfs::stat(&self.read(&path)?, self.tick), &path)
    }

    fn cgroup(&self) -> Option<CgroupSample> {
        let own = self.read(&self.folder.join("cgroup")).ok()?;
        let path = procfs::cgroup_path(&own)?;
        CGROUP_ROOTS.iter().find_map(|root| {
            let folder = Path::new(root).join(path);
            let file = |name: &str| self.read(&folder.join(name)).ok();
            procfs::cgroup(&file("cpu.stat")?, &file("memory.current")?, &file("memory.max")?)
        })
    }

    #[expect(clippy::disallowed_methods, reason = "the system tells what it does in files")]
    fn read(&self, path: &Path) -> Result<String, SamplerError> {
        std::fs::read_to_string(path).map_err(|source| {
            let is_own = path.starts_with(&self.folder);
            // ESRCH, where it ends in the midst of a read.
            let is_gone = source.kind() == io::ErrorKind::NotFound
                || source.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
            if is_own && is_gone {
                SamplerError::Ended(self.process)
            } else {
                SamplerError::Read { path: path.to_owned(), source }
            }
        })
    }
}

fn known<T>(read: Option<T>, path: &Path) -> Result<T, SamplerError> {
    read.ok_or_else(|| SamplerError::Format(path.to_owned()))
}
