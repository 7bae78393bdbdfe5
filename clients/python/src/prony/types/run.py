"""A run's figures."""

from __future__ import annotations

from typing import Literal, TypedDict

Bounds = list[float]
"""The low and the high end of an interval."""


class Doubt(TypedDict):
    """A reason to distrust a run's figures."""

    name: str
    message: str
    remedy: str


class Verdict(TypedDict):
    """Whether a run's figures can be believed."""

    valid: bool
    highest_percentile: str | None
    doubts: list[Doubt]


class TokenSources(TypedDict):
    """How many requests' tokens were counted by whom."""

    server: int
    tokenizer: int
    estimate: int


class Settled(TypedDict):
    """Whether a run came to rest, and when."""

    state: Literal["settled", "never", "too_short"]
    after_s: float | None


class SteadyState(TypedDict):
    """Whether throughput and latency came to rest."""

    throughput: Settled
    latency: Settled


class Delivery(TypedDict):
    """How well a planned rate was kept."""

    on_plan: bool
    delivered_share: float
    overdue_share: float
    planned_rate: float | None
    achieved_rate: float | None
    achieved_rate_ci95: Bounds | None


class InFlightLimit(TypedDict):
    """What a limit of requests in flight did beside a request rate."""

    limit: int
    waited_share: float
    median_wait_ms: float
    p99_wait_ms: float
    median_client_lag_ms: float
    p99_client_lag_ms: float


class ProcessUse(TypedDict):
    """What Prony itself used during a run."""

    cpu_s: float
    cpu_cores: float
    memory_peak_bytes: int


class RunSummary(TypedDict):
    """A run's figures: an entry of ``runs`` in the ``summary.json`` of ``prony bench``.

    A run that could not begin has its ``error``, and ``None`` for rates and times.
    """

    target: str
    model: str
    scenario: str
    load: str
    error: str | None
    convention: str
    origin: Literal["planned", "started"]
    verdict: Verdict
    window_start_unix_ns: int
    window_end_unix_ns: int
    window_ended_by: str
    duration: float | None
    duration_s: float | None
    ramp_s: float | None
    elapsed_s: float | None
    completed: int
    failed: int
    warmup: int
    outside_window: int
    retried: int
    retries: int
    retry_causes: dict[str, int]
    mean_retrying_ms: float | None
    error_rate: float | None
    error_rate_ci95: Bounds | None
    errors: dict[str, int]
    error_samples: dict[str, list[str]]
    total_input_tokens: int
    total_output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    input_tokens_source: TokenSources
    output_tokens_source: TokenSources
    tokens_per_chunk: float | None
    empty_answers: int
    completed_inside_window: int
    output_tokens_inside_window: float | None
    total_tokens_inside_window: float | None
    good_inside_window: int | None
    request_throughput: float | None
    output_throughput: float | None
    total_token_throughput: float | None
    request_goodput: float | None
    goodput_share: float | None
    goodput_share_ci95: Bounds | None
    n_ttft: int
    mean_ttft_ms: float | None
    std_ttft_ms: float | None
    min_ttft_ms: float | None
    max_ttft_ms: float | None
    median_ttft_ms: float | None
    p90_ttft_ms: float | None
    p95_ttft_ms: float | None
    p99_ttft_ms: float | None
    p999_ttft_ms: float | None
    n_tpot: int
    mean_tpot_ms: float | None
    std_tpot_ms: float | None
    min_tpot_ms: float | None
    max_tpot_ms: float | None
    median_tpot_ms: float | None
    p90_tpot_ms: float | None
    p95_tpot_ms: float | None
    p99_tpot_ms: float | None
    p999_tpot_ms: float | None
    n_itl: int
    mean_itl_ms: float | None
    std_itl_ms: float | None
    min_itl_ms: float | None
    max_itl_ms: float | None
    median_itl_ms: float | None
    p90_itl_ms: float | None
    p95_itl_ms: float | None
    p99_itl_ms: float | None
    p999_itl_ms: float | None
    n_e2el: int
    mean_e2el_ms: float | None
    std_e2el_ms: float | None
    min_e2el_ms: float | None
    max_e2el_ms: float | None
    median_e2el_ms: float | None
    p90_e2el_ms: float | None
    p95_e2el_ms: float | None
    p99_e2el_ms: float | None
    p999_e2el_ms: float | None
    n_schedule_lag: int
    mean_schedule_lag_ms: float | None
    std_schedule_lag_ms: float | None
    min_schedule_lag_ms: float | None
    max_schedule_lag_ms: float | None
    median_schedule_lag_ms: float | None
    p90_schedule_lag_ms: float | None
    p95_schedule_lag_ms: float | None
    p99_schedule_lag_ms: float | None
    p999_schedule_lag_ms: float | None
    n_read_lag: int
    mean_read_lag_ms: float | None
    std_read_lag_ms: float | None
    min_read_lag_ms: float | None
    max_read_lag_ms: float | None
    median_read_lag_ms: float | None
    p90_read_lag_ms: float | None
    p95_read_lag_ms: float | None
    p99_read_lag_ms: float | None
    p999_read_lag_ms: float | None
    n_user_speed: int
    mean_user_speed_tok_s: float | None
    std_user_speed_tok_s: float | None
    min_user_speed_tok_s: float | None
    max_user_speed_tok_s: float | None
    median_user_speed_tok_s: float | None
    p90_user_speed_tok_s: float | None
    p95_user_speed_tok_s: float | None
    p99_user_speed_tok_s: float | None
    p999_user_speed_tok_s: float | None
    ci95: dict[str, Bounds]
    unsupported: list[str]
    connections_opened: int
    mean_connection_ms: float | None
    steady_state: SteadyState
    delivery: Delivery | None
    in_flight_limit: InFlightLimit | None
    unstamped_chunk_share: float | None
    merged_chunk_share: float | None
    not_streamed_share: float | None
    short_answer_share: float | None
    distinct_prompts: int | None
    clock_step_ms: float | None
    process: ProcessUse | None
