"""Benchmarks: asked for, and how they stand."""

from __future__ import annotations

from typing import Literal, TypedDict

BenchmarkStatus = Literal["queued", "running", "completed", "failed", "cancelled", "interrupted"]


class Slo(TypedDict, total=False):
    """The longest a good request may take, by figure, in milliseconds."""

    ttft_ms: float
    tpot_ms: float
    e2e_ms: float


class _AdHocTarget(TypedDict):
    url: str
    model: str


class AdHocTarget(_AdHocTarget, total=False):
    """A server that the configuration does not name; only an admin may put one under load.

    ``key_env`` names a variable of the server's environment, one that its ``ad_hoc_keys`` lists.
    """

    name: str
    provider: str
    endpoint: Literal["chat", "completions", "messages"]
    region: str
    key_env: str


class _BenchmarkRequest(TypedDict):
    models: list[str | AdHocTarget]


class BenchmarkRequest(_BenchmarkRequest, total=False):
    """A benchmark to be made: each target under each scenario and each load, one run after another.

    It needs a load, ``concurrent_users`` or ``request_rate`` (a list for a sweep), and an end,
    ``duration_minutes``, ``duration_seconds`` or ``num_requests``.
    """

    test_scenarios: list[str]
    concurrent_users: int | list[int]
    request_rate: float | list[float]
    duration_minutes: float
    duration_seconds: float
    num_requests: int
    name: str
    ramp_up_seconds: float
    max_tokens: int
    seed: int
    arrivals: Literal["poisson", "constant", "gamma"]
    burstiness: float
    slo: Slo
    store_content: bool
    labels: dict[str, str]


class CurrentRun(TypedDict):
    """The run under way."""

    model: str
    scenario: str
    load: str


class BenchmarkProgress(TypedDict):
    """How far a benchmark is, or was when it ended."""

    share: float
    runs_done: int
    runs_total: int
    elapsed_seconds: float
    remaining_seconds: float | None
    current: CurrentRun | None
    completed: int
    failed: int
    in_flight: int


class BenchmarkError(TypedDict):
    """Why a benchmark failed."""

    title: str
    detail: str
    hint: str


class Links(TypedDict):
    """Where more stands about a benchmark."""

    self: str
    results: str
    timeline: str
    records: str
    content: str


class Benchmark(TypedDict):
    """A benchmark and how it stands."""

    id: str
    name: str
    status: BenchmarkStatus
    created_at: str
    started_at: str | None
    finished_at: str | None
    request: BenchmarkRequest
    progress: BenchmarkProgress
    error: BenchmarkError | None
    links: Links
