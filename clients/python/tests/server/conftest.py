"""A real server, with a simulated model behind it, for all tests of this folder."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from hashlib import sha256
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

[alerts]
interval = "1s"
usual_rules = false

[[alerts.rules]]
name = "Answers"
metric = "ttft_p50"
above = "1ms"
window = "1h"
group_by = ["model"]
severity = "warning"

[[alerts.receivers]]
name = "nobody"
kind = "webhook"
url = "http://127.0.0.1:9"
group_wait = "0s"
"""


ROLES = ["viewer", "operator"]
LOCKED = """\
[server]
port = 0

[targets.nobody]
url = "http://127.0.0.1:{port}"
model = "none"
"""
KEY = """
[keys.{role}]
role = "{role}"
sha256 = "{digest}"
"""


@pytest.fixture(scope="session")
def prony() -> Path:
    """The program."""
    program = os.environ.get("PRONY_BIN")
    if program is None:
        pytest.skip("PRONY_BIN names no program to test against")
    return Path(program).resolve()


@pytest.fixture
def locked_url(prony: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a server of its own whose keys are `viewer-key` and `operator-key`."""
    with socket.socket() as unheard:
        # Bound, so that nobody else takes the port, and without anyone who listens.
        unheard.bind(("127.0.0.1", 0))
        digests = {role: sha256(f"{role}-key".encode()).hexdigest() for role in ROLES}
        keys = [KEY.format(role=role, digest=digest) for role, digest in digests.items()]
        text = LOCKED.format(port=unheard.getsockname()[1]) + "".join(keys)
        (tmp_path / "prony.toml").write_text(text, "utf-8")
        with at_work(prony, *SERVE, folder=tmp_path) as address:
            yield address


@pytest.fixture(scope="session")
def url(prony: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address."""
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
def checked(contract: Contract) -> Callable[[], httpx.Client]:
    """Makes what a client sends with, every exchange held against the document."""

    def check(response: httpx.Response) -> None:
        if response.headers.get("content-type") != "text/event-stream":
            response.read()
            contract.check(response)

    return lambda: httpx.Client(event_hooks={"response": [check]})


@pytest.fixture
def client(url: str, checked: Callable[[], httpx.Client]) -> Iterator[Client]:
    """A client of the server, held against the document."""
    with checked() as http:
        yield Client(url, http=http)


@pytest.fixture
def awaiting(contract: Contract) -> Callable[[], httpx.AsyncClient]:
    """Makes what an awaiting client sends with, held against the document likewise."""

    async def check(response: httpx.Response) -> None:
        if response.headers.get("content-type") != "text/event-stream":
            await response.aread()
            contract.check(response)

    return lambda: httpx.AsyncClient(event_hooks={"response": [check]})
