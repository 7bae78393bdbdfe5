"""Every call of the management API."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from prony._call import Call
from prony.alerts import Alerts
from prony.results import Results
from prony.rollups import Rollups

if TYPE_CHECKING:
    from collections.abc import Mapping

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

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list."""

    items: list[T]
    next_cursor: str | None

    @classmethod
    def read(cls, answer: Any) -> Page[T]:  # noqa: ANN401
        """Reads it from its JSON."""
        return cls(answer["items"], answer.get("next_cursor"))


def get_status() -> Call[ServerStatus]:
    return Call("GET", "status", _object)


def list_targets() -> Call[list[Target]]:
    return Call("GET", "targets", _items)


def get_availability(target: str | None) -> Call[list[TargetAvailability]]:
    return Call("GET", "availability", _items, _query(target=target))


def list_scenarios() -> Call[list[Scenario]]:
    return Call("GET", "scenarios", _items)


def create_benchmark(request: BenchmarkRequest, idempotency_key: str | None) -> Call[str]:
    """Repeatable, since the server knows the benchmark again by the key."""
    return Call(
        "POST",
        "benchmarks",
        lambda answer: str(answer["id"]),
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        body=request,
    )


def list_benchmarks(
    status: BenchmarkStatus | None,
    model: str | None,
    scenario: str | None,
    page_size: int | None,
    cursor: str | None,
) -> Call[Page[Benchmark]]:
    query = _query(status=status, model=model, scenario=scenario, limit=page_size, cursor=cursor)
    return Call("GET", "benchmarks", Page.read, query)


def get_benchmark(benchmark_id: str) -> Call[Benchmark]:
    return Call("GET", _benchmark(benchmark_id), _object)


def get_results(benchmark_id: str) -> Call[Results]:
    return Call("GET", _benchmark(benchmark_id, "results"), Results)


def cancel_benchmark(benchmark_id: str) -> Call[Benchmark]:
    return Call("POST", _benchmark(benchmark_id, "cancel"), _object, is_repeatable=False)


def delete_benchmark(benchmark_id: str) -> Call[None]:
    return Call("DELETE", _benchmark(benchmark_id), _nothing)


def get_timeline(benchmark_id: str, run: int) -> Call[Timeline]:
    return Call("GET", _benchmark(benchmark_id, "timeline"), _object, _query(run=run))


def get_resources(benchmark_id: str, run: int) -> Call[Resources]:
    return Call("GET", _benchmark(benchmark_id, "resources"), _object, _query(run=run))


def get_distribution(benchmark_id: str, run: int, metric: DistributionMetric) -> Call[Distribution]:
    query = _query(run=run, metric=metric)
    return Call("GET", _benchmark(benchmark_id, "distribution"), _object, query)


def get_heatmap(benchmark_id: str, run: int, metric: HeatmapMetric) -> Call[Heatmap]:
    query = _query(run=run, metric=metric)
    return Call("GET", _benchmark(benchmark_id, "heatmap"), _object, query)


def list_records(
    benchmark_id: str,
    run: int | None,
    outcome: Outcome | None,
    sort: Sort | None,
    page_size: int | None,
    cursor: str | None,
) -> Call[Page[RequestRecord]]:
    query = _query(run=run, outcome=outcome, sort=sort, limit=page_size, cursor=cursor)
    return Call("GET", _benchmark(benchmark_id, "records"), Page.read, query)


def get_record(benchmark_id: str, request_id: str) -> Call[RequestDetail]:
    return Call("GET", _benchmark(benchmark_id, "records", request_id), _object)


def list_content(
    benchmark_id: str,
    run: int | None,
    outcome: Outcome | None,
    sort: Sort | None,
    page_size: int | None,
    cursor: str | None,
) -> Call[Page[RequestContent]]:
    query = _query(run=run, outcome=outcome, sort=sort, limit=page_size, cursor=cursor)
    return Call("GET", _benchmark(benchmark_id, "content"), Page.read, query)


def get_content(benchmark_id: str, request_id: str) -> Call[RequestContent]:
    return Call("GET", _benchmark(benchmark_id, "content", request_id), _object)


def get_rollups(
    start: datetime,
    end: datetime,
    step_seconds: int | None,
    points: int | None,
    group_by: Sequence[Label],
    filters: Mapping[Label, str | Sequence[str] | None],
) -> Call[Rollups]:
    query = _query(
        from_unix_ms=_unix_ms(start),
        to_unix_ms=_unix_ms(end),
        step_seconds=step_seconds,
        points=points,
        group_by=group_by or None,
    )
    query |= _query(**{str(label): wanted for label, wanted in filters.items()})
    return Call("GET", "rollups", Rollups, query)


def list_alerts() -> Call[Alerts]:
    return Call("GET", "alerts", Alerts)


def list_alert_rules() -> Call[list[AlertRule]]:
    return Call("GET", "alert-rules", _items)


def list_silences() -> Call[list[Silence]]:
    return Call("GET", "silences", _items)


def create_silence(matchers: Sequence[str], until: datetime, comment: str) -> Call[Silence]:
    body = {
        "matchers": list(matchers),
        "until": _aware(until).isoformat(timespec="milliseconds"),
        "comment": comment,
    }
    return Call("POST", "silences", _object, body=body, is_repeatable=False)


def delete_silence(silence_id: str) -> Call[None]:
    return Call("DELETE", f"silences/{_part(silence_id)}", _nothing)


def watch() -> Call[LiveWindow]:
    return Call("GET", "live", _object, headers={"Accept": "text/event-stream"})


def _object(answer: Any) -> Any:  # noqa: ANN401
    if not isinstance(answer, dict):
        raise TypeError("an object was expected")
    return answer


def _items(answer: Any) -> Any:  # noqa: ANN401
    return answer["items"]


def _nothing(_: object) -> None:
    return None


def _benchmark(benchmark_id: str, *parts: str) -> str:
    return "/".join(["benchmarks", *map(_part, [benchmark_id, *parts])])


def _part(text: str) -> str:
    return quote(text, safe="")


def _query(**values: str | float | Sequence[str] | None) -> dict[str, str]:
    """What stands behind the question mark, without what is not given; lists with commas."""

    def text(value: str | float | Sequence[str]) -> str:
        return str(value) if isinstance(value, str | int | float) else ",".join(value)

    return {name: text(value) for name, value in values.items() if value is not None}


def _unix_ms(moment: datetime) -> int:
    return round(_aware(moment).timestamp() * 1_000)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone: use datetime.now(timezone.utc) or the like")
    return moment
