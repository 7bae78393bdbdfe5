"""Cuts a text/event-stream into events, however its bytes were split over reads."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A lone carriage return at the end may be half of a line's end.
_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event."""

    name: str
    data: str


class EventStream:
    """Follows the WHATWG's rules for lines, fields and comments.

    Ids and retry times, which the server does not send, are passed over.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""
        self._name = ""
        self._data: list[str] = []

    def push(self, read: bytes) -> Iterator[StreamEvent]:
        """The events that these bytes complete."""
        *lines, self._rest = _LINE_END.split(self._rest + self._decoder.decode(read))
        for line in lines:
            if line:
                self._take(line)
            elif event := self._dispatch():
                yield event

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)

    def _dispatch(self) -> StreamEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return StreamEvent(name, "\n".join(data)) if data else None
