"""Joulemark: joules and dollars per 1k tokens, measured, calibrated, provable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulemark.client import Client, phase

__version__ = "0.1.0"
__all__ = ["Client", "__version__", "phase"]


def __getattr__(name: str) -> Any:
    """`Client` and `phase`, loaded when first used: importing the package stays cheap for the agent."""
    if name in {"Client", "phase"}:
        from joulemark import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
