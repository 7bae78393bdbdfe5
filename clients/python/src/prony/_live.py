"""Windows out of the bytes of the live stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prony._event_stream import EventStream
from prony.errors import UnexpectedAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prony.types import LiveWindow


class LiveWindows:
    """Reads the stream: first a snapshot of the windows just before, then each as it comes."""

    def __init__(self, *, recent: bool) -> None:
        self._events = EventStream()
        self._recent = recent

    def push(self, read: bytes) -> Iterator[LiveWindow]:
        """The windows that these bytes complete.

        Raises:
            UnexpectedAnswerError: It is no stream of Prony's.
        """
        for event in self._events.push(read):
            try:
                told: Any = json.loads(event.data)
                windows = told["windows"] if event.name == "snapshot" else [told]
            except (ValueError, TypeError, KeyError) as error:
                raise UnexpectedAnswerError(
                    f"the live stream has what Prony does not send, after `event: {event.name}`"
                ) from error
            if event.name == "window" or (event.name == "snapshot" and self._recent):
                yield from windows
