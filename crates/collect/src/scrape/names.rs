//! What servers call what.

/// Something that servers tell of themselves. Counters count since the server's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerMetric {
    /// Requests being answered (gauge).
    RequestsRunning,
    /// Requests that wait (gauge).
    RequestsWaiting,
    /// Requests interrupted for want of cache (counter).
    Preemptions,
    /// The share of the KV cache in use, from 0 to 1 (gauge).
    KvCacheUsage,
    /// Tokens looked up in the prefix cache (counter).
    PrefixCacheQueries,
    /// Tokens found in the prefix cache (counter).
    PrefixCacheHits,
    /// Tokens of prompts (counter).
    InputTokens,
    /// Tokens generated (counter).
    OutputTokens,
    /// Time spent on prompts, in seconds (counter).
    PrefillSeconds,
    /// Time spent on generating, in seconds (counter).
    DecodeSeconds,
    /// Time to the first token, in seconds (histogram).
    TimeToFirstToken,
    /// Time between tokens, in seconds (histogram).
    InterTokenLatency,
    /// A request's mean time per token, in seconds (histogram).
    TimePerOutputToken,
    /// A request's whole time, in seconds (histogram).
    RequestDuration,
    /// A request's time in the queue, in seconds (histogram).
    QueueTime,
    /// The share of time that a kernel ran on the GPU, from 0 to 1 (gauge).
    GpuUtilization,
    /// GPU memory in use, in bytes (gauge).
    GpuMemoryUsed,
    /// GPU memory that is free, in bytes (gauge).
    GpuMemoryFree,
    /// The GPU's power, in watts (gauge).
    GpuPower,
    /// The GPU's energy, in joules (counter).
    GpuEnergy,
    /// The GPU's temperature, in degrees Celsius (gauge).
    GpuTemperature,
    /// The clock of the GPU's multiprocessors, in hertz (gauge).
    GpuSmClock,
    /// The clock of the GPU's memory, in hertz (gauge).
    GpuMemoryClock,
    /// The share of time that tensor cores were busy, from 0 to 1 (gauge).
    GpuTensorActive,
    /// The share of time that GPU memory was read or written, from 0 to 1 (gauge).
    GpuMemoryActive,
}

/// The part of a histogram that a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Bucket,
    Sum,
    Count,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) metric: ServerMetric,
    /// What to multiply values by to have them in the metric's unit.
    pub(super) factor: f64,
    /// Which part of a histogram it is, if it is one.
    pub(super) part: Option<Part>,
    /// The row of the table it stands in.
    pub(super) row: usize,
    /// Its place among the names of the row: 0 is today's.
    pub(super) age: usize,
}

/// One figure of one server.
struct Row {
    /// Today's name, and the ones before it. A histogram's without its suffix.
    names: &'static [&'static str],
    metric: ServerMetric,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    /// A gauge or counter, and the factor to the metric's unit.
    Number(f64),
    /// A histogram, in the metric's unit.
    Histogram,
}

const fn number(names: &'static [&'static str], metric: ServerMetric, factor: f64) -> Row {
    Row { names, metric, shape: Shape::Number(factor) }
}

const fn histogram(names: &'static [&'static str], metric: ServerMetric) -> Row {
    Row { names, metric, shape: Shape::Histogram }
}

const MEBI: f64 = 1_048_576.0;

