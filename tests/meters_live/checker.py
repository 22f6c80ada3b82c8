"""The separate checker of `make meters-live`: `python -m tests.meters_live.checker WORKDIR` prints one JSON line and exits 1 when red.

It knows what every meter was told and when (`told.json`), integrates that itself, and compares with what the product stored
(`readings.json`), computed (`energy.json`) and put on the card (`card.json`). It imports nothing of the product.
"""

from __future__ import annotations

import json
import sys
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Any

NS = 1e9
FEWEST_KINDS = 6
MOST_GAP_SHARE = 0.1
CLOSED = ("pdu_inlet", "outlet", "server_input", "gpu+package")
"""Levels that have to be compared, from the outside inwards."""


def limit(seconds: float) -> float:
    """What readings each half second may miss of the energy of a load that steps each four seconds: each step is dated wrong by a
    quarter of a second or so, either way, so that the share shrinks with the root of the time; and 2 % for a busy machine.
    """
    return 0.02 + 0.2 / seconds**0.5


def told_j(told: list[list[float]], begin_ns: int, end_ns: int) -> float:
    """Energy of what a meter was told: each value holds from its time to the next."""
    total = 0.0
    for (t0, watts), (t1, _) in pairwise([*told, [end_ns, 0.0]]):
        total += watts * max(0.0, min(t1, end_ns) - max(t0, begin_ns)) / NS
    return total


def trapezoid_j(rows: list[tuple[int, float]], begin_ns: int, end_ns: int) -> float:
    """Energy of good readings, linear between them and at both ends."""
    times = [t for t, _ in rows]

    def at(t_ns: int) -> float:
        i = min(max(bisect_right(times, t_ns), 1), len(rows) - 1)
        (t0, p0), (t1, p1) = rows[i - 1], rows[i]
        return p0 + (p1 - p0) * (t_ns - t0) / (t1 - t0)

    points = [(begin_ns, at(begin_ns)), *((t, p) for t, p in rows if begin_ns < t < end_ns), (end_ns, at(end_ns))]
    return sum((p0 + p1) / 2 * (t1 - t0) / NS for (t0, p0), (t1, p1) in pairwise(points))


class Evidence:
    """What a run left behind."""

    def __init__(self, work: Path) -> None:
        names = ("energy", "card", "meters", "readings", "events", "told", "plan")
        self.energy, self.card, self.meters, self.readings, self.events, self.told, self.plan = (
            json.loads((work / f"{name}.json").read_text()) for name in names
        )
        self.phases = {(phase["name"], phase["boundary"]): phase for phase in self.energy["phases"]}
        any_load = next(phase for (name, _), phase in self.phases.items() if name == "load")
        self.begin_ns, self.end_ns = any_load["begin_ns"], any_load["end_ns"]

    def rows(self, kind: str) -> dict[str, list[tuple[int, float | None, str, str]]]:
        """Meter id -> (time, watts or joules or None, quality, reason) of every reading of a kind, in time order."""
        found: dict[str, list[tuple[int, float | None, str, str]]] = {}
        for one in self.readings:
            if one["meter_id"].split(":")[0] != kind:
                continue
            scale = 10.0 ** one["exponent"]
            for i, (t, value, quality) in enumerate(zip(one["t_ns"], one["value"], one["quality"], strict=True)):
                reason = (one.get("reasons") or {}).get(str(i), "")
                found.setdefault(one["meter_id"], []).append((t, None if value is None else value * scale, quality, reason))
        return {meter: sorted(rows) for meter, rows in found.items()}

    def good(self, kind: str, channels: list[str]) -> list[list[tuple[int, float]]]:
        """Good power readings of the meters of a kind whose ids end as `channels` say."""
        return [
            [(t, value) for t, value, quality, _ in rows if quality == "ok" and value is not None]
            for meter, rows in self.rows(kind).items()
            if meter.endswith(tuple(f":{channel}" for channel in channels))
        ]


def checks(found: Evidence) -> tuple[dict[str, Any], list[str]]:
    """The figures of the last line, and what is wrong."""
    wrong: list[str] = []
    kinds = {kind for kind in found.plan if any(q == "ok" for rows in found.rows(kind).values() for _, _, q, _ in rows)}
    wrong += [f"no good reading of {kind}" for kind in found.plan.keys() - kinds]
    if len(kinds) < FEWEST_KINDS:
        wrong.append(f"{len(kinds)} kinds, at least {FEWEST_KINDS} are wanted")
    for kind in sorted(kinds):
        wrong += truthful(found, kind)
    wrong += computed(found)
    recovered_s = {kind: came_back(found, kind, wrong) for kind in found.events}
    closure = closed(found)
    wrong += [] if closure == "ok" else [closure]
    load = next(phase for phase in found.card["phases"] if phase["name"] == "load")
    reads = sum(len({t for t, *_ in rows}) for kind in found.plan for rows in found.rows(kind).values())
    figures = {"kinds": len(kinds), "reads": reads, "hung_bmc_recovered_s": recovered_s["ipmi"], "coverage": load["coverage"]}
    return {**figures, "closure": closure}, wrong


