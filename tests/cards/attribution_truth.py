"""A GPU whose power is known because its requests make it: each draws what it draws, and the counter counts their sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.energy.attribution_claims import Flight
from joulemark.energy.series import Series
from joulemark.readings import Boundary, MeterInfo, Quantity, TimestampSource
from joulemark.request_log import Request, Status
from joulemark.runs import IdleKind, PhaseKind, Run, Tokens, Window

S = 10**9
MS = 10**6
T0 = 1_790_000_000 * S
IDLE_W = 90.0
GPU = MeterInfo(
    "nvml:h:GPU-1:energy",
    "nvml",
    Quantity.ENERGY_COUNTER,
    -3,
    Boundary.GPU,
    timestamp_source=TimestampSource.DRIVER,
    update_period_s=0.01,
    covers=("GPU-1",),
)
PHASES = (
    Window("idle", PhaseKind.IDLE_BEFORE, T0 - 20 * S, T0 - 5 * S, idle_kind=IdleKind.READY),
    Window("decode", PhaseKind.MEASURED, T0, T0 + 60 * S, tokens=Tokens(1000, 2000), requests=3),
)


@dataclass(frozen=True)
class Served:
    """A request in ms after T0 that draws `prefill_w` until its first token and `decode_w` from there on."""

    begin: int
    first: int | None
    end: int
    prefill_w: float = 100.0
    decode_w: float = 100.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    phase: str = "decode"
    status: Status = Status.COMPLETED

    @property
    def true_prefill_j(self) -> float:
        return self.prefill_w * ((self.end if self.first is None else self.first) - self.begin) / 1000

    @property
    def true_decode_j(self) -> float:
        return 0.0 if self.first is None else self.decode_w * (self.end - self.first) / 1000

    @property
    def true_j(self) -> float:
        return self.true_prefill_j + self.true_decode_j

    def power_w(self, at: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """At each ms."""
        middle = self.end if self.first is None else self.first
        return self.prefill_w * ((at >= self.begin) & (at < middle)) + self.decode_w * ((at >= middle) & (at < self.end))

    def flight(self, number: int) -> Flight:
        request = Request(
            number, self.phase, T0 + self.begin * MS, T0 + self.end * MS, self.status, self.input_tokens, None, self.output_tokens
        )
        return Flight(request, None if self.first is None else T0 + self.first * MS)


def flights(served: Sequence[Served]) -> tuple[Flight, ...]:
    return tuple(one.flight(number) for number, one in enumerate(served))


def counter(served: Sequence[Served], meter: MeterInfo = GPU, *, step_ms: int = 10) -> Series:
    """The counter from 30 s before T0 until 70 s after it, in mJ, under stamps of its refreshes; idle while nothing is in flight."""
    at = np.arange(-30_000, 70_000)
    power = sum((one.power_w(at) for one in served), np.zeros(len(at)))
    power = np.where(power > 0.0, power, IDLE_W)
    energy_mj = np.concatenate(([0.0], np.cumsum(power)))[::step_ms]
    t_ns = T0 + np.arange(-30_000, 70_001, step_ms) * MS
    return replace(Series.plain(meter, t_ns, np.round(energy_mj).astype(np.int64) + 7), device_stamps=True)


def evidence(*series: Series, windows: tuple[Window, ...] = PHASES, **more: Any) -> Evidence:
    return Evidence(Run(windows, benchmark="t", run_id="r"), series, **more)
