"""A request of the API and how its answer is read, without sending anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prony.errors import UnexpectedAnswerError, api_error

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

_EXCERPT_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and what its answer stands for."""

    method: str
    path: str
    """Relative to ``/api/v1/``."""
    read: Callable[[Any], T]
    """Makes the answer's JSON, ``None`` where it has no body, into what the caller gets."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    is_repeatable: bool = True
    """Whether carrying it out twice comes to the same as once."""

    @property
    def is_removal(self) -> bool:
        """Whether it has been carried out where there is nothing to carry it out on."""
        return self.method == "DELETE"

    def answer(self, response: httpx.Response) -> T:
        """Reads the answer.

        Raises:
            ApiError: The server refused.
            UnexpectedAnswerError: It is no answer of Prony's.
        """
        if not response.is_success:
            raise self.refusal(response)
        try:
            return self.read(json.loads(response.content) if response.content else None)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._unexpected(response) from error

    def refusal(self, response: httpx.Response) -> Exception:
        """The error that an answer without success stands for."""
        if not response.is_error:
            return self._unexpected(response)
        try:
            document = json.loads(response.content)
        except ValueError:
            document = None
        return api_error(response.status_code, document if isinstance(document, dict) else {})

    def _unexpected(self, response: httpx.Response) -> UnexpectedAnswerError:
        said = response.text[:_EXCERPT_CHARACTERS]
        return UnexpectedAnswerError(
            f"{self.method} {self.path} was answered with {response.status_code} and what Prony "
            f"does not send: {said!r}\nhint: check that the address is the one `prony serve` prints"
        )
