"""The package as a whole."""

from __future__ import annotations

import inspect
import re
import sys

from scripts import make_sync

import prony
from prony import AsyncClient, Client, types

PACKAGE = make_sync.PACKAGE


def test_the_blocking_client_is_the_awaiting_one() -> None:
    text = make_sync.MADE.read_text("utf-8")
    assert text == make_sync.made(make_sync.SOURCE.read_text("utf-8")), "run scripts/make_sync.py"
    assert not re.search(r"\b(async|await|Async\w+)\b", text.split('"""', 2)[2])
    public = [
        {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}
        for kind in (Client, AsyncClient)
    ]
    assert public[0] - public[1] == {"close"}
    assert public[1] - public[0] == {"aclose"}


def test_only_httpx_is_needed() -> None:
    project = (PACKAGE.parents[1] / "pyproject.toml").read_text("utf-8")
    assert re.findall(r"^dependencies = (.*)", project, re.MULTILINE) == ['["httpx>=0.27,<1"]']
    imported = {
        name
        for path in PACKAGE.rglob("*.py")
        for name in re.findall(r"^(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert imported - set(sys.stdlib_module_names) == {"httpx", "prony"}


def test_every_name_is_there() -> None:
    for module in (prony, types):
        assert [name for name in module.__all__ if not hasattr(module, name)] == []
        assert sorted(module.__all__) == module.__all__
    assert (PACKAGE / "py.typed").is_file()
