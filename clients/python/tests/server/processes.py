"""Programs of Prony's at work beside the tests."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from threading import Thread, Timer
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_SECONDS = 60


@contextmanager
def at_work(program: Path, *arguments: str, folder: Path) -> Iterator[str]:
    """Starts it with these arguments; the address it says it serves on, until it is told to end."""
    command = [str(program), *arguments]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=folder, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        impatient = Timer(PATIENCE_SECONDS, process.kill)
        impatient.start()
        said: list[str] = []
        address = _address(process.stderr, said)
        impatient.cancel()
        # What it says further is read, so that it is never held up by it.
        rest = Thread(target=said.extend, args=(process.stderr,))
        rest.start()
        try:
            assert address, f"{command} did not come to serve: {''.join(said)}"
            yield address
        finally:
            process.terminate()
            impatient = Timer(PATIENCE_SECONDS, process.kill)
            impatient.start()
            process.wait()
            impatient.cancel()
            rest.join()
        assert process.returncode == 0, f"{command} ended badly: {''.join(said)}"


def _address(stream: IO[str], said: list[str]) -> str | None:
    for line in stream:
        said.append(line)
        if address := re.search(r"https?://[\d.]+:\d+", line):
            return address[0]
    return None
