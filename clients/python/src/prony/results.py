"""What a benchmark came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from prony._pandas import pandas

if TYPE_CHECKING:
    from pandas import DataFrame

    from prony.types import BenchmarkStatus, RunSummary

__all__ = ["Results"]


class Results(dict[str, Any]):
    """What a benchmark came to so far: the answer's JSON, with its members as attributes."""

    @property
    def id(self) -> str:
        """The benchmark's id."""
        return cast("str", self["id"])

    @property
    def status(self) -> BenchmarkStatus:
        """Where the benchmark stands: while it runs, further runs will come."""
        return cast("BenchmarkStatus", self["status"])

    @property
    def runs(self) -> list[RunSummary]:
        """The figures of each run that has ended, in their order."""
        return cast("list[RunSummary]", self["runs"])

    def to_pandas(self) -> DataFrame:
        """A row for each run, a column for each figure; members of members are ``verdict.valid``.

        Raises:
            MissingPandasError: pandas is not installed.
        """
        return cast("DataFrame", pandas().json_normalize(self.runs))
