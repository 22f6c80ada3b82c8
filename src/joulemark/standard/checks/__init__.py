"""The checks: one file per group of rules, one function per rule, each found by the id of its rule."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Final

from joulemark.standard.checks.base import Check

MODULES: Final = (
    "scope",
    "meter",
    "sampling",
    "clock",
    "phase",
    "repetition",
    "alignment",
    "uncertainty",
    "token",
    "price",
    "environment",
    "integrity",
)


@functools.cache
def checks() -> Mapping[str, Check]:
    """Rule id -> its check: each module of this package has a dictionary `CHECKS`."""
    found: dict[str, Check] = {}
    for name in MODULES:
        found |= importlib.import_module(f"joulemark.standard.checks.{name}").CHECKS
    return found
