"""For the OpenAIPerf site: the files that it reads, in the one form that it understands.

The site shows the plain mean of `power_watts` over every JSONL line of `system.log`, and answers with an error where a card nests the
task, the engine or the framework. What is written here is made so that its plain mean is our time-weighted one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from joulemark import document, foreign
from joulemark.calibration.in_force import in_force
from joulemark.cards.bundle import FOLDER
from joulemark.cards.contents import json_bytes
from joulemark.cards.evidence import Evidence, counted
from joulemark.energy.estimate import CounterSource, PowerSource, source_of
from joulemark.energy.frozen import marked
from joulemark.energy.integrate import coverage, reading_interval_s
from joulemark.energy.series import Float64, Int64
from joulemark.errors import FormatError, InsufficientData
from joulemark.readings import Boundary
from joulemark.runs import Window
from joulemark.units import NS_PER_S

CARDS: Final = ("run", "stack", "model")
"""The cards that the site reads a key of. Copies in its form go to `energy/site/`; the originals stay where they are."""

WALL: Final = (Boundary.RACK, Boundary.PDU_INLET, Boundary.WALL_ANALYZER, Boundary.OUTLET, Boundary.SERVER_INPUT, Boundary.PSU_INPUT)
SEEN: Final = 0.5
"""A second counts as seen when readings stand for at least half of it."""

MAX_LINES: Final = 20_000
"""Five and a half hours; each line is an energy of its own."""

DIGITS: Final = 9
"""Of a printed power: the mean of a day of lines is still that of the card to 1e-12."""


def shows_power(log: Path) -> bool:
    """Whether the site reads a power from `log`: any line is a JSON object with a number `power_watts`. Raises FormatError."""
    return any(power_of(line) is not None for line in foreign.text(log).split("\n") if '"power_watts"' in line)


def power_of(line: str) -> float | None:
    """The power in a line of the site's log, as the site takes it; None where it skips the line."""
    try:
        entry = document.json_object(line, where="system.log")
    except FormatError:
        return None
    value = entry.get("power_watts")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def mean_power_w(card: Mapping[str, Any]) -> float:
    """Energy over time of the counted phases. Raises InsufficientData unless the card has wall power of all of them."""
    if card["headline"]["boundary"] not in WALL:
        what = f"the card's power was measured at {card['headline']['boundary']}, and the site's is that of the wall"
        raise InsufficientData(what, "attach without --site-compat, or measure at the wall")
    if card["headline"]["energy_j"] is None:
        raise InsufficientData("the energy of a phase is not known", "attach without --site-compat")
    told = [phase for phase in card["phases"] if phase["name"] in card["headline"]["phases"]]
    return float(card["headline"]["energy_j"] / math.fsum(phase["duration_s"] for phase in told))


