# Made out of _async.py by scripts/make_sync.py: change that, and make this again.
"""The client that blocks."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import httpx

from prony import _calls, _flow
from prony._flow import Done, Item, Retries, Send, Sleep
from prony._live import LiveWindows
from prony._server import DEFAULT_URL, TIMEOUT_SECONDS, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
    from types import TracebackType

    from prony._call import Call
    from prony._calls import Page
    from prony._flow import Flow, Items
    from prony.alerts import Alerts
    from prony.results import Results
    from prony.rollups import Rollups
    from prony.types import (
        AlertRule,
        Benchmark,
        BenchmarkRequest,
        BenchmarkStatus,
        Distribution,
        DistributionMetric,
        Heatmap,
        HeatmapMetric,
        Label,
        LiveWindow,
        Outcome,
        RequestContent,
        RequestDetail,
        RequestRecord,
        Resources,
        Scenario,
        ServerStatus,
        Silence,
        Sort,
        Target,
        TargetAvailability,
        Timeline,
    )

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """Prony's management API.

    Answers are the JSON that the server sent, typed in `prony.types`. A request whose connection is
    lost, or that the server is too busy for, is sent again where that cannot do anything twice;
    every other failure is a `PronyError`. It holds connections: use it in `with`, or `close`
    it.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        retries: int = 3,
        timeout_seconds: float = TIMEOUT_SECONDS,
        http: httpx.Client | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            base_url: The address that ``prony serve`` prints.
            api_key: A key from the server's configuration; where none is given, that in the
                environment variable ``PRONY_API_KEY``.
            retries: How often a request is tried again.
            timeout_seconds: How long the server may be silent.
            http: Sends the requests, with the proxies and certificates that it was made with; it
                is not closed with this client, and its own timeouts count.
        """
        self._server = Server(base_url, api_key)
        self._retries = Retries(retries)
        self._own_http = http is None
        self._http = http or httpx.Client(timeout=timeout_seconds)

    def close(self) -> None:
        """Closes the connections."""
        if self._own_http:
            self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._server!r})"

    # The server, and what benchmarks may name.

    def server_status(self) -> ServerStatus:
        """What server this is, and what the caller may do."""
        return self._call(_calls.get_status())

    def targets(self) -> list[Target]:
        """The models that benchmarks may ask."""
        return self._call(_calls.list_targets())

    def availability(self, target: str | None = None) -> list[TargetAvailability]:
        """How available targets were, by what canaries found.

        Args:
            target: One of them; all that a schedule asks where nothing is given.
        """
        return self._call(_calls.get_availability(target))

    def scenarios(self) -> list[Scenario]:
        """The sources of prompts that benchmarks may name."""
        return self._call(_calls.list_scenarios())

    # Benchmarks.

    def start_benchmark(
        self, request: BenchmarkRequest, *, idempotency_key: str | None = None
    ) -> str:
        """Queues a benchmark, which runs when those before it have ended; its id.

        Args:
            request: What to do.
            idempotency_key: The same for the same benchmark, so that it is made once however often
                it is asked for. Each call has a fresh one where none is given.
        """
        return self._call(_calls.create_benchmark(request, idempotency_key))

    def get_benchmark_status(self, benchmark_id: str) -> Benchmark:
        """How a benchmark stands, with its progress."""
        return self._call(_calls.get_benchmark(benchmark_id))

    def get_benchmark_results(self, benchmark_id: str) -> Results:
        """What a benchmark came to so far: every figure of each run that has ended."""
        return self._call(_calls.get_results(benchmark_id))

    def list_benchmarks(
        self,
        *,
        status: BenchmarkStatus | None = None,
        model: str | None = None,
        scenario: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[Benchmark]:
        """Benchmarks, the newest first; further pages are asked for as they are needed.

        Args:
            status: Those that stand so.
            model: Those about this target.
            scenario: Those about this scenario.
            page_size: How many to ask for at a time.
        """
        page_at = partial(_calls.list_benchmarks, status, model, scenario, page_size)
        return self._pages(page_at)

    def follow(self, benchmark_id: str, *, every_seconds: float = 0.25) -> Iterator[Benchmark]:
        """A benchmark with its progress each time it has changed, until it has ended.

        Args:
            benchmark_id: Which.
            every_seconds: How often to look.
        """
        return self._iterate(_flow.follow(benchmark_id, every_seconds, self._retries))

    def wait(
        self,
        benchmark_id: str,
        *,
        timeout_seconds: float | None = None,
        every_seconds: float = 0.5,
    ) -> Benchmark:
        """A benchmark once it has ended, however it did.

        Args:
            benchmark_id: Which.
            timeout_seconds: How long to wait at most.
            every_seconds: How often to look.

        Raises:
            WaitTimeoutError: It has not ended in that time; it goes on.
        """
        flow = _flow.wait(benchmark_id, every_seconds, timeout_seconds, self._retries)
        return self._run(flow)

    def cancel_benchmark(self, benchmark_id: str) -> Benchmark:
        """Ends a benchmark before its plan is done; what was measured stands."""
        return self._call(_calls.cancel_benchmark(benchmark_id))

    def delete_benchmark(self, benchmark_id: str) -> None:
        """Deletes a benchmark that has ended, and what it came to."""
        self._call(_calls.delete_benchmark(benchmark_id))

    # What is kept of a benchmark's runs, counted from zero.

    def timeline(self, benchmark_id: str, run: int = 0) -> Timeline:
        """A run over time."""
        return self._call(_calls.get_timeline(benchmark_id, run))

    def resources(self, benchmark_id: str, run: int = 0) -> Resources:
        """What Prony and the servers took during a run, in the steps of its timeline."""
        return self._call(_calls.get_resources(benchmark_id, run))

    def distribution(
        self, benchmark_id: str, run: int = 0, *, metric: DistributionMetric = "ttft"
    ) -> Distribution:
        """How a figure of a run is distributed."""
        return self._call(_calls.get_distribution(benchmark_id, run, metric))

    def heatmap(
        self, benchmark_id: str, run: int = 0, *, metric: HeatmapMetric = "ttft"
    ) -> Heatmap:
        """How a figure of a run is distributed over time."""
        return self._call(_calls.get_heatmap(benchmark_id, run, metric))

    def records(
        self,
        benchmark_id: str,
        run: int | None = None,
        *,
        outcome: Outcome | None = None,
        sort: Sort | None = None,
        page_size: int | None = None,
    ) -> Iterator[RequestRecord]:
        """The requests of a run, or of all; further pages are asked for as they are needed.

        Args:
            benchmark_id: Of which benchmark.
            run: Of which run.
            outcome: Those that succeeded, or failed.
            sort: In which order; ``-ttft`` and ``-e2e`` have the slowest first.
            page_size: How many to ask for at a time.
        """
        page_at = partial(_calls.list_records, benchmark_id, run, outcome, sort, page_size)
        return self._pages(page_at)

    def get_record(self, benchmark_id: str, request_id: str) -> RequestDetail:
        """One request, with when each of its chunks came."""
        return self._call(_calls.get_record(benchmark_id, request_id))

    def content(
        self,
        benchmark_id: str,
        run: int | None = None,
        *,
        outcome: Outcome | None = None,
        sort: Sort | None = None,
        page_size: int | None = None,
    ) -> Iterator[RequestContent]:
        """What the requests of a run asked and were answered, or of all, as far as it is kept.

        It is for operators and admins, and kept where the benchmark was started with
        ``store_content``. Where nothing is kept, a `NotFoundError` says how to ask for it.

        Args:
            benchmark_id: Of which benchmark.
            run: Of which run.
            outcome: Those that succeeded, or failed.
            sort: In which order; ``-ttft`` and ``-e2e`` have the slowest first.
            page_size: How many to ask for at a time.
        """
        page_at = partial(_calls.list_content, benchmark_id, run, outcome, sort, page_size)
        return self._pages(page_at)

    def get_content(self, benchmark_id: str, request_id: str) -> RequestContent:
        """What one request asked and was answered, where that is kept."""
        return self._call(_calls.get_content(benchmark_id, request_id))

    def rollups(
        self,
        start: datetime,
        end: datetime | None = None,
        *,
        step_seconds: int | None = None,
        points: int | None = None,
        group_by: Sequence[Label] = (),
        filters: Mapping[Label, str | Sequence[str] | None] | None = None,
    ) -> Rollups:
        """Figures over time, of benchmarks and of everything else that was measured.

        Args:
            start: From when, with its time zone.
            end: Until when; now, where nothing is given.
            step_seconds: How long each step is; longer where what is kept is coarser.
            points: How many steps at most, in place of their length.
            group_by: What to tell apart: a series for each.
            filters: What to take in, by label: a value, or several.
        """
        until = end or datetime.now(timezone.utc)
        call = _calls.get_rollups(start, until, step_seconds, points, group_by, filters or {})
        return self._call(call)

    # Alerts.

    def alerts(self) -> Alerts:
        """The alerts that are pending, fire, or were resolved of late, and who was told of them."""
        return self._call(_calls.list_alerts())

    def alert_rules(self) -> list[AlertRule]:
        """When alerts fire."""
        return self._call(_calls.list_alert_rules())

    def silences(self) -> list[Silence]:
        """The silences there are."""
        return self._call(_calls.list_silences())

    def create_silence(
        self, matchers: Sequence[str], until: datetime, comment: str = ""
    ) -> Silence:
        """Tells nobody of the alerts that match, for a while.

        Args:
            matchers: Labels held against values, such as ``model="small"``.
            until: Until when, with its time zone.
            comment: Why.
        """
        return self._call(_calls.create_silence(matchers, until, comment))

    def delete_silence(self, silence_id: str) -> None:
        """Ends a silence."""
        self._call(_calls.delete_silence(silence_id))

    # What happens now.

    def live(self, *, recent: bool = False) -> Generator[LiveWindow, None, None]:
        """What happens now: a window several times a second, until the server stops.

        It holds a connection open: whoever leaves the loop early closes it, as
        ``contextlib.closing`` does.

        Args:
            recent: Begin with the windows just before.

        Raises:
            UnreachableError: The connection was lost.
        """
        call, windows = _calls.watch(), LiveWindows(recent=recent)
        try:
            response = self._http.send(self._server.request(self._http, call), stream=True)
            with closing(response):
                if not response.is_success:
                    response.read()
                    raise call.refusal(response)
                for read in response.iter_bytes():
                    for window in windows.push(read):
                        yield window
        except httpx.RequestError as error:
            raise _flow.unreachable(call, error) from error

    # Doing what flows ask for.

    def _call(self, call: Call[T]) -> T:
        return self._run(_flow.exchange(call, self._retries))

    def _pages(self, page_at: Callable[[str | None], Call[Page[T]]]) -> Iterator[T]:
        return self._iterate(_flow.pages(page_at, self._retries))

    def _run(self, flow: Flow[T]) -> T:
        step = _flow.advance(flow, None)
        while not isinstance(step, Done):
            step = _flow.advance(flow, self._do(step))
        result: T = step.value
        return result

    def _iterate(self, flow: Items[T]) -> Iterator[T]:
        step = _flow.advance(flow, None)
        while not isinstance(step, Done):
            if isinstance(step, Item):
                yield step.value
                step = _flow.advance(flow, None)
            else:
                step = _flow.advance(flow, self._do(step))

    def _do(self, step: Send | Sleep) -> httpx.Response | httpx.RequestError | None:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.send(self._server.request(self._http, step.call))
        except httpx.RequestError as error:
            return error
