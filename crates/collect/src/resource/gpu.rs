//! NVIDIA's GPUs, through their management library, which is opened at run time.

use std::sync::Arc;

use nvml_wrapper::enum_wrappers::device::Clock;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

/// One GPU. What the GPU does not tell is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct GpuSample {
    /// Its place among the machine's.
    pub index: u32,
    /// What it is sold as.
    pub name: Arc<str>,
    /// The share of the last moments in which a kernel ran on it, from 0 to 1. Says nothing of how
    /// much of the GPU the kernel used.
    pub utilization: Option<f64>,
    /// Memory in use, by whomever.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all.
    pub memory_bytes: Option<u64>,
    /// Power drawn.
    pub power_watts: Option<f64>,
    /// The clock of its multiprocessors.
    pub sm_clock_mhz: Option<u32>,
    /// The clock of its memory.
    pub memory_clock_mhz: Option<u32>,
    /// Energy since the driver was loaded.
    pub energy_joules: Option<f64>,
}

/// The machine's GPUs.
#[derive(Debug)]
pub struct Gpus {
    library: Nvml,
    names: Vec<Arc<str>>,
}

impl Gpus {
    /// Opens the library. `None` where there is none, or no GPU behind it.
    #[must_use]
    pub fn open() -> Option<Self> {
        let library = Nvml::init().ok()?;
        let name = |index| library.device_by_index(index)?.name();
        let count = library.device_count().ok().filter(|count| *count > 0)?;
        let names = (0..count)
            .map(|index| name(index).map_or_else(|_| Arc::from("unknown"), Arc::from))
            .collect();
        Some(Self { library, names })
    }

    /// Reads each GPU.
    #[must_use]
    pub fn sample(&self) -> Vec<GpuSample> {
        let read = |(index, name): (u32, &Arc<str>)| {
            let gpu = self.library.device_by_index(index).ok()?;
            Some(sample(&gpu, index, Arc::clone(name)))
        };
        (0..).zip(&self.names).filter_map(read).collect()
    }
}

fn sample(gpu: &Device<'_>, index: u32, name: Arc<str>) -> GpuSample {
    let memory = told(gpu.memory_info());
    GpuSample {
        index,
        name,
        utilization: told(gpu.utilization_rates()).map(|rates| f64::from(rates.gpu) / 100.0),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        memory_bytes: memory.map(|memory| memory.total),
        power_watts: told(gpu.power_usage()).map(|milliwatts| f64::from(milliwatts) / 1e3),
        sm_clock_mhz: told(gpu.clock_info(Clock::SM)),
        memory_clock_mhz: told(gpu.clock_info(Clock::Memory)),
        energy_joules: told(gpu.total_energy_consumption())
            .map(|millijoules| millijoules as f64 / 1e3),
    }
}

/// A reading, if this kind of GPU and driver gives it.
fn told<T>(reading: Result<T, NvmlError>) -> Option<T> {
    reading.ok()
}
