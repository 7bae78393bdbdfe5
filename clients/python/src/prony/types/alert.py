"""Alerts, their rules and silences."""

from __future__ import annotations

from typing import Literal, TypedDict


class Alert(TypedDict):
    """An alert that is pending, fires, or was resolved."""

    id: str
    rule: str
    severity: Literal["warning", "critical"]
    state: Literal["pending", "firing", "resolved"]
    labels: dict[str, str]
    value: float
    threshold: float
    unit: str
    since: str
    resolved_at: str | None
    summary: str
    silenced_until: str | None
    silence_id: str | None


class AlertDelivery(TypedDict):
    """What one receiver is told of alerts that go together, and what keeps it from being told."""

    receiver: str
    labels: dict[str, str]
    known: int
    told_at: str | None
    failures: int
    failed_at: str | None
    retry_at: str | None
    error: str | None


class _AlertRule(TypedDict):
    name: str
    metric: str
    comparison: Literal["above", "below", "equal"]
    threshold: float
    unit: str
    window_seconds: float
    for_seconds: float
    group_by: list[str]
    severity: Literal["warning", "critical"]
    summary: str


class AlertRule(_AlertRule, total=False):
    """When an alert fires; ``error`` is why it could not be evaluated the last time."""

    error: str | None


class Silence(TypedDict):
    """Alerts that nobody is told of for a while, by labels held against values."""

    id: str
    matchers: list[str]
    until: str
    comment: str
