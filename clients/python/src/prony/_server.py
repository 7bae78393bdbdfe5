"""Which server is meant, and how requests to it look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from prony._call import Call

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_SECONDS = 30.0
"""Longer than the live stream is ever silent."""

_KEY_VARIABLE = "PRONY_API_KEY"
_ASCII_PRINTABLE = range(0x21, 0x7F)


class Server:
    """A server's address, and the key to it."""

    def __init__(self, base_url: str, api_key: str | None) -> None:
        url = httpx.URL(base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError(f"base_url is no address like {DEFAULT_URL}")
        self._base = url.copy_with(query=None, fragment=None)
        key = api_key or os.environ.get(_KEY_VARIABLE)
        if key and not all(ord(character) in _ASCII_PRINTABLE for character in key):
            # The key itself is not shown: errors end up in logs.
            raise ValueError(f"the API key ({_KEY_VARIABLE}) has blanks or other odd characters")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def request(self, http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        """The call as a request of `http`, with the timeouts and the like that it has."""
        return http.build_request(
            call.method,
            self._base.copy_with(raw_path=self._path(call)),
            params=dict(call.query) or None,
            headers={"Accept": "application/json", **self._headers, **call.headers},
            json=call.body,
        )

    def _path(self, call: Call[Any]) -> bytes:
        return self._base.raw_path.rstrip(b"/") + f"/api/v1/{call.path}".encode()

    def __repr__(self) -> str:
        return str(self._base.copy_with(userinfo=b""))
