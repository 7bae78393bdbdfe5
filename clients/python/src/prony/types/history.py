"""What was kept, over time."""

from __future__ import annotations

from typing import Literal, TypedDict

Label = Literal["model", "provider", "region", "vantage", "vantage_region", "scenario", "source"]
DistributionMetric = Literal["ttft", "tpot", "itl", "e2e"]
HeatmapMetric = Literal["ttft", "itl"]
Column = list["float | None"]
"""Values a step of time."""


class Quantiles(TypedDict):
    """Percentiles."""

    p50: float | None
    p95: float | None
    p99: float | None


class QuantileColumns(TypedDict):
    """Percentiles, a value a step of time, ``None`` where nothing was."""

    p50: Column
    p95: Column
    p99: Column


class Timeline(TypedDict):
    """A run over time, a value a step."""

    start_unix_ms: int
    step_ms: int
    requests_per_second: Column
    errors_per_second: Column
    output_tokens_per_second: Column
    in_flight: Column
    ttft_ms: QuantileColumns
    tpot_ms: QuantileColumns
    e2e_ms: QuantileColumns
    cpu_percent: Column
    memory_mib: Column


class ResourceFigure(TypedDict):
    """Something that was seen, a value a step; ``gpu`` where it is of one."""

    name: str
    unit: str
    gpu: int | None
    values: Column


class ResourceSource(TypedDict):
    """Something that was looked at; ``problem`` says why it was last not seen."""

    kind: Literal["prony", "process", "server"]
    target: str | None
    place: int
    problem: str | None
    figures: list[ResourceFigure]


class Resources(TypedDict):
    """What Prony and the servers took during a run."""

    start_unix_ms: int
    step_ms: int
    sources: list[ResourceSource]


class PercentileCurve(TypedDict):
    """Values by quantile."""

    quantile: list[float]
    value: Column


class Distribution(TypedDict):
    """How a figure of a run is distributed; ``bounds`` has one more entry than ``counts``."""

    metric: DistributionMetric
    unit: Literal["ms"]
    bounds: list[float]
    counts: list[int]
    percentiles: PercentileCurve


class Heatmap(TypedDict):
    """How a figure of a run is distributed over time; ``counts`` is by time, then by bucket."""

    start_unix_ms: int
    step_ms: int
    bounds_ms: list[float]
    counts: list[list[int]]


class RollupSeries(TypedDict):
    """Figures of one group, a value a step of time."""

    labels: dict[Label, str]
    requests: Column
    errors: Column
    input_tokens: Column
    output_tokens: Column
    cost_usd: Column
    in_flight: Column
    ttft_ms: QuantileColumns
    tpot_ms: QuantileColumns
    e2e_ms: QuantileColumns
