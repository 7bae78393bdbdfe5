"""What a request asked and was answered."""

from __future__ import annotations

from typing import TypedDict


class ContentMessage(TypedDict):
    """One message of a prompt; ``role`` is ``None`` where the prompt is one text."""

    role: str | None
    content: str


class ContentToolCall(TypedDict):
    """A tool that the model called, with what it is given, as the model wrote it."""

    name: str
    arguments: str


class RequestContent(TypedDict):
    """What one request asked and was answered; ``is_cut`` where a part was too long to be kept."""

    request_id: str
    prompt: list[ContentMessage]
    answer: str
    reasoning: str
    tool_calls: list[ContentToolCall]
    is_cut: bool
