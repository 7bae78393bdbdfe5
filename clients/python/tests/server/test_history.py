"""What the real server keeps of a benchmark."""

from __future__ import annotations

import itertools
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from prony import BadRequestError, Client, NotFoundError

if TYPE_CHECKING:
    from prony.types import BenchmarkRequest

REQUEST: BenchmarkRequest = {
    "models": ["small", "large"],
    "concurrent_users": 2,
    "num_requests": 15,
    "max_tokens": 8,
}


@pytest.fixture(scope="module")
def benchmark_id(url: str) -> str:
    """A benchmark that has ended."""
    with Client(url) as client:
        benchmark_id = client.start_benchmark(REQUEST)
        assert client.wait(benchmark_id, timeout_seconds=60)["status"] == "completed"
        return benchmark_id


def test_each_request_is_there(client: Client, benchmark_id: str) -> None:
    records = list(client.records(benchmark_id, page_size=7))
    assert len({record["request_id"] for record in records}) == 30
    assert [record["run_index"] for record in records].count(1) == 15
    slowest = list(client.records(benchmark_id, 1, outcome="succeeded", sort="-ttft"))
    latencies = [record["ttft_ms"] or 0.0 for record in slowest]
    assert len(latencies) == 15
    assert latencies == sorted(latencies, reverse=True)
    assert list(client.records(benchmark_id, outcome="failed")) == []
    detail = client.get_record(benchmark_id, slowest[0]["request_id"])
    assert detail["ttft_ms"] == slowest[0]["ttft_ms"]
    assert len(detail["chunk_ns"]) == len(detail["chunk_lag_ns"]) == 8
    with pytest.raises(NotFoundError):
        client.get_record(benchmark_id, "0000000000000000-99")


def test_a_run_is_seen_over_time_and_by_its_latencies(client: Client, benchmark_id: str) -> None:
    timeline = client.timeline(benchmark_id, 1)
    steps = len(timeline["requests_per_second"])
    answered = sum(value or 0 for value in timeline["requests_per_second"])
    assert round(answered * timeline["step_ms"] / 1_000) == 15
    assert len(timeline["ttft_ms"]["p95"]) == len(timeline["in_flight"]) == steps
    resources = client.resources(benchmark_id, 1)
    assert resources["step_ms"] == timeline["step_ms"]
    assert {source["kind"] for source in resources["sources"]} <= {"prony", "process", "server"}
    distribution = client.distribution(benchmark_id, 1, metric="e2e")
    assert (distribution["metric"], sum(distribution["counts"])) == ("e2e", 15)
    heatmap = client.heatmap(benchmark_id, metric="itl")
    assert sum(map(sum, heatmap["counts"])) == 15 * 7
    with pytest.raises(NotFoundError, match="has no run 2"):
        client.timeline(benchmark_id, 2)


def test_figures_over_time_tell_groups_apart(client: Client, benchmark_id: str) -> None:
    started = client.get_benchmark_status(benchmark_id)["started_at"]
    assert started is not None
    start = datetime.fromisoformat(started.replace("Z", "+00:00"))
    end = datetime.now(timezone.utc) + timedelta(seconds=1)
    with closing(client.live()) as live:
        # Windows come several times a second, and figures of a second once it is over.
        for _ in itertools.islice(live, 300):
            asked = client.rollups(
                start,
                end,
                step_seconds=1,
                group_by=["model", "source"],
                filters={"model": ["small", "large"], "scenario": "short_queries"},
            )
            frame = asked.to_pandas()
            if not frame.empty and frame["requests"].sum() == 30:
                break
    assert {one["labels"]["model"] for one in asked.series} == {"small", "large"}
    assert set(frame["source"]) == {"bench"}
    assert frame.groupby("model")["requests"].sum().to_dict() == {"small": 15, "large": 15}
    # Percentiles over time are exact to one percent.
    assert frame["ttft_ms.p50"].min() >= 20 * 0.99
    assert len(frame) == len(asked.series) * len(asked.times_unix_ms)
    few = client.rollups(start - timedelta(days=1), points=10, filters={"vantage": "client"})
    assert len(few.times_unix_ms) <= 11
    with pytest.raises(BadRequestError, match="points cannot be `1001`"):
        client.rollups(start, points=1_001)