const TABLE: &[Row] = &[
    // vLLM.
    number(&["vllm:num_requests_running"], ServerMetric::RequestsRunning, 1.0),
    number(&["vllm:num_requests_waiting"], ServerMetric::RequestsWaiting, 1.0),
    number(&["vllm:num_preemptions_total"], ServerMetric::Preemptions, 1.0),
    number(
        &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
        ServerMetric::KvCacheUsage,
        1.0,
    ),
    number(&["vllm:prefix_cache_queries_total"], ServerMetric::PrefixCacheQueries, 1.0),
    number(&["vllm:prefix_cache_hits_total"], ServerMetric::PrefixCacheHits, 1.0),
    number(&["vllm:prompt_tokens_total"], ServerMetric::InputTokens, 1.0),
    number(&["vllm:generation_tokens_total"], ServerMetric::OutputTokens, 1.0),
    histogram(&["vllm:time_to_first_token_seconds"], ServerMetric::TimeToFirstToken),
    histogram(
        &["vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"],
        ServerMetric::InterTokenLatency,
    ),
    histogram(&["vllm:request_time_per_output_token_seconds"], ServerMetric::TimePerOutputToken),
    histogram(&["vllm:e2e_request_latency_seconds"], ServerMetric::RequestDuration),
    histogram(&["vllm:request_queue_time_seconds"], ServerMetric::QueueTime),
    // llama.cpp, which told of its cache until 2025.
    number(&["llamacpp:requests_processing"], ServerMetric::RequestsRunning, 1.0),
    number(&["llamacpp:requests_deferred"], ServerMetric::RequestsWaiting, 1.0),
    number(&["llamacpp:kv_cache_usage_ratio"], ServerMetric::KvCacheUsage, 1.0),
    number(&["llamacpp:prompt_tokens_total"], ServerMetric::InputTokens, 1.0),
    number(&["llamacpp:tokens_predicted_total"], ServerMetric::OutputTokens, 1.0),
    number(&["llamacpp:prompt_seconds_total"], ServerMetric::PrefillSeconds, 1.0),
    number(&["llamacpp:tokens_predicted_seconds_total"], ServerMetric::DecodeSeconds, 1.0),
    // SGLang.
    number(&["sglang:num_running_reqs"], ServerMetric::RequestsRunning, 1.0),
    number(&["sglang:num_queue_reqs"], ServerMetric::RequestsWaiting, 1.0),
    number(&["sglang:num_retracted_requests_total"], ServerMetric::Preemptions, 1.0),
    number(&["sglang:token_usage"], ServerMetric::KvCacheUsage, 1.0),
    number(&["sglang:cached_tokens_total"], ServerMetric::PrefixCacheHits, 1.0),
    number(&["sglang:prompt_tokens_total"], ServerMetric::InputTokens, 1.0),
    number(&["sglang:generation_tokens_total"], ServerMetric::OutputTokens, 1.0),
    histogram(&["sglang:time_to_first_token_seconds"], ServerMetric::TimeToFirstToken),
    histogram(&["sglang:inter_token_latency_seconds"], ServerMetric::InterTokenLatency),
    histogram(&["sglang:time_per_output_token_seconds"], ServerMetric::TimePerOutputToken),
    histogram(&["sglang:e2e_request_latency_seconds"], ServerMetric::RequestDuration),
    histogram(&["sglang:queue_time_seconds"], ServerMetric::QueueTime),
    // Text Generation Inference, whose histograms of lengths add up to its tokens.
    number(&["tgi_batch_current_size"], ServerMetric::RequestsRunning, 1.0),
    number(&["tgi_queue_size"], ServerMetric::RequestsWaiting, 1.0),
    number(&["tgi_request_input_length_sum"], ServerMetric::InputTokens, 1.0),
    number(&["tgi_request_generated_tokens_sum"], ServerMetric::OutputTokens, 1.0),
    histogram(&["tgi_request_mean_time_per_token_duration"], ServerMetric::TimePerOutputToken),
    histogram(&["tgi_request_duration"], ServerMetric::RequestDuration),
    histogram(&["tgi_request_queue_duration"], ServerMetric::QueueTime),
    // DCGM, which counts in percent, mebibytes, millijoules and megahertz.
    number(&["DCGM_FI_DEV_GPU_UTIL"], ServerMetric::GpuUtilization, 0.01),
    number(&["DCGM_FI_DEV_FB_USED"], ServerMetric::GpuMemoryUsed, MEBI),
    number(&["DCGM_FI_DEV_FB_FREE"], ServerMetric::GpuMemoryFree, MEBI),
    number(&["DCGM_FI_DEV_POWER_USAGE"], ServerMetric::GpuPower, 1.0),
    number(&["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"], ServerMetric::GpuEnergy, 1e-3),
    number(&["DCGM_FI_DEV_GPU_TEMP"], ServerMetric::GpuTemperature, 1.0),
    number(&["DCGM_FI_DEV_SM_CLOCK"], ServerMetric::GpuSmClock, 1e6),
    number(&["DCGM_FI_DEV_MEM_CLOCK"], ServerMetric::GpuMemoryClock, 1e6),
    number(&["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"], ServerMetric::GpuTensorActive, 1.0),
    number(&["DCGM_FI_PROF_DRAM_ACTIVE"], ServerMetric::GpuMemoryActive, 1.0),
];

/// What a line's name stands for; `None` where it is not understood.
pub(super) fn find(name: &str) -> Option<Known> {
    TABLE.iter().enumerate().find_map(|(row, Row { names, metric, shape })| {
        names.iter().enumerate().find_map(|(age, known)| {
            let suffix = name.strip_prefix(known)?;
            let (factor, part) = match (*shape, suffix) {
                (Shape::Number(factor), "") => (factor, None),
                (Shape::Histogram, "_bucket") => (1.0, Some(Part::Bucket)),
                (Shape::Histogram, "_sum") => (1.0, Some(Part::Sum)),
                (Shape::Histogram, "_count") => (1.0, Some(Part::Count)),
                _ => return None,
            };
            Some(Known { metric: *metric, factor, part, row, age })
        })
    })
}
