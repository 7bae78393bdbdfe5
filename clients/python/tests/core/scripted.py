"""A server that answers what a test says, in memory."""

from __future__ import annotations

import json
from typing import Any

import httpx

Reply = httpx.Response | type[httpx.TransportError]


def reply(status: int, body: object = None, **headers: str) -> httpx.Response:
    """An answer; names of headers are written with underscores."""
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=content, headers=named)


def problem(status: int, **members: object) -> httpx.Response:
    return reply(status, {"status": status, **members}, content_type="application/problem+json")


class Scripted(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Gives these replies one after another, and keeps the requests."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, type):
            raise reply("the line is cut", request=request)
        return reply

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    @property
    def asked(self) -> list[str]:
        """Each request in a line."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def body(self, place: int = 0) -> Any:  # noqa: ANN401
        return json.loads(self.requests[place].content)
