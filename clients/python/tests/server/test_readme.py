"""The README's example, as it stands but for its address and its length."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def test_the_example_does_what_it_says(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    example = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)[0]
    changes = {"http://127.0.0.1:8080": url, '"duration_minutes": 1,': '"num_requests": 20,'}
    for written, changed in changes.items():
        assert example.count(written) == 1
        example = example.replace(written, changed)
    exec(example, {"__name__": "__main__"})
    *course, small, large = capsys.readouterr().out.splitlines()
    assert course[-1] == "completed 100% 40 answers"
    assert re.fullmatch(r"small concurrency=8 [\d.]+ (True|False)", small)
    assert large.startswith("large concurrency=8 ")
