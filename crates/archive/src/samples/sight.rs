//! Makes sights of what `collect` samples and scrapes.

use collect::resource::{GpuSample, ResourceSample, Traffic};
use collect::scrape::{Scrape, ServerMetric, ServerValue};
use domain::WallAnchor;

use super::{Name, Sight};

/// What a process took, and with `machine` also what the machine and its GPUs did.
#[must_use]
pub fn of_process(sample: &ResourceSample, anchor: WallAnchor, machine: bool) -> Sight {
    let mut told = Told::default();
    let process = &sample.process;
    let memory = process.proportional_bytes.unwrap_or(process.resident_bytes);
    told.one("cpu_seconds", process.cpu.as_secs_f64());
    told.one("memory_bytes", memory as f64);
    if let Some(cgroup) = &sample.cgroup {
        told.one("group_cpu_seconds", cgroup.cpu.as_secs_f64());
        told.one("group_throttled_seconds", cgroup.throttled.as_secs_f64());
        told.one("group_memory_bytes", cgroup.memory_bytes as f64);
    }
    let Traffic { received_bytes, sent_bytes } = sample.network.outside;
    told.one("received_bytes", received_bytes as f64);
    told.one("sent_bytes", sent_bytes as f64);
    told.one("loopback_bytes", sample.network.loopback.received_bytes as f64);
    if machine {
        let whole = &sample.machine;
        let processors = whole.processors.max(1) as f64;
        told.one("machine_busy_seconds", whole.busy.as_secs_f64() / processors);
        told.one("machine_stolen_seconds", whole.stolen.as_secs_f64() / processors);
        sample.gpus.iter().for_each(|gpu| told.gpu(gpu));
    }
    Sight { unix_nanos: anchor.unix_nanos(sample.at), values: told.0 }
}

/// What a server told of itself. What it tells of several models or engines counts together, but
/// each GPU by itself.
#[must_use]
pub fn of_server(scrape: &Scrape, anchor: WallAnchor) -> Sight {
    let mut told = Told::default();
    let mut looks_up = false;
    for reading in &scrape.readings {
        let Some((what, joined)) = column(reading.metric) else { continue };
        looks_up |= reading.metric == ServerMetric::PrefixCacheQueries;
        let is_gpu = |(label, _): &&(String, String)| label == "gpu";
        let gpu = reading.labels.iter().find(is_gpu).and_then(|(_, number)| number.parse().ok());
        match reading.value {
            ServerValue::Number(value) => told.add(what, gpu, value, joined),
            ServerValue::Histogram { sum, count, .. } => {
                told.add(&format!("{what}_sum"), gpu, sum, Joined::Sum);
                told.add(&format!("{what}_count"), gpu, count, Joined::Sum);
            }
        }
    }
    // SGLang looks every token of a prompt up, and does not say so.
    if !looks_up && let Some(tokens) = told.value("input_tokens") {
        told.one("prefix_cache_queries", tokens);
    }
    Sight { unix_nanos: anchor.unix_nanos(scrape.at), values: told.0 }
}

/// How the values of several models or engines become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    Sum,
    /// The one that is closest to its limit.
    Greatest,
}

