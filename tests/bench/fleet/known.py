"""The arithmetic of a fleet of 10,000 hosts of eight GPUs at 10 Hz, as it was reckoned from prototypes before there was a product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOSTS: Final = 10_000
GPUS: Final = 8
QUANTITIES: Final = 4
HZ: Final = 10
CORE_HOUR_USD: Final = 0.05
GB_MONTH_USD: Final = 0.023
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Reckoned:
    """At one batch period. Cores at `HOSTS`, memory of a stream, bytes of a value on the wire and sealed."""

    front_cores: float
    log_seal_cores: float
    stream_bytes: float = 52_000
    wire_bytes: float = 7.2
    sealed_bytes: float = 1.63


RECKONED: Final = {1: Reckoned(5.5, 2.1), 5: Reckoned(1.1, 0.65), 10: Reckoned(0.55, 0.52)}
