"""Joulemark: joules and dollars per 1k tokens, measured, calibrated, provable."""

__version__ = "0.1.0"
