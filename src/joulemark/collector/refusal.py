"""Why a stream ends: the status the agent sees, and the reason the metrics count."""

from __future__ import annotations

from typing import Final

import grpc

RETRY_AFTER_MS: Final = 30_000
"""How long an agent is asked to wait when somebody has to act before it can be served."""


class Refused(Exception):
    """The stream must end. `reason` is its label in the metrics; `sha256` names a batch that will never be taken."""

    def __init__(self, code: grpc.StatusCode, reason: str, details: str, *, sha256: bytes = b"", retry_after_ms: int = 0) -> None:
        super().__init__(details)
        self.code, self.reason, self.details = code, reason, details
        self.sha256, self.retry_after_ms = sha256, retry_after_ms


def over(limit: str, what: str, next_step: str) -> Refused:
    """The refusal of an agent that is beyond a limit which somebody may raise: it keeps its readings and asks again later."""
    details = f"{what}: {next_step}, or raise limits.{limit} at the collector"
    return Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, limit, details, retry_after_ms=RETRY_AFTER_MS)
