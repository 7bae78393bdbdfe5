//! What the machine, Prony and a server beside it take: CPU, memory, network, GPUs.
//!
//! A [`Sampler`] reads Linux's `/proc` and the control group (v2), and NVIDIA's library where there
//! is one. Counters are sampled as they stand: what happened between two samples is their
//! difference, so that a sample that comes late, or is lost, makes no figure wrong.

mod gpu;
mod procfs;
mod sampler;

pub use gpu::{GpuSample, Gpus};
pub use sampler::{Sampler, SamplerError};

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;

use crate::metrics::{Family, Kind, Labels, Sample, Value};

/// What was taken at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceSample {
    /// The moment.
    pub at: Timestamp,
    /// The process watched.
    pub process: ProcessSample,
    /// The control group it is in; `None` where it has none of its own (v2).
    pub cgroup: Option<CgroupSample>,
    /// The network namespace it is in: all processes there together.
    pub network: NetworkSample,
    /// The whole machine.
    pub machine: MachineSample,
    /// Each GPU.
    pub gpus: Vec<GpuSample>,
}

/// One process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessSample {
    /// CPU time so far, in user and kernel mode, of all its threads, to 10 ms.
    pub cpu: Duration,
    /// Resident memory. Of pages shared with others all counts.
    pub resident_bytes: u64,
    /// Resident memory, of pages shared by `n` processes the `n`th part (Pss); `None` where that may
    /// not be read.
    pub proportional_bytes: Option<u64>,
    /// Threads.
    pub threads: u64,
}

/// One control group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupSample {
    /// CPU time so far.
    pub cpu: Duration,
    /// Time so far in which it was held back by its CPU limit.
    pub throttled: Duration,
    /// Memory, page cache included.
    pub memory_bytes: u64,
    /// The most memory it may have; `None` without a limit.
    pub memory_bytes_max: Option<u64>,
}

/// One network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkSample {
    /// Between processes of the machine.
    pub loopback: Traffic,
    /// Through all other interfaces.
    pub outside: Traffic,
}

/// Bytes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Those received.
    pub received_bytes: u64,
    /// Those sent.
    pub sent_bytes: u64,
}

/// A machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MachineSample {
    /// Processors.
    pub processors: u64,
    /// The time so far that processors were busy, of all together, to 10 ms.
    pub busy: Duration,
    /// The time so far that the hypervisor gave to others, of all processors together.
    pub stolen: Duration,
    /// Memory in all.
    pub memory_bytes: u64,
    /// Memory that programs could still get.
    pub memory_available_bytes: u64,
}

/// How much of a processor's time was taken between two readings of a counter, in percent: 200 is
/// two processors. `None` where no time passed.
#[must_use]
pub fn cpu_percent(taken: [Duration; 2], at: [Timestamp; 2]) -> Option<f64> {
    let passed = at[1].since(at[0]);
    let taken = taken[1].saturating_sub(taken[0]);
    (!passed.is_zero()).then(|| 100.0 * taken.as_secs_f64() / passed.as_secs_f64())
}

/// What a process takes, by the names that every Prometheus client uses, and its GPUs.
#[must_use]
pub fn families(sample: &ResourceSample) -> Vec<Family> {
    let family = |name, kind, help, value: f64| Family {
        name,
        help,
        kind,
        samples: vec![Sample { labels: Labels::default(), own: None, value: Value::Number(value) }],
    };
    let process = sample.process;
    let mut families = vec![
        family(
            "process_cpu_seconds_total",
            Kind::Counter,
            "CPU time, in user and kernel mode.",
            process.cpu.as_secs_f64(),
        ),
        family(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Resident memory.",
            process.resident_bytes as f64,
        ),
    ];
    families.extend(process.proportional_bytes.map(|bytes| {
        family(
            "prony_process_proportional_memory_bytes",
            Kind::Gauge,
            "Resident memory, of pages shared by n processes the nth part.",
            bytes as f64,
        )
    }));
    families.extend(of_gpus(&sample.gpus));
    families
}

fn of_gpus(gpus: &[GpuSample]) -> impl Iterator<Item = Family> {
    type Reading = fn(&GpuSample) -> Option<f64>;
    let all: [(&str, Kind, &str, Reading); 7] = [
        ("prony_gpu_utilization_ratio", Kind::Gauge, "Share of time that a kernel ran.", |gpu| {
            gpu.utilization
        }),
        ("prony_gpu_memory_used_bytes", Kind::Gauge, "Memory in use.", |gpu| {
            gpu.memory_used_bytes.map(|bytes| bytes as f64)
        }),
        ("prony_gpu_memory_bytes", Kind::Gauge, "Memory in all.", |gpu| {
            gpu.memory_bytes.map(|bytes| bytes as f64)
        }),
        ("prony_gpu_power_watts", Kind::Gauge, "Power drawn.", |gpu| gpu.power_watts),
        ("prony_gpu_sm_clock_hertz", Kind::Gauge, "Clock of the multiprocessors.", |gpu| {
            gpu.sm_clock_mhz.map(|mhz| f64::from(mhz) * 1e6)
        }),
        ("prony_gpu_memory_clock_hertz", Kind::Gauge, "Clock of the memory.", |gpu| {
            gpu.memory_clock_mhz.map(|mhz| f64::from(mhz) * 1e6)
        }),
        (
            "prony_gpu_energy_joules_total",
            Kind::Counter,
            "Energy since the driver's start.",
            |gpu| gpu.energy_joules,
        ),
    ];
    all.into_iter().filter_map(|(name, kind, help, reading)| {
        let samples: Vec<Sample> = gpus
            .iter()
            .filter_map(|gpu| {
                let labels = Arc::from([
                    ("gpu", Arc::from(gpu.index.to_string())),
                    ("gpu_name", Arc::clone(&gpu.name)),
                ]);
                Some(Sample { labels, own: None, value: Value::Number(reading(gpu)?) })
            })
            .collect();
        (!samples.is_empty()).then_some(Family { name, help, kind, samples })
    })
}
