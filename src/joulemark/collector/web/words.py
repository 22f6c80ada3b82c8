"""What goes on now in words and numbers as people read them. `live.js` writes those that change each second the same way."""

from __future__ import annotations

from typing import Final

from joulemark.collector.picture import Clock, Cost, Host
from joulemark.energy.uncertainty import displayed
from joulemark.units import NS_PER_S

KW: Final = 10_000.0
"""From this power on it stands in kilowatts."""
LOOKS: Final = {"gpu": "gpu", "package": "cpu", "module": "dram", "psu_input": "other", "server_input": "other"}
"""Colour of a boundary; the others have the wall's."""


def watts(power_w: float) -> str:
    """A power."""
    return f"{power_w / 1000:.2f} kW" if abs(power_w) >= KW else f"{power_w:.1f} W"


def ago(age_s: float) -> str:
    """How long ago; what is dated a little ahead, within what clocks allow, is now."""
    if age_s < 9.95:
        return f"{max(age_s, 0.0):.1f} s ago"
    for limit_s, unit_s, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if age_s < limit_s:
            return f"{age_s / unit_s:.0f} {unit} ago"
    return f"{age_s / 86_400:.0f} d ago"


def place(boundary: str) -> str:
    """A boundary in plain words."""
    return boundary.replace("_", " ")


def state(host: Host) -> tuple[str, str]:
    """(look, word) of a host."""
    if host.state == "connected":
        return "good", "connected"
    return (
        ("doubt", f"silent, last heard {ago(host.age_s)}")
        if host.state == "silent"
        else ("soft", "unknown: the ingest process does not answer")
    )


def meters(host: Host) -> tuple[str, str]:
    """(look, words) of its meters: how many are well, how many miss readings, how many show nothing; and the mean share that is missing."""
    counts = {name: sum(meter.standing == name for meter in host.meters) for name in ("ok", "degraded", "silent")}
    if not host.meters:
        return "soft", "none of power or energy"
    shares = [meter.gap_share for meter in host.meters if meter.gap_share is not None]
    gaps = f", gaps {100 * sum(shares) / len(shares):.1f} %" if shares else ""
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return "bad" if not counts["ok"] and not counts["degraded"] else "doubt" if counts["degraded"] or counts[
        "silent"
    ] else "good", said + gaps


def offset(clock: Clock | None) -> str:
    """Offset and bound of a clock, in ms."""
    if clock is None:
        return "not told yet"
    if not clock.known:
        return "never compared"
    if not clock.bound_ns:
        return "0 ms, the collector's own clock" if abs(clock.offset_ns) < 1000 else f"{clock.offset_ns / 1e6:+.3f} ms, one kernel"
    value, bound = displayed(clock.offset_ns / 1e6, clock.bound_ns / 1e6)
    return f"{value} ± {bound} ms"


def overhead(cost: Cost | None) -> str:
    """What an agent takes of its host."""
    if cost is None:
        return "not told yet"
    return f"{100 * cost.cpu_share:.2g} % of a CPU, {cost.rss_bytes / 2**20:.0f} MiB"


def seconds_ago(t_ns: int | None, now_ns: int) -> str:
    """The age of a reading, or that there is none."""
    return "none" if t_ns is None else ago((now_ns - t_ns) / NS_PER_S)
