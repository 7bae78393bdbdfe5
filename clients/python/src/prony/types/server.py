"""The server, and what benchmarks may name."""

from __future__ import annotations

from typing import Literal, TypedDict

Role = Literal["viewer", "operator", "admin"]


class StoreFacts(TypedDict):
    """What there is to tell of the store."""

    records: int
    bytes: int
    path_hint: str


class ServerStatus(TypedDict):
    """The server, and what the caller may do."""

    version: str
    started_at: str
    uptime_seconds: int
    store: StoreFacts
    auth: Literal["none", "key"]
    role: Role


class Availability(TypedDict):
    """How often a target answered its checks."""

    share: float
    window_seconds: float
    checks: int


class _Target(TypedDict):
    name: str
    provider: str
    model: str
    url_host: str | None
    region: str | None
    labels: dict[str, str]


class Target(_Target, total=False):
    """A model that benchmarks may ask."""

    availability: Availability | None


class Scenario(TypedDict):
    """A source of prompts that benchmarks may name."""

    name: str
    description: str
    prompts: int | None
