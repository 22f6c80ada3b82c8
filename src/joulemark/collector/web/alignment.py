"""One alignment as its page tells it: plateaus with their distance from the line, figures beside the limits of the standard, files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from joulemark import document
from joulemark.calibration.acceptance import LIMITS, Limits
from joulemark.calibration.alignment import Alignment
from joulemark.calibration.figures import LINES, held_out_rel, means_w, mid_share, residual_rel, residuals_w, reversed_pass
from joulemark.collector.web.drawings.residuals import Plateau, residuals
from joulemark.errors import FormatError
from joulemark.markup import Markup
from joulemark.units import NS_PER_S

MOST: Final = 1e9
"""No figure of a meter is larger."""


def believable(record: Alignment) -> bool:
    """Whether its figures lie where drawings and digits hold."""
    windows = [shown for plateau in record.plateaus for w in plateau.windows for shown in (w.sensor_w, w.reference_w)]
    figures = (
        record.gain,
        record.offset_w,
        record.u_gain,
        record.u_offset_w,
        record.lag_s,
        record.reference_u_rel,
        *record.span_w,
        *windows,
    )
    return all(abs(figure) <= MOST for figure in figures) and min(record.u_gain, record.u_offset_w) >= 0.0


def told(record: Alignment, files: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows beside the line of the list."""
    return {
        "drawing": drawn(record),
        "plateaus": plateaus(record),
        "checks": checks(record),
        "gates": gates(record, files),
        "files": [(path, len(text.encode())) for path, text in sorted(files.items())],
        "held_out_rel": held_out_rel(record),
        "binding": {
            name: value for name in record.binding.__dataclass_fields__ if (value := getattr(record.binding, name)) not in ("", None, ())
        },
    }


def plateaus(record: Alignment) -> list[dict[str, Any]]:
    """Each plateau with the means of both meters in W and its distance from the line, in W and as a share of the reference."""
    found = []
    for one, distance_w in residuals_w(record):
        sensor_w, reference_w = means_w(one)
        found.append(
            {
                "plateau": one,
                "begin_ns": one.windows[0].begin_ns,
                "end_ns": one.windows[-1].end_ns,
                "sensor_w": sensor_w,
                "reference_w": reference_w,
                "distance_w": distance_w,
                "rel": distance_w / reference_w if reference_w else None,
            }
        )
    return found


def drawn(record: Alignment) -> Markup | None:
    """The residuals; None without a plateau whose reference shows a power."""
    found = []
    for one in plateaus(record):
        if one["rel"] is None or not math.isfinite(one["rel"]):
            continue
        off = [(w.reference_w - record.gain * w.sensor_w - record.offset_w) / one["reference_w"] * 100.0 for w in one["plateau"].windows]
        name = one["plateau"].name + (" (2)" if one["plateau"].turn == 2 else "")
        found.append(Plateau(name, one["sensor_w"], one["rel"] * 100.0, off, below=one["plateau"].turn == 2))
    if not found:
        return None
    worst = max(found, key=lambda one: abs(one.mean))
    bounds = [(limits.residual_rel * 100.0, grade) for grade, limits in LIMITS.items()]
    return residuals(
        found, limits=bounds, said=f"Distance of {len(found)} plateaus from the line; the largest is {worst.mean:+.2g} % at {worst.name}"
    )


def checks(record: Alignment) -> list[dict[str, Any]]:
    """Each figure that CAL-2 to CAL-5 bound, with the limit of each level and whether it is kept."""
    windows = [w for plateau in record.plateaus for w in plateau.windows]
    fewest = min((len(plateau.windows) for plateau in record.plateaus), default=0)
    shortest_s = min(((w.end_ns - w.begin_ns) / NS_PER_S for w in windows), default=0.0)
    settle_s = min((plateau.settle_s for plateau in record.plateaus), default=0.0)
    mid, residual, held = mid_share(record), residual_rel(record), held_out_rel(record)
    again = reversed_pass(record)

    def row(rule: str, name: str, value: str, limit: Any, good: Any) -> dict[str, Any]:
        return {"rule": rule, "name": name, "value": value, "limits": [(grade, limit(one), good(one)) for grade, one in LIMITS.items()]}

    def within(value: float | None, bound: str) -> Any:
        return lambda one: value is not None and abs(value) <= getattr(one, bound)

    def gain_limit(one: Limits) -> str:
        return "modelled: two workloads" if record.modelled else f"{one.gain_low:g} to {one.gain_high:g}"

    return [
        row("CAL-2", "windows of each plateau, fewest", str(fewest), lambda one: f"≥ {one.windows:g}", lambda one: fewest >= one.windows),
        row(
            "CAL-2",
            "shortest window",
            f"{shortest_s:g} s",
            lambda one: f"≥ {one.window_s:g} s",
            lambda one: shortest_s >= one.window_s - 1e-3,
        ),
        row("CAL-2", "settled before", f"{settle_s:g} s", lambda one: f"≥ {one.settle_s:g} s", lambda one: settle_s >= one.settle_s - 1e-3),
        row(
            "CAL-2",
            "mid between idle and full",
            "not known" if mid is None else f"{mid:.1%}",
            lambda one: f"{one.mid_low:.0%} to {one.mid_high:.0%}",
            lambda one: mid is not None and one.mid_low <= mid <= one.mid_high,
        ),
        row(
            "CAL-2",
            "second pass, reversed",
            "yes" if again else "no",
            lambda one: "wanted" if one.reverse else "not wanted",
            lambda one: again or not one.reverse,
        ),
        row("CAL-3", "method", record.method, lambda _: "errors in both meters", lambda _: record.method in LINES),
        row("CAL-4", "largest residual", share(residual), lambda one: f"≤ {one.residual_rel:.0%}", within(residual, "residual_rel")),
        row("CAL-4", "run held out", share(held), lambda one: f"≤ {one.held_out_rel:.0%}", within(held, "held_out_rel")),
        row("CAL-5", "gain", f"{record.gain:.5f}", gain_limit, lambda one: record.modelled or one.gain_low <= record.gain <= one.gain_high),
    ]


def share(value: float | None) -> str:
    """A share in percent."""
    return "not known" if value is None else f"{value:+.3%}"


def gates(record: Alignment, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the gates saw before the first plateau; empty where the procedure was not handed in."""
    try:
        told = document.json_object(files.get(f"calibration/{record.alignment_id}/procedure.json", ""), where="procedure.json").get("gates")
    except FormatError:
        return []
    wanted = ("gate", "passed", "saw", "next_step", "accepted")
    return [one for one in told if isinstance(one, dict) and set(wanted) <= set(one)] if isinstance(told, list) else []
