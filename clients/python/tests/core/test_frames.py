"""Results and rollups as pandas frames."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from prony import MissingPandasError, Results, Rollups

RESULTS = Results(
    id="a",
    status="completed",
    runs=[
        {"model": "small", "p95_ttft_ms": 12.5, "verdict": {"valid": True, "doubts": []}},
        {"model": "large", "p95_ttft_ms": None, "verdict": {"valid": False, "doubts": []}},
    ],
)
ROLLUPS = Rollups(
    step_seconds=60,
    times_unix_ms=[1_767_225_600_000, 1_767_225_660_000],
    series=[
        {
            "labels": {"model": model},
            "requests": [3, 0],
            "ttft_ms": {"p50": [1.5, None], "p95": [2.5, None]},
        }
        for model in ("small", "large")
    ],
)


def test_a_row_for_each_run() -> None:
    pytest.importorskip("pandas")
    frame = RESULTS.to_pandas()
    assert frame["model"].tolist() == ["small", "large"]
    assert frame["p95_ttft_ms"].max() == 12.5
    assert frame["verdict.valid"].tolist() == [True, False]
    assert Results(id="a", status="running", runs=[]).to_pandas().empty


def test_a_row_for_each_series_and_step() -> None:
    pytest.importorskip("pandas")
    frame = ROLLUPS.to_pandas()
    assert list(frame.columns) == ["time", "model", "requests", "ttft_ms.p50", "ttft_ms.p95"]
    assert frame.groupby("model")["requests"].sum().to_dict() == {"small": 3, "large": 3}
    assert frame["time"][1].isoformat() == "2026-01-01T00:01:00+00:00"
    assert frame["ttft_ms.p50"].count() == 2
    assert Rollups(step_seconds=60, times_unix_ms=[], series=[]).to_pandas().empty


def test_where_pandas_is_missing_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:  # noqa: ANN401
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for has_frame in (RESULTS, ROLLUPS):
        with pytest.raises(MissingPandasError, match=r"pip install 'prony\[pandas\]'"):
            has_frame.to_pandas()
