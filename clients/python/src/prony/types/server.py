"""The server, and what benchmarks may name."""

from __future__ import annotations

from typing import Literal, TypedDict

Role = Literal["viewer", "operator", "admin"]
Condition = Literal["up", "degraded", "down", "unmeasured"]
"""Whether a target met its objective; down is where nothing was answered."""


class StoreFacts(TypedDict):
    """What there is to tell of the store."""

    records: int
    bytes: int
    path_hint: str
    waiting: int
    """How many requests wait to be kept."""
    problem: str | None
    """Why none can be kept at this moment; those that wait are tried again."""


class ServerStatus(TypedDict):
    """The server, and what the caller may do."""

    version: str
    started_at: str
    uptime_seconds: int
    store: StoreFacts
    auth: Literal["none", "key"]
    role: Role


class Availability(TypedDict):
    """How available a target was in some time, by what canaries found."""

    window_seconds: int
    share: float | None
    """Of requests answered without error and in time; None where none was sent."""
    share_low: float | None
    share_high: float | None
    checks: int
    failed: int
    excluded: int
    rounds: int
    rounds_left_out: int
    measured: float
    """The share of the time in which it was asked."""
    objective: float
    budget_left: float | None
    """Of the failures that the objective allows; below 0 where there were more."""
    condition: Condition


class AvailabilityDay(TypedDict):
    """A day in UTC of a target."""

    start_unix_ms: int
    share: float | None
    checks: int
    failed: int
    measured: float
    condition: Condition


_DowntimeStart = TypedDict("_DowntimeStart", {"from": str})


class Downtime(_DowntimeStart):
    """A time in which a target answered no round of a canary; from the first of them on."""

    schedule: str
    to: str | None
    rounds: int
    problem: str


class TargetAvailability(TypedDict):
    """What canaries found of a target."""

    target: str
    windows: list[Availability]
    """The last hour, day, seven days and thirty days."""
    days: list[AvailabilityDay]
    downtimes: list[Downtime]


class Target(TypedDict):
    """A model that benchmarks may ask."""

    name: str
    provider: str
    model: str
    url_host: str | None
    region: str | None
    labels: dict[str, str]
    availability: Availability | None
    """Of the last 30 days; None where no schedule asks it."""


class Scenario(TypedDict):
    """A source of prompts that benchmarks may name."""

    name: str
    description: str
    prompts: int | None
