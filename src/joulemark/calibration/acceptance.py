"""Whether an alignment is good enough, and whether it still holds: in plain words what is wrong, nothing where all is well."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from joulemark.calibration.alignment import Alignment, Binding
from joulemark.calibration.figures import (
    FULL,
    IDLE,
    LINES,
    MID,
    held_out_rel,
    level_w,
    means_w,
    mid_share,
    residuals_w,
    reversed_pass,
)
from joulemark.node import Node
from joulemark.units import NS_PER_S

ROUNDING_S: Final = 1e-3
"""Windows are cut to the nanosecond, lengths are compared to the millisecond."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What CAL-2, CAL-4 and CAL-5 ask for in one column; the edition of the standard holds the same numbers."""

    windows: float = 5.0
    window_s: float = 60.0
    settle_s: float = 60.0
    mid_low: float = 0.4
    mid_high: float = 0.6
    reverse: bool = False
    residual_rel: float = 0.02
    held_out_rel: float = 0.02
    gain_low: float = 0.90
    gain_high: float = 1.10


LIMITS: Final[Mapping[str, Limits]] = {
    "ES1": Limits(),
    "ES2": Limits(reverse=True, residual_rel=0.01, held_out_rel=0.01, gain_low=0.95, gain_high=1.05),
}

CHANGED: Final = {
    "sensor_serial": "the sensor was exchanged",
    "reference_serial": "another reference meter",
    "node_serial": "another node",
    "bmc_firmware": "the firmware of the BMC changed",
    "vbios": "the VBIOS of the GPUs changed",
    "driver_major": "another major version of the driver",
    "psus": "the set of power supplies changed",
    "interval_s": "the sensor is read at another interval",
    "settings_sha256": "the power settings changed",
}
"""Field of the binding -> what its change means."""


def faults(record: Alignment, limits: Limits = LIMITS["ES1"]) -> list[str]:
    """Why `record` is not accepted by CAL-2 to CAL-5; empty where it is."""
    return [*plateau_faults(record, limits), *line_faults(record, limits), *gain_faults(record, limits)]


def plateau_faults(record: Alignment, limits: Limits) -> list[str]:
    """What CAL-2 finds wanting in how the plateaus were driven."""
    found = [f"there is no plateau {name}" for name in (IDLE, MID, FULL) if level_w(record, name) is None]
    for plateau in record.plateaus:
        who = f"plateau {plateau.name}, turn {plateau.turn}"
        if len(plateau.windows) < limits.windows:
            found.append(f"{who} has {len(plateau.windows)} windows, {limits.windows:g} are wanted")
        shortest_s = min(((w.end_ns - w.begin_ns) / NS_PER_S for w in plateau.windows), default=0.0)
        if shortest_s < limits.window_s - ROUNDING_S:
            found.append(f"a window of {who} lasts {shortest_s:g} s, {limits.window_s:g} s are wanted")
        if plateau.settle_s < limits.settle_s - ROUNDING_S:
            found.append(f"{who} settled for {plateau.settle_s:g} s, {limits.settle_s:g} s are wanted")
    for before, after in itertools.pairwise(sorted((w.begin_ns, w.end_ns) for plateau in record.plateaus for w in plateau.windows)):
        if after[0] < before[1]:
            found.append("two windows share some of their time: a stretch counts once")
            break
    share = mid_share(record)
    if share is not None and not limits.mid_low <= share <= limits.mid_high:
        found.append(f"the mid plateau lies at {share:.1%} between idle and full, {limits.mid_low:.0%} to {limits.mid_high:.0%} is wanted")
    if limits.reverse and not reversed_pass(record):
        found.append("a second pass in reverse order is wanted, and there is none")
    return found


def line_faults(record: Alignment, limits: Limits) -> list[str]:
    """What CAL-3 and CAL-4 find wrong with the line: its method, its residuals, its error on a run that was not in the fit."""
    found = []
    if record.method not in LINES:
        found.append(f"the fit {record.method!r} is none of {', '.join(LINES)}: errors stand in both variables")
    for plateau, distance_w in residuals_w(record):
        share = distance_w / means_w(plateau)[1]
        if abs(share) > limits.residual_rel:
            what = f"plateau {plateau.name} lies {share:+.2%} from the line, {limits.residual_rel:.0%} is allowed"
            found.append(f"{what}: the sensor is not linear (it may be saturated), or another part of the load is between both meters")
    error = held_out_rel(record)
    if error is None:
        found.append("no run was held out of the fit")
    elif abs(error) > limits.held_out_rel:
        found.append(f"the run that was held out is off by {error:+.2%}, {limits.held_out_rel:.0%} is allowed")
    return found


def gain_faults(record: Alignment, limits: Limits) -> list[str]:
    """What CAL-5 says of the gain; a modelled alignment crosses a boundary and wants two workloads instead."""
    if record.modelled:
        workloads = {plateau.workload for plateau in record.plateaus if plateau.workload}
        workloads |= {record.held_out.workload} - {""} if record.held_out is not None else set()
        return [] if len(workloads) >= 2 else [f"a modelled alignment wants two workloads, this one saw {len(workloads)}"]
    if limits.gain_low <= record.gain <= limits.gain_high:
        return []
    allowed = f"{limits.gain_low:g} to {limits.gain_high:g} is allowed"
    return [f"the gain is {record.gain:.4f}, {allowed}: the sensor stands at another boundary, reads another channel or another node"]


def voided(then: Binding, now: Binding) -> list[str]:
    """What has changed since the alignment, in words; empty where it still holds. What was not recorded then is not compared."""
    found = []
    for name in (one.name for one in fields(Binding)):
        old, new = getattr(then, name), getattr(now, name)
        if old in ("", (), None) or _same(old, new):
            continue
        said = "is not known now" if new in ("", (), None) else f"is {_shown(new)} now"
        found.append(f"{CHANGED[name]}: {name} was {_shown(old)}, {said}")
    return found


def _same(old: object, new: object) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return abs(new / old - 1.0) <= 0.05 if old else new == old
    return set(old) == set(new) if isinstance(old, tuple) and isinstance(new, tuple) else old == new


def _shown(value: object) -> str:
    return ", ".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def binding_of(node: Node, *, sensor_serial: str, reference_serial: str = "", interval_s: float | None = None) -> Binding:
    """What an alignment on `node` is bound to, as the node stands now. A set of different VBIOS is named whole."""
    return Binding(
        sensor_serial=sensor_serial,
        reference_serial=reference_serial,
        node_serial=node.serial,
        bmc_firmware=node.bmc_firmware,
        vbios=", ".join(sorted({gpu.vbios for gpu in node.gpus or () if gpu.vbios})),
        driver_major=node.driver.split(".")[0],
        psus=tuple(sorted(psu.name for psu in node.psus or ())),
        interval_s=interval_s,
        settings_sha256=node.settings[-1].sha256 if node.settings else "",
    )
