"""What goes on between a client and its server, without doing any of it.

A flow is a generator: it yields what is to be done next, to send a call or to sleep, and is handed
what came of it. `prony._client` does what flows ask for, with and without asyncio.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import httpx

from prony import _calls
from prony.errors import UnreachableError, WaitTimeoutError

if TYPE_CHECKING:
    from prony._call import Call
    from prony._calls import Page
    from prony.types import Benchmark

T = TypeVar("T")

_ENDED = frozenset({"completed", "failed", "cancelled", "interrupted"})
_PAUSE_SECONDS_FIRST = 0.25
_PAUSE_SECONDS_MAX = 8.0
_RETRY_AFTER_SECONDS_MAX = 60.0
_NOT_FOUND = 404
_TOO_MANY_REQUESTS = 429
_NOT_NOW = frozenset({502, 503, 504})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Send:
    """Send this call; the flow is handed the response, or the error in its place."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let this much time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Hand this to whoever iterates."""

    value: T


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The flow has ended with this."""

    value: T


Reply = httpx.Response | httpx.RequestError | None
Flow = Generator[Send | Sleep, Any, T]
Items = Generator[Send | Sleep | Item[T], Any, None]


def advance(flow: Generator[Any, Any, Any], reply: Reply) -> Any:  # noqa: ANN401
    """Hands the flow what came of its last step; what it wants next, or `Done`."""
    try:
        return flow.throw(reply) if isinstance(reply, Exception) else flow.send(reply)
    except StopIteration as end:
        return Done(end.value)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and after what pauses, a request is tried again."""

    count: int
    draw: Callable[[], float] = random.random
    """Draws from 0 to 1, so that clients that failed together do not come back together."""

    def pauses(self) -> list[float]:
        """The pause before each further try, in seconds: doubling, up to half of it left off."""
        longest = [min(_PAUSE_SECONDS_FIRST * 2**n, _PAUSE_SECONDS_MAX) for n in range(self.count)]
        return [pause * (1 - self.draw() / 2) for pause in longest]


def exchange(call: Call[T], retries: Retries) -> Flow[T]:
    """Sends a call, again where that is safe and may help, and reads the answer."""
    pauses = [*retries.pauses(), None]
    for tried, pause in enumerate(pauses):
        try:
            response = yield Send(call)
        except httpx.RequestError as error:
            if pause is None or not (call.is_repeatable or isinstance(error, _NEVER_SENT)):
                raise unreachable(call, error) from error
            yield Sleep(pause)
            continue
        if tried > 0 and call.is_removal and response.status_code == _NOT_FOUND:
            break
        wanted = _retry_after(response)
        if pause is None or not _may_help(call, response) or wanted > _RETRY_AFTER_SECONDS_MAX:
            return call.answer(response)
        yield Sleep(max(pause, wanted))
    # An earlier try has removed it, and its answer was lost.
    return call.read(None)


def _may_help(call: Call[Any], response: httpx.Response) -> bool:
    status = response.status_code
    return status == _TOO_MANY_REQUESTS or (call.is_repeatable and status in _NOT_NOW)


def _retry_after(response: httpx.Response) -> float:
    """What the server asks to wait, in seconds; its other form, a date, is passed over."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0


def unreachable(call: Call[Any], error: httpx.RequestError) -> UnreachableError:
    """The error that a lost or refused connection stands for."""
    # Without what an address may hold of names and passwords.
    server = error.request.url.copy_with(userinfo=b"", path="/", query=None)
    reason = str(error) or type(error).__name__
    return UnreachableError(
        f"{call.method} {call.path} got no answer from {server}: {reason}\n"
        "hint: check that `prony serve` runs and that this machine reaches it"
    )


def pages(page_at: Callable[[str | None], Call[Page[T]]], retries: Retries) -> Items[T]:
    """Every item of a list, its pages asked for one after another."""
    cursor: str | None = None
    while True:
        page = yield from exchange(page_at(cursor), retries)
        for item in page.items:
            yield Item(item)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def follow(benchmark_id: str, every_seconds: float, retries: Retries) -> Items[Benchmark]:
    """A benchmark each time it has changed, until it has ended."""
    last: Benchmark | None = None
    while True:
        benchmark = yield from exchange(_calls.get_benchmark(benchmark_id), retries)
        if benchmark != last:
            yield Item(benchmark)
        if benchmark["status"] in _ENDED:
            return
        last = benchmark
        yield Sleep(every_seconds)


def wait(
    benchmark_id: str,
    every_seconds: float,
    timeout_seconds: float | None,
    retries: Retries,
    clock: Callable[[], float] = time.monotonic,
) -> Flow[Benchmark]:
    """A benchmark once it has ended.

    Raises:
        WaitTimeoutError: It takes longer.
    """
    started = clock()
    while True:
        benchmark = yield from exchange(_calls.get_benchmark(benchmark_id), retries)
        if benchmark["status"] in _ENDED:
            return benchmark
        pause = every_seconds
        if timeout_seconds is not None:
            left = started + timeout_seconds - clock()
            if left <= 0:
                raise WaitTimeoutError(
                    f"benchmark {benchmark_id} is {benchmark['status']} after {timeout_seconds} s"
                    "\nhint: it goes on; wait again, or cancel it"
                )
            pause = min(pause, left)
        yield Sleep(pause)
