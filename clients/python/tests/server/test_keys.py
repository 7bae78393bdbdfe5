"""A server with keys, whose one target nobody can connect to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prony import AuthenticationError, Client, NotFoundError, PermissionDeniedError

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from prony.types import AdHocTarget, BenchmarkRequest

REQUEST: BenchmarkRequest = {"models": ["nobody"], "concurrent_users": 1, "num_requests": 3}
ELSEWHERE: AdHocTarget = {"url": "http://127.0.0.1:9", "model": "m"}


def test_keys_open_what_their_roles_may(
    locked_url: str, checked: Callable[[], httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    with checked() as http:
        for key in [None, "another-key"]:
            with pytest.raises(AuthenticationError, match="A key is needed"):
                Client(locked_url, api_key=key, http=http).targets()
        viewer = Client(locked_url, api_key="viewer-key", http=http)
        assert viewer.server_status()["role"] == "viewer"
        with pytest.raises(PermissionDeniedError, match="the key's role is viewer"):
            viewer.start_benchmark(REQUEST)
        monkeypatch.setenv("PRONY_API_KEY", "operator-key")
        operator = Client(locked_url, http=http)
        with pytest.raises(PermissionDeniedError, match="only an admin may describe servers"):
            operator.start_benchmark({**REQUEST, "models": [ELSEWHERE]})
        benchmark_id = operator.start_benchmark(REQUEST)
        failed = viewer.wait(benchmark_id, timeout_seconds=60)
        assert failed["status"] == "failed"
        assert failed["error"] is not None
        assert "nobody with short_queries" in failed["error"]["detail"]
        assert viewer.get_benchmark_results(benchmark_id).status == "failed"
        operator.delete_benchmark(benchmark_id)
        with pytest.raises(NotFoundError, match=benchmark_id):
            viewer.get_benchmark_results(benchmark_id)
