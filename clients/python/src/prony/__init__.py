"""Client of Prony's management API: load tests of LLM servers, started, followed and read.

`AsyncClient` awaits, `Client` blocks; both have the same methods. `PronyClient` is another name of
`AsyncClient`.
"""

from prony._async import AsyncClient
from prony._sync import Client
from prony.alerts import Alerts
from prony.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    BusyError,
    ConflictError,
    Fault,
    InvalidRequestError,
    MissingPandasError,
    NotFoundError,
    PermissionDeniedError,
    Problem,
    PronyError,
    RateLimitError,
    ServerError,
    UnexpectedAnswerError,
    UnreachableError,
    WaitTimeoutError,
)
from prony.results import Results
from prony.rollups import Rollups

PronyClient = AsyncClient

__all__ = [
    "Alerts",
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "BadRequestError",
    "BusyError",
    "Client",
    "ConflictError",
    "Fault",
    "InvalidRequestError",
    "MissingPandasError",
    "NotFoundError",
    "PermissionDeniedError",
    "Problem",
    "PronyClient",
    "PronyError",
    "RateLimitError",
    "Results",
    "Rollups",
    "ServerError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "WaitTimeoutError",
]
