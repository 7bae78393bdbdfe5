//! Tells everyone who watches what goes on, several times a second.

use std::sync::Arc;

use api::management::live::{LiveBenchmark, LiveGpu, LiveResources};
use api::management::{LiveFeed, LiveWindow};
use collect::LiveWindows;
use collect::resource::{ResourceSample, Sampler, cpu_percent};
use control::Benchmarks;

const MIB: f64 = 1_048_576.0;

/// Takes the collector's windows to the feed.
pub(super) struct Pump {
    pub(super) windows: LiveWindows,
    pub(super) feed: Arc<LiveFeed>,
    pub(super) benchmarks: Arc<Benchmarks>,
    /// What this process takes, where the system tells.
    pub(super) sampler: Option<Arc<Sampler>>,
}

impl Pump {
    /// Until the collector has ended.
    pub(super) async fn run(mut self) {
        let mut before = None;
        while let Some((window, _)) = self.windows.next().await {
            let sample = self.sample().await;
            let resources = sample.as_ref().map(|sample| resources(before.as_ref(), sample));
            before = sample;
            let benchmarks = LiveBenchmark::all(&self.benchmarks);
            self.feed.publish(&LiveWindow::of(&window, benchmarks, resources));
        }
    }

    async fn sample(&self) -> Option<ResourceSample> {
        let sampler = Arc::clone(self.sampler.as_ref()?);
        tokio::task::spawn_blocking(move || sampler.sample().ok()).await.ok()?
    }
}

fn resources(before: Option<&ResourceSample>, now: &ResourceSample) -> LiveResources {
    let cpu = |before: &ResourceSample| {
        cpu_percent([before.process.cpu, now.process.cpu], [before.at, now.at])
    };
    let memory = now.process.proportional_bytes.unwrap_or(now.process.resident_bytes);
    LiveResources {
        cpu_percent: before.and_then(cpu),
        memory_mib: Some(memory as f64 / MIB),
        gpu: now.gpus.first().and_then(|gpu| {
            Some(LiveGpu {
                utilisation_percent: 100.0 * gpu.utilization?,
                memory_mib: gpu.memory_used_bytes? as f64 / MIB,
                power_watts: gpu.power_watts,
            })
        }),
    }
}
