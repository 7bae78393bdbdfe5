"""One request of a run."""

from __future__ import annotations

from typing import Literal, TypedDict

Outcome = Literal["succeeded", "failed"]
Sort = Literal["started", "-ttft", "-e2e"]


class RequestFailure(TypedDict):
    """Why a request failed."""

    kind: str
    status: int | None
    message: str
    retry_after_ms: float | None
    retryable: bool


class Connection(TypedDict):
    """What a new connection took, in milliseconds."""

    resolve_ms: float
    connect_ms: float
    secure_ms: float | None


class RequestRecord(TypedDict):
    """One request: a line of ``requests.jsonl``."""

    request_id: str
    server_request_id: str | None
    run_index: int
    model: str
    scenario: str
    load: str
    user_id: int
    turn: int
    vantage: str
    warmup: bool
    streamed: bool
    attempts: int
    origin: Literal["planned", "started"]
    planned_unix_ns: int
    started_unix_ns: int
    sent_unix_ns: int | None
    headers_unix_ns: int | None
    first_token_unix_ns: int | None
    last_token_unix_ns: int | None
    finished_unix_ns: int
    ttft_ms: float | None
    e2el_ms: float | None
    tpot_ms: float | None
    schedule_lag_ms: float
    held_ms: float | None
    retrying_ms: float | None
    headers_lag_ms: float | None
    finished_lag_ms: float
    read_lag_ms_max: float | None
    connection: Connection | None
    max_tokens: int | None
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int | None
    input_tokens_source: str
    output_tokens_source: str
    finish_reason: str | None
    error: RequestFailure | None


class FailedAttempt(TypedDict):
    """A try of a request that was followed by another."""

    kind: str
    status: int | None
    failed_unix_ns: int
    pause_ms: float


class RequestDetail(RequestRecord):
    """One request with its chunks, whose arrivals are in nanoseconds after its start."""

    failed_attempts: list[FailedAttempt]
    chunk_ns: list[int]
    chunk_lag_ns: list[int]
