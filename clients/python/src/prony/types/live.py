"""What happens now."""

from __future__ import annotations

from typing import TypedDict

from prony.types.benchmark import BenchmarkProgress
from prony.types.history import Quantiles


class LiveSeries(TypedDict):
    """What requests of one kind do."""

    model: str
    provider: str
    region: str | None
    vantage_region: str | None
    scenario: str
    source: str
    requests_per_second: float
    errors_per_second: float
    output_tokens_per_second: float
    input_tokens_per_second: float
    in_flight: int
    spend_usd_per_hour: float | None
    ttft_ms: Quantiles | None
    tpot_ms: Quantiles | None
    e2e_ms: Quantiles | None


class LiveBenchmark(TypedDict):
    """How far a benchmark is."""

    id: str
    progress: BenchmarkProgress


class LiveGpu(TypedDict):
    """What is used of the GPU."""

    utilisation_percent: float
    memory_mib: float
    power_watts: float | None


class LiveResources(TypedDict):
    """What the server's machine and process use; the processor in percent of one core."""

    cpu_percent: float | None
    memory_mib: float | None
    gpu: LiveGpu | None


class LiveWindow(TypedDict):
    """A short stretch of time; ``dropped_windows`` counts those this client was too slow for."""

    at_unix_ms: int
    interval_ms: int
    dropped_windows: int
    series: list[LiveSeries]
    benchmarks: list[LiveBenchmark]
    resources: LiveResources | None
