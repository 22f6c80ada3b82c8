"""Goals that are known to be missed, and why; docs/explanation/performance.md says what was tried. Any other miss fails the run."""

from __future__ import annotations

from typing import Final

MISSED: Final[dict[str, str]] = {}