def truthful(found: Evidence, kind: str) -> list[str]:
    """Whether the stored power of a kind integrates to what it was told, and never was a number where there was none."""
    place = found.plan[kind]
    wrong = []
    for meter, rows in found.rows(kind).items():
        wrong += [f"{meter}: a reading without a value calls itself {q}" for _, value, q, _ in rows if value is None and q == "ok"][:1]
        wrong += [f"{meter}: a {q} without a reason" for _, value, q, why in rows if value is None and not why][:1]
    meters = [rows for rows in found.good(kind, place["channels"]) if len(rows) > 1]
    if not place["channels"]:
        return wrong
    if not meters:
        return [*wrong, f"{kind}: no power of {', '.join(place['channels'])}"]
    skipped = found.events.get(kind, (found.end_ns, found.end_ns))
    spans = [(found.begin_ns, skipped[0] - 2 * 10**9), (skipped[1] + 8 * 10**9, found.end_ns)]
    for begin_ns, end_ns in spans:
        if end_ns - begin_ns < 5 * NS:
            continue
        truth_j = told_j(found.told[kind], begin_ns, end_ns)
        stored_j = sum(trapezoid_j(rows, begin_ns, end_ns) for rows in meters)
        if abs(stored_j / truth_j - 1.0) > limit((end_ns - begin_ns) / NS):
            wrong.append(f"{kind}: {stored_j:.1f} J stored, {truth_j:.1f} J told ({stored_j / truth_j - 1.0:+.2%})")
    return wrong


def level_j(found: Evidence, boundary: str) -> float:
    """What flowed through a boundary: inner meters add up, of outer meters each cord counts once."""
    total, counted = 0.0, set()
    for kind, place in sorted(found.plan.items(), key=lambda item: -len(item[1]["cords"])):
        if boundary not in place["flows"] or (place["cords"] and counted & set(place["cords"])):
            continue
        counted |= set(place["cords"])
        first = next(iter(place["flows"].values()))
        total += told_j(found.told[kind], found.begin_ns, found.end_ns) * place["flows"][boundary] / first
    return total


def computed(found: Evidence) -> list[str]:
    """Whether the energy of the measured phase at each boundary is what flowed there, within its own uncertainty."""
    wrong = []
    for boundary in sorted({boundary for place in found.plan.values() for boundary in place["flows"]}):
        phase = found.phases.get(("load", boundary))
        if phase is None or phase["energy_j"] is None:
            wrong.append(f"{boundary}: no energy of the measured phase: {phase and phase['findings'][:3]}")
            continue
        truth_j = level_j(found, boundary)
        off_j = abs(phase["energy_j"] - truth_j)
        if off_j > max(phase["u95_j"] or 0.0, limit((found.end_ns - found.begin_ns) / NS) * truth_j):
            wrong.append(f"{boundary}: {phase['energy_j']:.1f} J computed, {truth_j:.1f} J flowed, U95 {phase['u95_j']}")
    return wrong


def came_back(found: Evidence, kind: str, wrong: list[str]) -> float | None:
    """Seconds from the return of a device to its first good reading; what it said while it was away goes to `wrong`."""
    away_ns, back_ns = found.events[kind]
    rows = [row for rows in found.rows(kind).values() for row in rows]
    during = [row for row in rows if away_ns + 10**9 < row[0] < back_ns]
    if not any(value is None and why for _, value, _, why in during):
        wrong.append(f"{kind}: no gap with a reason while it was away")
    if any(q == "ok" for _, _, q, _ in during):
        wrong.append(f"{kind}: a good reading while it was away")
    first_ns = min((t for t, _, q, _ in rows if q == "ok" and t > back_ns), default=None)
    if first_ns is None:
        wrong.append(f"{kind}: no good reading after it came back")
        return None
    return round((first_ns - back_ns) / NS, 3)


def closed(found: Evidence) -> str:
    """`ok` when every two neighbouring levels were compared and the outer one holds the inner one; else what is wrong."""
    told = [one for one in found.card["closure"] if one["phase"] == "load"]
    broken = [one["reason"] for one in told if one["holds"] is not True]
    compared = {(one["outer"], one["inner"]) for one in told}
    missing = [pair for pair in pairwise(CLOSED) if pair not in compared]
    for one in told:
        if one["holds"] and one["inner_j"] > one["outer_j"] + one["u95_j"]:
            broken.append(f"{one['inner']} is called less than {one['outer']} and is more")
    if missing:
        broken.append(f"not compared: {missing}")
    return "; ".join(broken) or "ok"


def main() -> int:
    """Judge the folder, print the line."""
    figures, wrong = checks(Evidence(Path(sys.argv[1])))
    for line in wrong:
        print(line, file=sys.stderr)
    print(json.dumps(figures))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
