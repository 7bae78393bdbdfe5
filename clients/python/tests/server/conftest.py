"""A real server, with a simulated model behind it, for all tests of this folder."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from prony import Client
from tests.server.contract import Contract
from tests.server.processes import at_work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIMULATE = ["sim", "--port", "0", "--models", "small,large", "--ttft", "20ms", "--itl", "2ms"]
SERVE = ["serve", "--config", "prony.toml"]
CONFIGURATION = """\
[server]
port = 0

[targets.small]
url = "{sim}"
model = "small"
region = "here"
labels = {{ team = "search" }}

[targets.large]
url = "{sim}"
model = "large"
"""


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
    program = os.environ.get("PRONY_BIN")
    if program is None:
        pytest.skip("PRONY_BIN names no program to test against")
    prony = Path(program).resolve()
    folder = tmp_path_factory.mktemp("server")
    with ExitStack() as stack:
        sim = stack.enter_context(at_work(prony, *SIMULATE, folder=folder))
        (folder / "prony.toml").write_text(CONFIGURATION.format(sim=sim), "utf-8")
        yield stack.enter_context(at_work(prony, *SERVE, folder=folder))


@pytest.fixture(scope="session")
def contract(url: str) -> Contract:
    """The server's own document."""
    return Contract(httpx.get(f"{url}/api/v1/openapi.json").json())


@pytest.fixture
def client(url: str, contract: Contract) -> Iterator[Client]:
    """A client whose every exchange is held against the document."""

    def check(response: httpx.Response) -> None:
        if response.headers.get("content-type") != "text/event-stream":
            response.read()
            contract.check(response)

    with httpx.Client(event_hooks={"response": [check]}) as http:
        yield Client(url, http=http)


@pytest.fixture
def awaiting(contract: Contract) -> Callable[[], httpx.AsyncClient]:
    """Makes what an awaiting client sends with, held against the document likewise."""

    async def check(response: httpx.Response) -> None:
        if response.headers.get("content-type") != "text/event-stream":
            await response.aread()
            contract.check(response)

    return lambda: httpx.AsyncClient(event_hooks={"response": [check]})
