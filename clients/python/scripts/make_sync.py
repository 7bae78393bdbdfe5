"""Makes the client that blocks out of the one that awaits, so that only one is written by hand.

python scripts/make_sync.py
"""

from __future__ import annotations

import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "src" / "prony"
SOURCE, MADE = PACKAGE / "_async.py", PACKAGE / "_sync.py"

NOTE = "# Made out of _async.py by scripts/make_sync.py: change that, and make this again.\n"
WORDS = [
    (r'"""The client that awaits\.', '"""The client that blocks.'),
    (r"API, awaited\.", "API."),
    (r"AsyncGenerator\[(\w+), None\]", r"Generator[\1, None, None]"),
    (r"\bAsync(?=Client|Generator|Iterator)", ""),
    (r"\basyncio\b", "time"),
    (r"\basync ", ""),
    (r"\bawait ", ""),
    (r"\b(__)?a(?=enter__|exit__|clos(e|ing)\b|iter_bytes\b|read\b)", r"\1"),
]


def made(source: str) -> str:
    """The blocking client's text."""
    for pattern, replacement in WORDS:
        source = re.sub(pattern, replacement, source)
    return NOTE + re.sub(r"(?<=from collections\.abc import )(.*)", _sorted, source)


def _sorted(names: re.Match[str]) -> str:
    return ", ".join(sorted(names[1].split(", ")))


if __name__ == "__main__":
    MADE.write_text(made(SOURCE.read_text("utf-8")), "utf-8")
