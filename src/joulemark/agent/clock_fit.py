"""Offset and drift of the collector's clock, from four-timestamp probes. Pure.

Everything is fitted on the agent's monotonic clock, which never steps; a step of the agent's UTC therefore changes nothing
here, and the offset to its UTC follows by subtraction. Method: David L. Mills, RFC 5905 sections 8 and 10 (offset and delay
of an exchange, least delay of eight), then a least-squares line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.units import NS_PER_S

BURST: Final = 8
"""Probes in a row, of which the one with the least round trip counts."""

LINE_SPAN_S: Final = 60.0
"""A drift is fitted only over at least this time."""

KEEP_S: Final = 600.0
"""Older exchanges are forgotten: a crystal's rate wanders with temperature."""

UNKNOWN_DRIFT_PPB: Final = 100_000
"""How fast two clocks may part while no drift is fitted: twice the usual +-50 ppm of a crystal."""

WANDER_PPB: Final = 1_000
"""How far a fitted drift may change between probes (temperature, or chrony at work)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One probe and its reply: at the monotonic time `mono_ns`, collector UTC minus agent monotonic was `offset_ns` +- `half_rtt_ns`."""

    mono_ns: int
    offset_ns: int
    half_rtt_ns: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """The collector's axis minus the agent's monotonic time, true within `bound_ns`; `drift_ppb`: how fast it grows."""

    offset_ns: int
    bound_ns: int
    drift_ppb: int


def exchange(t1_mono_ns: int, t2_ns: int, t3_ns: int, t4_mono_ns: int) -> Exchange:
    """Sent at `t1` and answered at `t4` of the agent's monotonic clock; received `t2` and sent back `t3` in the collector's UTC."""
    rtt_ns = max(0, (t4_mono_ns - t1_mono_ns) - (t3_ns - t2_ns))
    offset_ns = ((t2_ns - t1_mono_ns) + (t3_ns - t4_mono_ns)) // 2
    return Exchange((t1_mono_ns + t4_mono_ns) // 2, offset_ns, (rtt_ns + 1) // 2)


def least_delayed(burst: Sequence[Exchange]) -> Exchange:
    """The exchange of `burst` with the shortest round trip: the one that queues disturbed least."""
    return min(burst, key=lambda x: x.half_rtt_ns)


def estimate(exchanges: Sequence[Exchange], now_mono_ns: int, *, since_mono_ns: int | None = None) -> Estimate | None:
    """The offset at `now_mono_ns` from `exchanges` in their order; None when there are none. The bound holds from `since_mono_ns` on.

    Below LINE_SPAN_S: the exchange that bounds best, its half round trip widened by UNKNOWN_DRIFT_PPB for the time to the farther
    end. Above: a line by least squares; its bound is the largest sum of an exchange's residual and half round trip, widened for the
    time outside the exchanges by the uncertainty of the slope and WANDER_PPB.
    """
    if not exchanges:
        return None
    since_ns = now_mono_ns if since_mono_ns is None else min(since_mono_ns, now_mono_ns)
    span_ns = exchanges[-1].mono_ns - exchanges[0].mono_ns
    if span_ns < LINE_SPAN_S * NS_PER_S or len(exchanges) < 3:
        bounds = [max(widened(e, now_mono_ns), widened(e, since_ns)) for e in exchanges]
        best = min(range(len(exchanges)), key=bounds.__getitem__)
        return Estimate(exchanges[best].offset_ns, bounds[best], 0)
    origin = exchanges[-1]
    x = [(e.mono_ns - origin.mono_ns) / NS_PER_S for e in exchanges]
    y = [float(e.offset_ns - origin.offset_ns) for e in exchanges]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)
    fit_bound = max(abs(b - (mean_y + slope * (a - mean_x))) + e.half_rtt_ns for a, b, e in zip(x, y, exchanges, strict=True))
    outside_s = max(0, now_mono_ns - origin.mono_ns, exchanges[0].mono_ns - since_ns) / NS_PER_S
    slope_bound = 2.0 * fit_bound / (span_ns / NS_PER_S) + WANDER_PPB
    offset = mean_y + slope * ((now_mono_ns - origin.mono_ns) / NS_PER_S - mean_x)
    return Estimate(origin.offset_ns + round(offset), round(fit_bound + outside_s * slope_bound), round(slope))


def widened(e: Exchange, now_mono_ns: int) -> int:
    """Bound of one exchange at `now_mono_ns` while nothing is known of the drift."""
    return e.half_rtt_ns + abs(now_mono_ns - e.mono_ns) * UNKNOWN_DRIFT_PPB // NS_PER_S


def continued(exchanges: Sequence[Exchange], new: Exchange) -> list[Exchange]:
    """`exchanges` and `new`, without those older than KEEP_S; only `new` when it contradicts them: a clock was stepped."""
    known = estimate(exchanges, new.mono_ns)
    if known is not None and abs(known.offset_ns - new.offset_ns) > 2 * (known.bound_ns + new.half_rtt_ns):
        return [new]
    return [e for e in exchanges if new.mono_ns - e.mono_ns <= KEEP_S * NS_PER_S] + [new]
