"""What requests of the real server asked and were answered, where that is kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from prony import AsyncClient, Client, NotFoundError, PermissionDeniedError
from prony.types import RequestContent

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from prony.types import BenchmarkRequest

# Of a scenario of their own, as other tests count the requests of the usual one.
REQUEST: BenchmarkRequest = {
    "models": ["small", "large"],
    "test_scenarios": ["code_generation"],
    "concurrent_users": 2,
    "num_requests": 6,
    "max_tokens": 8,
}


def test_what_is_asked_to_be_kept_is_read_by_run_and_by_request(client: Client) -> None:
    benchmark_id = client.start_benchmark({**REQUEST, "store_content": True})
    assert client.wait(benchmark_id, timeout_seconds=60)["request"]["store_content"] is True
    texts = list(client.content(benchmark_id, page_size=5))
    records = list(client.records(benchmark_id))
    assert [text["request_id"] for text in texts] == [one["request_id"] for one in records]
    for text in texts:
        assert set(text) == set(RequestContent.__annotations__)
        (message,) = text["prompt"]
        assert message["role"] is None
        assert message["content"]
        assert text["answer"]
    second = list(client.content(benchmark_id, 1))
    assert second == texts[6:]
    request_id = second[0]["request_id"]
    assert client.get_content(benchmark_id, request_id) == second[0]


def test_what_is_not_kept_says_how_to_ask_for_it(
    url: str, awaiting: Callable[[], httpx.AsyncClient]
) -> None:
    async def use() -> None:
        async with awaiting() as http, AsyncClient(url, http=http) as client:
            benchmark_id = await client.start_benchmark(REQUEST)
            await client.wait(benchmark_id, timeout_seconds=60)
            records = [record async for record in client.records(benchmark_id)]
            with pytest.raises(NotFoundError, match="store_content") as raised:
                [text async for text in client.content(benchmark_id)]
            assert raised.value.problem.type == "urn:prony:problem:content-not-kept"
            with pytest.raises(NotFoundError, match="store_content"):
                await client.get_content(benchmark_id, records[0]["request_id"])
            with pytest.raises(NotFoundError, match="has no request"):
                await client.get_content(benchmark_id, "0000000000000000-99")

    asyncio.run(use())


def test_a_viewer_may_not_read_it(locked_url: str, checked: Callable[[], httpx.Client]) -> None:
    with checked() as http:
        viewer = Client(locked_url, api_key="viewer-key", http=http)
        with pytest.raises(PermissionDeniedError, match="operator or more"):
            list(viewer.content("00000000000000ab"))
