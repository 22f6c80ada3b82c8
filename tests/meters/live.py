"""A living device of every kind: the modules of `living/`, one for each kind, found by their names.

Each has `live(folder)`, a context manager that opens what stands behind the kind and yields a `Living`, and `recorded(case, folder)`,
which serves the recorded input of a golden case and yields the options of its `[[meter]]` table.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from tests.meters.living.base import Living, Options


class Stage(Protocol):
    """A module of `living/`."""

    def live(self, folder: Path) -> AbstractContextManager[Living]:
        """What stands behind the kind, alive."""

    def recorded(self, case: Path, folder: Path) -> AbstractContextManager[Options]:
        """The recorded input of the golden case in the folder `case`, served."""


def stages() -> dict[str, Stage]:
    """Kind -> its module."""
    names = sorted(path.stem for path in (Path(__file__).parent / "living").glob("*.py") if path.stem != "base")
    return {name.rstrip("_"): importlib.import_module(f"tests.meters.living.{name}") for name in names}


LIVE: Final = stages()
