"""What was kept, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from prony._pandas import pandas

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas import DataFrame

    from prony.types import RollupSeries

__all__ = ["Rollups"]


class Rollups(dict[str, Any]):
    """Figures over time: the answer's JSON, with its members as attributes."""

    @property
    def step_seconds(self) -> int:
        """How long each step is."""
        return cast("int", self["step_seconds"])

    @property
    def times_unix_ms(self) -> list[int]:
        """When each step begins."""
        return cast("list[int]", self["times_unix_ms"])

    @property
    def series(self) -> list[RollupSeries]:
        """A series for each group, its columns as long as there are times."""
        return cast("list[RollupSeries]", self["series"])

    def to_pandas(self) -> DataFrame:
        """A row for each series and step, with its ``time``, labels and figures (``ttft_ms.p95``).

        Raises:
            MissingPandasError: pandas is not installed.
        """
        pd = pandas()
        time = pd.to_datetime(self.times_unix_ms, unit="ms", utc=True)
        series = cast("list[dict[str, Any]]", self.series)
        frames = [
            pd.DataFrame({"time": time, **one["labels"], **dict(_columns(one))}) for one in series
        ]
        return cast("DataFrame", pd.concat(frames, ignore_index=True) if frames else pd.DataFrame())


def _columns(series: dict[str, Any]) -> Iterator[tuple[str, list[float | None]]]:
    for name, values in series.items():
        if isinstance(values, list):
            yield name, values
        elif name != "labels":
            yield from ((f"{name}.{part}", column) for part, column in values.items())
