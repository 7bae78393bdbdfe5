"""Benchmarks on the real server, from beginning to end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from prony import AsyncClient, Client, ConflictError, InvalidRequestError, NotFoundError
from prony.types import RunSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from prony.types import BenchmarkRequest

SHORT: BenchmarkRequest = {
    "models": ["small", "large"],
    "concurrent_users": 2,
    "num_requests": 10,
    "test_scenarios": ["short_queries"],
    "max_tokens": 8,
    "labels": {"of": "the Python client"},
}
ENDLESS: BenchmarkRequest = {"models": ["small"], "concurrent_users": 1, "duration_minutes": 30}


def test_a_benchmark_is_started_followed_and_read(
    url: str, awaiting: Callable[[], httpx.AsyncClient]
) -> None:
    async def use() -> None:
        async with awaiting() as http, AsyncClient(url, http=http) as client:
            benchmark_id = await client.start_benchmark(SHORT)
            course = [told async for told in client.follow(benchmark_id, every_seconds=0.05)]
            assert course[-1]["status"] == "completed"
            done = [told["progress"]["completed"] for told in course]
            assert done == sorted(done)
            assert done[-1] == 20
            status = await client.get_benchmark_status(benchmark_id)
            assert status == course[-1] == await client.wait(benchmark_id)
            assert status["request"]["models"] == ["small", "large"]
            results = await client.get_benchmark_results(benchmark_id)
            assert (results.id, results.status) == (benchmark_id, "completed")
            assert [run["target"] for run in results.runs] == ["small", "large"]
            for run in results.runs:
                assert (run["completed"], run["failed"], run["error"]) == (10, 0, None)
                assert run["median_ttft_ms"] is not None
                assert run["median_ttft_ms"] >= 20
            assert results.to_pandas()["completed"].sum() == 20

    asyncio.run(use())


def test_the_results_have_the_figures_that_the_types_promise(client: Client) -> None:
    benchmark_id = client.start_benchmark(SHORT)
    client.wait(benchmark_id, timeout_seconds=60)
    for run in client.get_benchmark_results(benchmark_id).runs:
        assert set(run) == set(RunSummary.__annotations__)


def test_the_same_key_is_the_same_benchmark(client: Client) -> None:
    first = client.start_benchmark(SHORT, idempotency_key="the same")
    assert client.start_benchmark(SHORT, idempotency_key="the same") == first
    with pytest.raises(ConflictError, match=first):
        client.start_benchmark({**SHORT, "num_requests": 11}, idempotency_key="the same")
    assert client.start_benchmark(SHORT) != first


def test_a_benchmark_whose_answer_is_lost_is_made_once(
    url: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[str] = []

    class CutOnce(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            answers.append(json.loads(response.read())["id"])
            if len(answers) == 1:
                raise httpx.ReadError("the line is cut", request=request)
            return response

    before = len(list(client.list_benchmarks()))
    monkeypatch.setattr("time.sleep", lambda _: None)
    with httpx.Client(transport=CutOnce()) as http:
        benchmark_id = Client(url, http=http).start_benchmark(SHORT)
    assert answers == [benchmark_id, benchmark_id]
    assert len(list(client.list_benchmarks())) == before + 1


def test_a_running_benchmark_is_cancelled(client: Client) -> None:
    benchmark_id = client.start_benchmark(ENDLESS)
    running = next(
        told for told in client.follow(benchmark_id) if told["progress"]["completed"] > 0
    )
    assert running["status"] == "running"
    with pytest.raises(TimeoutError, match=r"is running after 0\.1 s"):
        client.wait(benchmark_id, timeout_seconds=0.1)
    with pytest.raises(ConflictError) as raised:
        client.delete_benchmark(benchmark_id)
    assert raised.value.hint == "cancel it first, and wait until it has ended"
    client.cancel_benchmark(benchmark_id)
    assert client.wait(benchmark_id, timeout_seconds=60)["status"] == "cancelled"
    with pytest.raises(ConflictError, match="cancelled"):
        client.cancel_benchmark(benchmark_id)


def test_a_list_is_iterated_over_its_pages(client: Client) -> None:
    ids = [client.start_benchmark({**SHORT, "test_scenarios": ["code_generation"]}) for _ in "abc"]
    for benchmark_id in ids:
        client.wait(benchmark_id, timeout_seconds=60)
    listed = client.list_benchmarks(scenario="code_generation", page_size=2)
    assert [entry["id"] for entry in listed] == ids[::-1]
    assert list(client.list_benchmarks(status="failed")) == []


def test_what_is_wrong_is_told_at_once(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        client.start_benchmark({"models": ["smal"], "concurrent_users": -1, "duration_minutes": 1})
    pointers = [fault.pointer for fault in raised.value.errors]
    assert pointers == ["/concurrent_users"]
    with pytest.raises(InvalidRequestError) as raised:
        client.start_benchmark({"models": ["smal"], "test_scenarios": ["tall_tales"]})
    pointers = [fault.pointer for fault in raised.value.errors]
    assert pointers == ["/models/0", "/test_scenarios/0", "", ""]
    assert "there are: small, large" in str(raised.value)
    for absent in ["none", "../targets"]:
        with pytest.raises(NotFoundError):
            client.get_benchmark_status(absent)
