//! What is shown of columns.

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of a whole; of CPU time, of one core.
    Percent,
    /// Mebibytes.
    Mebibytes,
    /// Bytes a second.
    BytesPerSecond,
    /// So many at once.
    Count,
    /// So many a second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Watts.
    Watts,
    /// Megahertz.
    Megahertz,
    /// Degrees Celsius.
    Celsius,
}

impl Unit {
    /// The word used in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::Mebibytes => "MiB",
            Self::BytesPerSecond => "bytes/s",
            Self::Count => "count",
            Self::PerSecond => "1/s",
            Self::Milliseconds => "ms",
            Self::Watts => "W",
            Self::Megahertz => "MHz",
            Self::Celsius => "°C",
        }
    }
}

/// How a figure comes from columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A level as it stands.
    Level(&'static str),
    /// How fast a counter grows.
    Rate(&'static str),
    /// How much a counter grows for each that another one does.
    Share(&'static str, &'static str),
}

/// Something shown of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// What it is called.
    pub name: &'static str,
    /// What it is measured in.
    pub unit: Unit,
    pub(super) of: Of,
    /// What to multiply columns by to have them in the unit.
    pub(super) factor: f64,
}

const fn figure(name: &'static str, unit: Unit, of: Of, factor: f64) -> Figure {
    Figure { name, unit, of, factor }
}

const MIB: f64 = 1.0 / 1_048_576.0;

/// Every figure, in the order of showing. A source has those whose columns it tells.
pub(super) const ALL: [Figure; 28] = [
    figure("cpu", Unit::Percent, Of::Rate("cpu_seconds"), 100.0),
    figure("memory", Unit::Mebibytes, Of::Level("memory_bytes"), MIB),
    figure("received", Unit::BytesPerSecond, Of::Rate("received_bytes"), 1.0),
    figure("sent", Unit::BytesPerSecond, Of::Rate("sent_bytes"), 1.0),
    figure("loopback", Unit::BytesPerSecond, Of::Rate("loopback_bytes"), 1.0),
    figure("machine_cpu", Unit::Percent, Of::Rate("machine_busy_seconds"), 100.0),
    figure("machine_stolen", Unit::Percent, Of::Rate("machine_stolen_seconds"), 100.0),
    figure("group_cpu", Unit::Percent, Of::Rate("group_cpu_seconds"), 100.0),
    figure("group_throttled", Unit::Percent, Of::Rate("group_throttled_seconds"), 100.0),
    figure("group_memory", Unit::Mebibytes, Of::Level("group_memory_bytes"), MIB),
    figure("requests_running", Unit::Count, Of::Level("requests_running"), 1.0),
    figure("requests_waiting", Unit::Count, Of::Level("requests_waiting"), 1.0),
    figure("kv_cache_usage", Unit::Percent, Of::Level("kv_cache_usage"), 100.0),
    figure(
        "prefix_cache_hits",
        Unit::Percent,
        Of::Share("prefix_cache_hits", "prefix_cache_queries"),
        100.0,
    ),
    figure("input_tokens", Unit::PerSecond, Of::Rate("input_tokens"), 1.0),
    figure("output_tokens", Unit::PerSecond, Of::Rate("output_tokens"), 1.0),
    figure("preemptions", Unit::PerSecond, Of::Rate("preemptions"), 1.0),
    figure("ttft", Unit::Milliseconds, mean("ttft_seconds_sum", "ttft_seconds_count"), 1e3),
    figure("itl", Unit::Milliseconds, mean("itl_seconds_sum", "itl_seconds_count"), 1e3),
    figure("queue_time", Unit::Milliseconds, mean("queue_seconds_sum", "queue_seconds_count"), 1e3),
    figure("e2e", Unit::Milliseconds, mean("e2e_seconds_sum", "e2e_seconds_count"), 1e3),
    figure("gpu_utilization", Unit::Percent, Of::Level("gpu_utilization"), 100.0),
    figure("gpu_tensor_active", Unit::Percent, Of::Level("gpu_tensor_active"), 100.0),
    figure("gpu_memory", Unit::Mebibytes, Of::Level("gpu_memory_bytes"), MIB),
    figure("gpu_power", Unit::Watts, Of::Level("gpu_power_watts"), 1.0),
    figure("gpu_temperature", Unit::Celsius, Of::Level("gpu_temperature"), 1.0),
    figure("gpu_sm_clock", Unit::Megahertz, Of::Level("gpu_sm_clock_hertz"), 1e-6),
    figure("gpu_memory_clock", Unit::Megahertz, Of::Level("gpu_memory_clock_hertz"), 1e-6),
];

/// Of what a histogram adds up and counts.
const fn mean(sum: &'static str, count: &'static str) -> Of {
    Of::Share(sum, count)
}
