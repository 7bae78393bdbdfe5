"""The way to pandas, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prony.errors import MissingPandasError

if TYPE_CHECKING:
    from types import ModuleType


def pandas() -> ModuleType:
    """The module.

    Raises:
        MissingPandasError: It is not installed.
    """
    try:
        import pandas as module
    except ImportError as error:
        raise MissingPandasError(
            "to_pandas() needs pandas, which is not installed\nhint: pip install 'prony[pandas]'"
        ) from error
    return module
