"""The power of one simulated node as its meters see it: GPUs, processors, the BMC and an analyser at the wall, of one load."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark.units import NS_PER_S

STEP_MS: Final = 50
GPUS: Final = 4
IDLE_GPU_W, BUSY_GPU_W = 78.0, 610.0
FANS_W: Final = 95.0
LOSS: Final = 1.06
"""What the supplies take more than they give."""
SILENT: Final = (0.62, 0.66)
"""Part of the length in which the last GPU answers nothing."""


@dataclass(frozen=True)
class Load:
    """What the node does in `length_s` seconds: idle, a ramp, work that breathes, and idle again; then anew."""

    length_s: float

    def share(self, second: float) -> float:
        """How busy it is, from 0 to 1."""
        part = second % self.length_s / self.length_s
        if part < 0.18 or part > 0.9:
            return 0.0
        if part < 0.24:
            return (part - 0.18) / 0.06
        return 0.9 + 0.07 * math.sin(40 * part) + 0.03 * math.sin(173 * part)

    def gpu_w(self, number: int, second: float) -> float:
        """Of one GPU."""
        watts = IDLE_GPU_W + (BUSY_GPU_W - IDLE_GPU_W) * self.share(second)
        return watts * (1 + 0.012 * (number - 1)) + 3 * math.sin(31 * second + number)

    def processors_w(self, second: float) -> float:
        """Of both processors."""
        return 120.0 + 90.0 * self.share(second) + 4 * math.sin(17 * second)

    def node_w(self, second: float) -> float:
        """At the wall."""
        parts = sum(self.gpu_w(number, second) for number in range(GPUS)) + self.processors_w(second)
        return LOSS * (parts + FANS_W)

    def silent(self, second: float) -> bool:
        """Whether the last GPU answers nothing."""
        return SILENT[0] < second % self.length_s / self.length_s < SILENT[1]


def written(folder: Path, load: Load, *, start_ns: int) -> list[dict[str, Any]]:
    """Traces below `folder`, and the `[[meter]]` tables that play them from `start_ns` on, again and again."""
    every: dict[str, tuple[str, int, Callable[[float], float | None]]] = {
        **{
            f"GPU-{number}": (
                "gpu",
                100,
                lambda second, number=number: None if number == GPUS - 1 and load.silent(second) else load.gpu_w(number, second),
            )
            for number in range(GPUS)
        },
        "CPU": ("package", 100, load.processors_w),
        "BMC": ("server_input", 1000, lambda second: 0.985 * load.node_w(second - 0.4) - 6.0),
        "WT332E": ("wall_analyzer", 100, load.node_w),
    }
    tables = []
    for serial, (boundary, interval_ms, power_w) in every.items():
        path = folder / f"{serial}.csv"
        path.write_text("t_ns,power_milliwatt\n" + "".join(rows(load.length_s, power_w)), encoding="utf-8")
        place = {"kind": "replay", "file": str(path), "serial": serial, "boundary": boundary}
        tables.append({**place, "interval_ms": interval_ms, "loop": True, "start_ns": start_ns})
    return tables


def rows(length_s: float, power_w: Callable[[float], float | None]) -> Iterator[str]:
    """A row each `STEP_MS`; nothing where it answers nothing."""
    for number in range(round(length_s * 1000 / STEP_MS) + 1):
        watts = power_w(number * STEP_MS / 1000)
        yield f"{number * STEP_MS * NS_PER_S // 1000},{'' if watts is None else round(watts * 1000)}\n"
