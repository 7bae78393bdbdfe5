"""The shapes of the management API's bodies and answers, as they come over the wire.

Answers are the JSON that the server sent: what a newer server adds is there as well. Times are
RFC 3339 strings, or integers where a key ends in ``_unix_ms`` or ``_unix_ns``; a figure that nobody
could measure is ``None``.
"""

from prony.types.alert import (
    Alert,
    AlertRule,
    Silence,
)
from prony.types.benchmark import (
    Benchmark,
    BenchmarkError,
    BenchmarkProgress,
    BenchmarkRequest,
    BenchmarkStatus,
    CurrentRun,
    Links,
    Slo,
)
from prony.types.history import (
    Column,
    Distribution,
    DistributionMetric,
    Heatmap,
    HeatmapMetric,
    Label,
    PercentileCurve,
    QuantileColumns,
    Quantiles,
    RollupSeries,
    Timeline,
)
from prony.types.live import (
    LiveBenchmark,
    LiveGpu,
    LiveResources,
    LiveSeries,
    LiveWindow,
)
from prony.types.record import (
    Connection,
    FailedAttempt,
    Outcome,
    RequestDetail,
    RequestFailure,
    RequestRecord,
    Sort,
)
from prony.types.run import (
    Bounds,
    Delivery,
    Doubt,
    InFlightLimit,
    ProcessUse,
    RunSummary,
    Settled,
    SteadyState,
    TokenSources,
    Verdict,
)
from prony.types.server import (
    Availability,
    Role,
    Scenario,
    ServerStatus,
    StoreFacts,
    Target,
)

__all__ = [
    "Alert",
    "AlertRule",
    "Availability",
    "Benchmark",
    "BenchmarkError",
    "BenchmarkProgress",
    "BenchmarkRequest",
    "BenchmarkStatus",
    "Bounds",
    "Column",
    "Connection",
    "CurrentRun",
    "Delivery",
    "Distribution",
    "DistributionMetric",
    "Doubt",
    "FailedAttempt",
    "Heatmap",
    "HeatmapMetric",
    "InFlightLimit",
    "Label",
    "Links",
    "LiveBenchmark",
    "LiveGpu",
    "LiveResources",
    "LiveSeries",
    "LiveWindow",
    "Outcome",
    "PercentileCurve",
    "ProcessUse",
    "QuantileColumns",
    "Quantiles",
    "RequestDetail",
    "RequestFailure",
    "RequestRecord",
    "Role",
    "RollupSeries",
    "RunSummary",
    "Scenario",
    "ServerStatus",
    "Settled",
    "Silence",
    "Slo",
    "Sort",
    "SteadyState",
    "StoreFacts",
    "Target",
    "Timeline",
    "TokenSources",
    "Verdict",
]
