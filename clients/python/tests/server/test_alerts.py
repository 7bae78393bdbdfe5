"""Alerts of the real server, whose one rule any answer breaks."""

from __future__ import annotations

import itertools
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from prony import Client, InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from prony.types import Alert, AlertDelivery

# Windows come several times a second.
WINDOWS_MAX = 300


def firing(client: Client) -> Alert:
    """The alert about the model `large`, once it fires."""
    with closing(client.live()) as live:
        for _ in itertools.islice(live, WINDOWS_MAX):
            for alert in client.alerts():
                if alert["labels"]["model"] == "large" and alert["state"] == "firing":
                    return alert
    raise AssertionError(f"nothing fires: {client.alerts()}")


def undelivered(client: Client) -> list[AlertDelivery]:
    """What cannot be told to the receiver that does not listen, once that was tried."""
    with closing(client.live()) as live:
        for _ in itertools.islice(live, WINDOWS_MAX):
            failed = [one for one in client.alerts().deliveries if one["failures"]]
            if failed:
                return failed
    raise AssertionError(f"nothing was tried: {client.alerts().deliveries}")


def test_an_alert_fires_and_is_silenced(client: Client) -> None:
    (rule,) = client.alert_rules()
    assert (rule["name"], rule["group_by"]) == ("Answers", ["model"])
    assert (rule["threshold"], rule["unit"], rule["error"]) == (0.001, "s", None)
    benchmark_id = client.start_benchmark(
        {"models": ["large"], "concurrent_users": 1, "num_requests": 3, "max_tokens": 4}
    )
    client.wait(benchmark_id, timeout_seconds=60)
    alert = firing(client)
    assert (alert["rule"], alert["severity"], alert["silenced_until"]) == (
        "Answers",
        "warning",
        None,
    )
    assert alert["value"] >= 0.02

    (delivery,) = undelivered(client)
    assert (delivery["receiver"], delivery["told_at"]) == ("nobody", None)
    assert delivery["error"]
    assert delivery["retry_at"] is not None

    until = datetime.now(timezone.utc) + timedelta(hours=1)
    silence = client.create_silence(['model="large"'], until, "it is a test")
    assert (silence["matchers"], silence["comment"]) == (['model="large"'], "it is a test")
    assert silence in client.silences()
    silenced = firing(client)
    assert silenced["silence_id"] == silence["id"]
    assert silenced["silenced_until"] == silence["until"]

    client.delete_silence(silence["id"])
    assert silence not in client.silences()
    assert firing(client)["silenced_until"] is None
    with pytest.raises(NotFoundError, match=silence["id"]):
        client.delete_silence(silence["id"])


def test_a_silence_that_cannot_be_is_refused(client: Client) -> None:
    until = datetime.now(timezone.utc) + timedelta(hours=1)
    for matchers, end in [(["model"], until), ([], until), (['model="a"'], until - timedelta(1))]:
        with pytest.raises(InvalidRequestError):
            client.create_silence(matchers, end)
