"""Joulemark: joules and dollars per 1k tokens, measured, calibrated, provable."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from joulemark.client import Client
    from joulemark.counts import Counts
    from joulemark.phases import phase
    from joulemark.runs import IdleKind, PhaseKind

__version__ = "0.1.0"
__all__ = ["Client", "Counts", "IdleKind", "PhaseKind", "__version__", "phase"]

PLACES: Final = {"Client": "client", "phase": "phases", "Counts": "counts", "IdleKind": "runs", "PhaseKind": "runs"}


def __getattr__(name: str) -> Any:
    """The public names, loaded when first used: importing the package stays cheap for the agent."""
    if name in PLACES:
        return getattr(importlib.import_module(f"joulemark.{PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
