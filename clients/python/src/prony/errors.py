"""What can go wrong: every error of the client, each with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BadRequestError",
    "BusyError",
    "ConflictError",
    "Fault",
    "InvalidRequestError",
    "MissingPandasError",
    "NotFoundError",
    "PermissionDeniedError",
    "Problem",
    "PronyError",
    "RateLimitError",
    "ServerError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "WaitTimeoutError",
]


class PronyError(Exception):
    """Anything that this client raises."""


class UnreachableError(PronyError):
    """The server could not be reached, or the connection to it was lost."""


class UnexpectedAnswerError(PronyError):
    """The answer is not one of Prony's: the address may be another server's, or a proxy's."""


class WaitTimeoutError(PronyError, TimeoutError):
    """The benchmark did not end in the time that was given; it goes on."""


class MissingPandasError(PronyError, ImportError):
    """A pandas frame was asked for, and pandas is not installed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request's body."""

    pointer: str
    """Where, as a JSON pointer (RFC 6901); empty for the body as a whole."""
    detail: str
    """What."""

    def __str__(self) -> str:
        return f"{self.pointer or 'the body'}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem as the server told it (RFC 9457)."""

    type: str
    """Names the kind of problem for programs."""
    title: str
    """The kind of problem in words."""
    status: int
    """The answer's status."""
    detail: str
    """What is wrong this time."""
    hint: str | None
    """What to do about it."""
    errors: tuple[Fault, ...]
    """Each thing that is wrong with the request's body."""

    @classmethod
    def read(cls, status: int, document: Mapping[str, Any]) -> Problem:
        """Reads the document; members that are missing or of another type count as not there."""

        def text(source: Mapping[str, Any], name: str) -> str | None:
            value = source.get(name)
            return value if isinstance(value, str) else None

        listed = document.get("errors")
        faults = listed if isinstance(listed, list) else []
        return cls(
            type=text(document, "type") or "about:blank",
            title=text(document, "title") or f"The server answered {status}",
            status=status,
            detail=text(document, "detail") or "",
            hint=text(document, "hint"),
            errors=tuple(
                Fault(text(fault, "pointer") or "", text(fault, "detail") or "")
                for fault in faults
                if isinstance(fault, dict)
            ),
        )

    def __str__(self) -> str:
        said = f"{self.title}: {self.detail}" if self.detail else self.title
        # A single fault stands in the detail already.
        faults = [f"  {fault}" for fault in self.errors] if len(self.errors) > 1 else []
        hint = [f"hint: {self.hint}"] if self.hint else []
        return "\n".join([said, *faults, *hint])


class ApiError(PronyError):
    """The server refused the request, or could not carry it out."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.problem.status

    @property
    def title(self) -> str:
        """The kind of problem in words."""
        return self.problem.title

    @property
    def detail(self) -> str:
        """What is wrong this time."""
        return self.problem.detail

    @property
    def hint(self) -> str | None:
        """What to do about it."""
        return self.problem.hint

    @property
    def errors(self) -> tuple[Fault, ...]:
        """Each thing that is wrong with the request's body."""
        return self.problem.errors


class BadRequestError(ApiError):
    """The request cannot be read."""


class AuthenticationError(ApiError):
    """A key is needed, and none that the server knows was sent."""


class PermissionDeniedError(ApiError):
    """The key's role does not allow this."""


class NotFoundError(ApiError):
    """There is no such thing."""


class ConflictError(ApiError):
    """The request does not fit how things stand."""


class InvalidRequestError(ApiError):
    """The request can be read, but not carried out as it stands."""


class RateLimitError(ApiError):
    """This client asks more often than it may."""


class ServerError(ApiError):
    """The server could not do it."""


class BusyError(ServerError):
    """The server has too much to do, or too many benchmarks wait already."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitError,
    503: BusyError,
}


def api_error(status: int, document: Mapping[str, Any]) -> ApiError:
    """The error that an answer of this status stands for."""
    general = ServerError if status >= 500 else ApiError
    return _BY_STATUS.get(status, general)(Problem.read(status, document))
