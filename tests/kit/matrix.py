"""The matrix: every rule on the bundle that satisfies it, and on every spoil that it has to see."""

from __future__ import annotations

import importlib
from typing import Final

from joulemark.standard.checks import MODULES
from tests.kit.spoil import Spoil


def spoils(module: str) -> tuple[Spoil, ...]:
    """The spoils for the rules of one module of checks."""
    return tuple(importlib.import_module(f"tests.kit.spoils.{module}").SPOILS)


SPOILS: Final = {module: spoils(module) for module in MODULES}
