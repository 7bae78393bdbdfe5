"""Event streams, however their bytes come."""

from __future__ import annotations

import json

import pytest

from prony import UnexpectedAnswerError
from prony._event_stream import EventStream
from prony._live import LiveWindows

STREAM = (
    ": alive\n\n"
    'event: snapshot\ndata: {"windows":\ndata: []}\n\n'
    "event:window\r\ndata:1\r\rid: 7\rdata:  é\U0001f600\n\n"
    "event: nothing\n\n"
    "data\n\n"
)
EVENTS = [
    ("snapshot", '{"windows":\n[]}'),
    ("window", "1"),
    ("message", " é\U0001f600"),
    ("message", ""),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_events_are_the_same_however_they_are_split(size: int) -> None:
    stream, sent = EventStream(), STREAM.encode()
    reads = [sent[at : at + size] for at in range(0, len(sent), size)]
    events = [(event.name, event.data) for read in reads for event in stream.push(read)]
    assert events == EVENTS


def event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def test_windows_come_with_those_before_or_without() -> None:
    sent = event("snapshot", {"windows": [{"at_unix_ms": 1}]}) + event("window", {"at_unix_ms": 2})
    for recent, times in [(False, [2]), (True, [1, 2])]:
        windows = LiveWindows(recent=recent).push(sent + event("later", {"of": "another kind"}))
        assert [window["at_unix_ms"] for window in windows] == times


@pytest.mark.parametrize("sent", [b"data: {\n\n", b"event: snapshot\ndata: {}\n\n"])
def test_another_server_s_stream_is_told(sent: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r"after `event: (message|snapshot)`"):
        list(LiveWindows(recent=True).push(sent))