/// The column of a server's figure; `None` where nothing is shown of it.
const fn column(metric: ServerMetric) -> Option<(&'static str, Joined)> {
    Some(match metric {
        ServerMetric::RequestsRunning => ("requests_running", Joined::Sum),
        ServerMetric::RequestsWaiting => ("requests_waiting", Joined::Sum),
        ServerMetric::Preemptions => ("preemptions", Joined::Sum),
        ServerMetric::KvCacheUsage => ("kv_cache_usage", Joined::Greatest),
        ServerMetric::PrefixCacheQueries => ("prefix_cache_queries", Joined::Sum),
        ServerMetric::PrefixCacheHits => ("prefix_cache_hits", Joined::Sum),
        ServerMetric::InputTokens => ("input_tokens", Joined::Sum),
        ServerMetric::OutputTokens => ("output_tokens", Joined::Sum),
        ServerMetric::TimeToFirstToken => ("ttft_seconds", Joined::Sum),
        ServerMetric::InterTokenLatency => ("itl_seconds", Joined::Sum),
        ServerMetric::QueueTime => ("queue_seconds", Joined::Sum),
        ServerMetric::RequestDuration => ("e2e_seconds", Joined::Sum),
        ServerMetric::GpuUtilization => ("gpu_utilization", Joined::Greatest),
        ServerMetric::GpuMemoryUsed => ("gpu_memory_bytes", Joined::Greatest),
        ServerMetric::GpuPower => ("gpu_power_watts", Joined::Greatest),
        ServerMetric::GpuEnergy => ("gpu_energy_joules", Joined::Greatest),
        ServerMetric::GpuTemperature => ("gpu_temperature", Joined::Greatest),
        ServerMetric::GpuSmClock => ("gpu_sm_clock_hertz", Joined::Greatest),
        ServerMetric::GpuMemoryClock => ("gpu_memory_clock_hertz", Joined::Greatest),
        ServerMetric::GpuTensorActive => ("gpu_tensor_active", Joined::Greatest),
        ServerMetric::GpuMemoryActive => ("gpu_memory_active", Joined::Greatest),
        ServerMetric::PrefillSeconds
        | ServerMetric::DecodeSeconds
        | ServerMetric::TimePerOutputToken
        | ServerMetric::GpuMemoryFree => return None,
    })
}

#[derive(Default)]
struct Told(Vec<(Name, f64)>);

impl Told {
    fn one(&mut self, what: &str, value: f64) {
        self.add(what, None, value, Joined::Sum);
    }

    fn add(&mut self, what: &str, gpu: Option<u32>, value: f64, joined: Joined) {
        let name = Name { what: what.to_owned(), gpu };
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, before)) => {
                *before = if joined == Joined::Sum { *before + value } else { before.max(value) };
            }
            None => self.0.push((name, value)),
        }
    }

    fn value(&self, what: &str) -> Option<f64> {
        self.0.iter().find(|(name, _)| name.what == what).map(|(_, value)| *value)
    }

    fn gpu(&mut self, gpu: &GpuSample) {
        for (what, value) in [
            ("gpu_utilization", gpu.utilization),
            ("gpu_memory_bytes", gpu.memory_used_bytes.map(|bytes| bytes as f64)),
            ("gpu_power_watts", gpu.power_watts),
            ("gpu_energy_joules", gpu.energy_joules),
            ("gpu_sm_clock_hertz", gpu.sm_clock_mhz.map(|mhz| f64::from(mhz) * 1e6)),
            ("gpu_memory_clock_hertz", gpu.memory_clock_mhz.map(|mhz| f64::from(mhz) * 1e6)),
        ] {
            if let Some(value) = value {
                self.add(what, Some(gpu.index), value, Joined::Greatest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use collect::scrape::read;
    use domain::Timestamp;

    use super::*;

    #[test]
    fn engines_count_together_and_gpus_apart() {
        let text = r#"
vllm:num_requests_running{engine="0"} 3
vllm:num_requests_running{engine="1"} 4
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 0.5
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf"} 2
vllm:time_to_first_token_seconds_sum{engine="0"} 0.5
vllm:time_to_first_token_seconds_count{engine="0"} 2
DCGM_FI_DEV_POWER_USAGE{gpu="0"} 300
DCGM_FI_DEV_POWER_USAGE{gpu="1"} 310
"#;
        let at = Timestamp::from_nanos(5);
        let scrape = Scrape { at, readings: read(text).expect("it is well formed") };
        let sight = of_server(&scrape, WallAnchor::new(Timestamp::from_nanos(0), 1_000));
        let told: Vec<_> =
            sight.values.iter().map(|(name, value)| (&*name.what, name.gpu, *value)).collect();
        assert_eq!(sight.unix_nanos, 1_005);
        assert_eq!(
            told,
            [
                ("requests_running", None, 7.0),
                ("kv_cache_usage", None, 0.5),
                ("ttft_seconds_sum", None, 0.5),
                ("ttft_seconds_count", None, 2.0),
                ("gpu_power_watts", Some(0), 300.0),
                ("gpu_power_watts", Some(1), 310.0),
            ]
        );
    }
}
