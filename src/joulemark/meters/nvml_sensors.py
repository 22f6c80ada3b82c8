"""What is published about the power sensors of NVIDIA GPUs: how long they look, and how often they are refreshed.

These are open constants (Energy Standard v1, section 1): the vendor does not state them, others measured them, and the
configuration can replace each one. Sources: Yang, Adamek, Armour, "Part-time power measurements: nvidia-smi's lack of
attention" (SC24, arXiv 2312.02741); NVML reference manual, nvmlDeviceGetPowerUsage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

AVERAGE_WINDOW_S: Final = 1.0
"""Window of average power: a plain mean over one second (NVML reference manual)."""

ARCH_PASCAL: Final = 4
ARCH_VOLTA: Final = 5
ARCH_TURING: Final = 6
ARCH_AMPERE: Final = 7
ARCH_HOPPER: Final = 9
ARCH_UNKNOWN: Final = 0xFFFFFFFF
"""Numbers of NVML_DEVICE_ARCH_*, spelled out so that the table needs no driver library."""

GA100: Final = re.compile(r"\b(A100|A800|A30)\b")
"""Products with the one Ampere chip whose plain power call is instantaneous."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """Instant power: averaging window and refresh period in seconds, None where nobody measured them; and who says so."""

    window_s: float | None
    period_s: float | None
    source: str

    @property
    def coverage(self) -> float | None:
        """Share of time the sensor looks: window over period, at most 1. None when either is not known."""
        return None if self.window_s is None or self.period_s is None else min(1.0, self.window_s / self.period_s)


UNKNOWN: Final = Sensor(None, None, "not published for this product")

BY_PRODUCT: Final[tuple[tuple[re.Pattern[str], Sensor], ...]] = (
    (re.compile(r"\bGH200\b"), Sensor(0.020, 0.100, "SC24, GH200")),
    (re.compile(r"\b(A100|A800)\b"), Sensor(0.025, 0.100, "SC24, A100")),
    (re.compile(r"\b(H100|H800)\b"), Sensor(0.025, 0.100, "SC24, H100")),
    (re.compile(r"\bRTX 3090\b"), Sensor(0.100, 0.100, "SC24, RTX 3090")),
)
"""First match by product name wins."""

BY_ARCHITECTURE: Final[dict[int, Sensor]] = {
    ARCH_PASCAL: Sensor(0.010, 0.020, "SC24, Pascal"),
    ARCH_VOLTA: Sensor(0.010, 0.020, "SC24, Volta"),
    ARCH_TURING: Sensor(0.100, 0.100, "SC24, Turing"),
    ARCH_HOPPER: Sensor(0.025, 0.100, "assumed as H100, not measured for this product"),
}
"""For products that nobody measured one by one."""


def instant_sensor(product: str, architecture: int) -> Sensor:
    """The sensor behind instant power of the GPU called `product`."""
    for pattern, sensor in BY_PRODUCT:
        if pattern.search(product):
            return sensor
    return BY_ARCHITECTURE.get(architecture, UNKNOWN)


def plain_call_averages(product: str, architecture: int) -> bool:
    """Whether nvmlDeviceGetPowerUsage gives the 1 s average: Ampere (except GA100) and newer; before that it is instantaneous.

    An unknown architecture is newer than every number this table holds, and averages.
    """
    return architecture >= ARCH_AMPERE and not GA100.search(product)
