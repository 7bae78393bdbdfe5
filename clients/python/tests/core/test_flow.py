"""What goes on between client and server, with nobody there to do it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prony import (
    BusyError,
    NotFoundError,
    RateLimitError,
    UnreachableError,
    WaitTimeoutError,
    _calls,
    _flow,
)
from prony._flow import Done, Item, Retries, Send, Sleep
from tests.core.scripted import problem, reply

if TYPE_CHECKING:
    from collections.abc import Generator

    from prony._call import Call

RETRIES = Retries(3, draw=lambda: 0.0)
ID = "18867251edfa0000"


def played(flow: Generator[Any, Any, Any], *replies: Any) -> list[Any]:  # noqa: ANN401
    """What the flow asks for, in short, when these replies come; its end or error last."""
    waiting = list(replies)
    course: list[Any] = []
    answer = None
    while True:
        try:
            step = _flow.advance(flow, answer)
        except Exception as error:  # noqa: BLE001
            return [*course, type(error)]
        answer = None
        if isinstance(step, Done):
            return [*course, step.value]
        if isinstance(step, Send):
            course.append(step.call.method)
            answer = waiting.pop(0)
            if isinstance(answer, type):
                answer = answer("cut", request=httpx.Request("GET", "http://127.0.0.1:1/"))
        else:
            course.append(step.seconds if isinstance(step, Sleep) else step.value)
            assert isinstance(step, Sleep | Item)


def benchmark(status: str, share: float = 0.0) -> httpx.Response:
    return reply(200, {"id": ID, "status": status, "progress": {"share": share}})


CREATE = _calls.create_benchmark({"models": ["small"]}, None)
CREATED = reply(202, {"id": ID})
TARGETS = _calls.list_targets()
CANCEL = _calls.cancel_benchmark(ID)
DELETE = _calls.delete_benchmark(ID)
LOST, REFUSED = httpx.ReadError, httpx.ConnectError
BUSY = problem(503)


@pytest.mark.parametrize(
    ("call", "replies", "course"),
    [
        pytest.param(CREATE, [CREATED], ["POST", ID], id="at once"),
        pytest.param(CREATE, [LOST, CREATED], ["POST", 0.25, "POST", ID], id="created by its key"),
        pytest.param(
            TARGETS,
            [LOST, REFUSED, problem(502), reply(200, {"items": []})],
            ["GET", 0.25, "GET", 0.5, "GET", 1.0, "GET", []],
            id="pauses double",
        ),
        pytest.param(
            TARGETS,
            [LOST] * 4,
            ["GET", 0.25, "GET", 0.5, "GET", 1.0, "GET", UnreachableError],
            id="given up",
        ),
        pytest.param(
            TARGETS,
            [BUSY] * 4,
            ["GET", 0.25, "GET", 0.5, "GET", 1.0, "GET", BusyError],
            id="the last answer counts",
        ),
        pytest.param(CANCEL, [LOST], ["POST", UnreachableError], id="it may have been carried out"),
        pytest.param(CANCEL, [BUSY], ["POST", BusyError], id="so may one that took too long"),
        pytest.param(
            DELETE, [REFUSED, reply(204)], ["DELETE", 0.25, "DELETE", None], id="not sent"
        ),
        pytest.param(
            DELETE,
            [LOST, BUSY, problem(404)],
            ["DELETE", 0.25, "DELETE", 0.5, "DELETE", None],
            id="gone by the first try",
        ),
        pytest.param(DELETE, [problem(404)], ["DELETE", NotFoundError], id="never there"),
        pytest.param(
            CANCEL, [REFUSED, problem(404)], ["POST", 0.25, "POST", NotFoundError], id="no removal"
        ),
        pytest.param(
            DELETE, [problem(429), reply(204)], ["DELETE", 0.25, "DELETE", None], id="not let in"
        ),
        pytest.param(
            TARGETS,
            [reply(429, retry_after="2"), reply(200, {"items": []})],
            ["GET", 2.0, "GET", []],
            id="as long as the server asks",
        ),
        pytest.param(
            TARGETS, [reply(429, retry_after="61")], ["GET", RateLimitError], id="not that long"
        ),
    ],
)
def test_what_is_sent_again_and_when(
    call: Call[Any], replies: list[Any], course: list[Any]
) -> None:
    assert played(_flow.exchange(call, RETRIES), *replies) == course


def test_clients_that_failed_together_do_not_come_back_together() -> None:
    assert Retries(7, draw=lambda: 0.0).pauses() == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert Retries(3, draw=lambda: 1.0).pauses() == [0.125, 0.25, 0.5]
    assert Retries(0).pauses() == []


def test_a_list_is_asked_for_page_by_page() -> None:
    pages = [{"items": [1, 2], "next_cursor": "b"}, {"items": [3], "next_cursor": None}]
    flow = _flow.pages(lambda cursor: _calls.list_benchmarks(None, None, None, 2, cursor), RETRIES)
    assert played(flow, *(reply(200, page) for page in pages)) == ["GET", 1, 2, "GET", 3, None]


def test_following_tells_each_change_and_ends_with_the_benchmark() -> None:
    flow = _flow.follow(ID, 0.1, RETRIES)
    replies = [
        benchmark("queued"),
        benchmark("queued"),
        benchmark("running", 0.5),
        LOST,
        benchmark("completed", 1.0),
    ]
    course = played(flow, *replies)
    told = [(step["status"], step["progress"]["share"]) for step in course if type(step) is dict]
    assert told == [("queued", 0.0), ("running", 0.5), ("completed", 1.0)]
    assert [step for step in course if isinstance(step, float)] == [0.1, 0.1, 0.1, 0.25]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "interrupted"])
def test_waiting_ends_however_the_benchmark_does(status: str) -> None:
    *course, ended = played(
        _flow.wait(ID, 0.5, None, RETRIES), benchmark("running"), benchmark(status)
    )
    assert (course, ended["status"]) == (["GET", 0.5, "GET"], status)


def test_waiting_takes_no_longer_than_it_may() -> None:
    times = iter([100.0, 100.5, 101.0])
    flow = _flow.wait(ID, 0.8, 1.0, RETRIES, clock=lambda: next(times))
    course = played(flow, benchmark("running"), benchmark("running"))
    assert course == ["GET", 0.5, "GET", WaitTimeoutError]
