"""The rest of the real server, and its description."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from prony import AsyncClient, Client, PermissionDeniedError, _calls, types

if TYPE_CHECKING:
    from collections.abc import Callable

    from prony.types import LiveWindow
    from tests.server.contract import Contract

ENOUGH = 8


def test_what_benchmarks_may_name_is_told(client: Client) -> None:
    small, large = client.targets()
    assert (small["name"], small["url_host"], small["region"]) == ("small", "127.0.0.1", "here")
    assert (small["labels"], large["region"]) == ({"team": "search"}, None)
    names = [scenario["name"] for scenario in client.scenarios()]
    assert names == ["short_queries", "long_documents", "code_generation"]


def test_the_server_says_what_it_is(client: Client) -> None:
    status = client.server_status()
    assert (status["auth"], status["role"]) == ("none", "operator")


def test_windows_come_in_order_with_what_runs(client: Client, contract: Contract) -> None:
    benchmark_id = client.start_benchmark(
        {"models": ["small"], "concurrent_users": 1, "duration_seconds": 60}
    )
    windows: list[LiveWindow] = []
    with closing(client.live(recent=True)) as live:
        for window in live:
            contract.validate("live", contract.component("LiveWindow"), window)
            windows.append(window)
            of_it = [told for told in window["benchmarks"] if told["id"] == benchmark_id]
            if of_it and of_it[0]["progress"]["completed"] > 0:
                break
    times = [window["at_unix_ms"] for window in windows]
    assert times == sorted(times)
    client.cancel_benchmark(benchmark_id)
    client.wait(benchmark_id, timeout_seconds=60)


def test_windows_are_awaited_too(url: str, awaiting: Callable[[], httpx.AsyncClient]) -> None:
    async def use() -> list[int]:
        async with awaiting() as http, aclosing(AsyncClient(url, http=http).live()) as live:
            times: list[int] = []
            async for window in live:
                times.append(window["at_unix_ms"])
                if len(times) == ENOUGH:
                    break
            return times

    times = asyncio.run(use())
    assert len(times) == ENOUGH
    assert times == sorted(set(times))


def test_another_name_of_this_machine_is_refused(url: str) -> None:
    port = url.rpartition(":")[2]

    def rename(request: Any) -> None:  # noqa: ANN401
        request.headers["host"] = f"prony.example:{port}"

    with (
        httpx.Client(event_hooks={"request": [rename]}) as http,
        pytest.raises(PermissionDeniedError, match=r"127\.0\.0\.1"),
    ):
        Client(url, http=http).targets()


def test_every_operation_has_its_call(contract: Contract) -> None:
    assert {name for name in contract.operations if not hasattr(_calls, name)} == set()


SHAPES = {
    "Availability": types.Availability,
    "AvailabilityDay": types.AvailabilityDay,
    "Downtime": types.Downtime,
    "TargetAvailability": types.TargetAvailability,
    "Alert": types.Alert,
    "AlertRule": types.AlertRule,
    "Distribution": types.Distribution,
    "Heatmap": types.Heatmap,
    "RequestDetail": types.RequestDetail,
    "RequestRecord": types.RequestRecord,
    "ResourceFigure": types.ResourceFigure,
    "Resources": types.Resources,
    "ResourceSource": types.ResourceSource,
    "RollupSeries": types.RollupSeries,
    "Silence": types.Silence,
    "Timeline": types.Timeline,
    "Benchmark": types.Benchmark,
    "BenchmarkError": types.BenchmarkError,
    "BenchmarkForm": types.BenchmarkRequest,
    "Current": types.CurrentRun,
    "Links": types.Links,
    "LiveBenchmark": types.LiveBenchmark,
    "LiveGpu": types.LiveGpu,
    "LivePercentiles": types.Quantiles,
    "LiveResources": types.LiveResources,
    "LiveSeries": types.LiveSeries,
    "Progress": types.BenchmarkProgress,
    "Scenario": types.Scenario,
    "ServerStatus": types.ServerStatus,
    "SloForm": types.Slo,
    "StoreFacts": types.StoreFacts,
    "Target": types.Target,
}


@pytest.mark.parametrize(("name", "shape"), SHAPES.items(), ids=SHAPES)
def test_the_types_promise_what_the_document_has(name: str, shape: Any, contract: Contract) -> None:  # noqa: ANN401
    schema = contract.document["components"]["schemas"][name]
    parts = [schema, *schema.get("allOf", [])]
    documented = {member for part in parts for member in part.get("properties", {})}
    assert set(shape.__required_keys__) <= documented
    if name.endswith("Form"):
        assert set(shape.__annotations__) == documented