def system_log(evidence: Evidence, card: Mapping[str, Any]) -> bytes:
    """A log in the site's form: for every whole second of the counted phases its time and the power of the wall, gaps left out.

    A phase is cut into as many equal parts as it has whole seconds; a line is the mean power of one part, from the meters that lead on the
    `card`, times one factor for all lines, by which their plain mean is the card's. The factor is 1 but for parts that are left out
    because no reading stands for them, and for an upper bound of what no meter sees. Raises InsufficientData where nothing can be written.
    """
    mean_w = mean_power_w(card)
    seconds: list[int] = []
    powers: list[float] = []
    sources = leading(evidence, card)
    for window in counted(evidence.run):
        edges_ns = cut(window)
        if len(seconds) + len(edges_ns) > MAX_LINES:
            raise InsufficientData(f"the phases have more than {MAX_LINES} seconds", "leave out --site-compat")
        figures = next(phase for phase in card["phases"] if (phase["name"], phase["begin_ns"]) == (window.name, window.begin_ns))
        used = [sources[device["meter_id"]] for device in figures["devices"]]
        whole_s = np.diff(edges_ns) / NS_PER_S
        power_w = np.sum([joules(source, edges_ns) for source in used], axis=0) / whole_s
        share = np.min([seen(source, window, edges_ns) for source in used], axis=0)
        kept = np.flatnonzero(share >= SEEN)
        seconds += (-(-window.begin_ns // NS_PER_S) + kept).tolist()
        powers += power_w[kept].tolist()
    if not powers:
        raise InsufficientData("no whole second of the phases is seen by readings", "leave out --site-compat")
    factor = mean_w * len(powers) / math.fsum(powers)
    return "".join(line(second, power_w * factor) for second, power_w in zip(seconds, powers, strict=True)).encode()


def cut(window: Window) -> Int64:
    """Edges, UTC ns, of as many equal parts of the window as whole seconds lie in [begin, end): int64[n + 1]."""
    count = -(-window.end_ns // NS_PER_S) - -(-window.begin_ns // NS_PER_S)
    length_ns = window.end_ns - window.begin_ns
    return np.array([window.begin_ns + length_ns * place // max(count, 1) for place in range(min(count, MAX_LINES) + 1)], dtype=np.int64)


def leading(evidence: Evidence, card: Mapping[str, Any]) -> dict[str, PowerSource | CounterSource]:
    """The meters that the headline comes from, by id, as the card took them: frozen readings out, aligned."""
    applied, _ = in_force([one.record for one in evidence.alignments], at_ns=min(window.begin_ns for window in evidence.run.windows))
    used = {device["meter_id"] for phase in card["phases"] for device in phase["devices"]}
    series = marked([one for one in evidence.series if one.meter.quantity.measures_energy])
    chosen = [one for one in series if one.meter.meter_id in used]
    sources = {one.meter.meter_id: source_of(one, alignment=applied.get(one.meter.meter_id)) for one in chosen}
    return {name: source for name, source in sources.items() if isinstance(source, PowerSource | CounterSource)}


def joules(source: PowerSource | CounterSource, edges_ns: Int64) -> Float64:
    """Energy between neighbouring edges, float64[n]: power that is linear between readings, or a counter that is."""
    zero_ns = int(edges_ns[0])
    if isinstance(source, CounterSource):
        at_edges = np.interp((edges_ns - zero_ns) / NS_PER_S, (source.points.t_ns - zero_ns) / NS_PER_S, source.points.energy_j)
        return np.asarray(np.diff(at_edges))
    near = (source.series.t_ns > zero_ns) & (source.series.t_ns < edges_ns[-1])
    t_ns = np.union1d(edges_ns, source.series.t_ns[near])
    power_w = np.interp((t_ns - zero_ns) / NS_PER_S, (source.series.t_ns - zero_ns) / NS_PER_S, source.power_w)
    steps_j = (power_w[1:] + power_w[:-1]) / 2.0 * (np.diff(t_ns) / NS_PER_S)
    return np.asarray(np.diff(np.concatenate(([0.0], np.cumsum(steps_j)))[np.searchsorted(t_ns, edges_ns)]))


def seen(source: PowerSource | CounterSource, window: Window, edges_ns: Int64) -> Float64:
    """The share of each part that readings stand for, float64[n]; a gap begins and ends half an interval from the readings around it."""
    interval_s = source.interval_s if isinstance(source, PowerSource) else reading_interval_s(source.series)
    covered = coverage(source.series.t_ns, window.begin_ns, window.end_ns, interval_s=interval_s)
    half_ns = covered.interval_s * NS_PER_S / 2.0
    missing_ns = np.zeros(len(edges_ns) - 1)
    for gap in covered.gaps:
        inside_ns = np.minimum(edges_ns[1:], gap.end_ns - half_ns) - np.maximum(edges_ns[:-1], gap.begin_ns + half_ns)
        missing_ns += np.maximum(inside_ns, 0.0)
    return np.asarray(1.0 - missing_ns / np.diff(edges_ns))


def line(second: int, power_w: float) -> str:
    """One line of the log."""
    stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"timestamp": stamp, "power_watts": round(power_w, DIGITS)}) + "\n"


def cards(folder: Path, summary: Mapping[str, Any]) -> dict[str, bytes]:
    """By path, a copy in the site's form of each card in `folder` that nests what the site wants flat; none where all are flat.

    Task and scenario keep their words. The run card gets the flat figures of `summary` as `energy`, and a line of notes if it has none.
    Raises FormatError.
    """
    whole = {name: document.load(folder / f"{name}.json") for name in CARDS}
    run, stack, model = (unwrapped(whole[name], name) for name in CARDS)
    made = {"run": run_card(run), "stack": flat(stack, "engine", "framework"), "model": model_card(model)}
    copies = {name: made[name] for name in CARDS if made[name] != whole[name]}
    if "run" in copies:
        copies["run"] = with_energy(copies["run"], summary)
    return {f"{FOLDER}/site/{name}.json": json_bytes(copy) for name, copy in copies.items()}


def unwrapped(card: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A card without the object of its own name that some writers put around it."""
    inner = card.get(name)
    return inner if isinstance(inner, Mapping) and len(card) == 1 else card


def run_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The run card with `task` and `scenario` as text."""
    task = card.get("task")
    if not isinstance(task, Mapping):
        return dict(card)
    scenario = {"scenario": task["scenario"]} if isinstance(task.get("scenario"), str) else {}
    return {**card, "task": words(task, "name"), **scenario}


def with_energy(card: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """The run card with what the site may show of the energy, and a line of notes where it has none."""
    boundary = summary["es"]["headline"]["boundary"]
    flat_figures = {key: value for key, value in summary.items() if key != "es"}
    out = {**card, "energy": {**flat_figures, "schema": summary["es"]["schema"], "boundary": boundary}}
    return out if out.get("notes") else {**out, "notes": f"Energy measured by joulemark at {boundary}; see {FOLDER}/card.json."}


def model_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The model card with its `name` on top."""
    inner = card.get("metadata")
    return dict(card) if "name" in card or not isinstance(inner, Mapping) else {**card, "name": words(inner, "name")}


def flat(card: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The card with each of `keys` as text: name and version."""
    return {**card, **{key: words(card[key], "name", "version") for key in keys if isinstance(card.get(key), Mapping)}}


def words(inner: Mapping[str, Any], *keys: str) -> str:
    """The texts under `keys`, with a space between."""
    return " ".join(str(inner[key]) for key in keys if isinstance(inner.get(key), str | int | float)) or "unknown"
