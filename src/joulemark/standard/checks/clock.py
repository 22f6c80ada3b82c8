"""Rules CLK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from joulemark.standard.checks.base import Check

CHECKS: Final[Mapping[str, Check]] = {}
