"""The report of a ring test as one page of HTML: the plot of the laboratories and their scores; no script, nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from joulemark.calibration.ring import QUESTIONABLE, UNSATISFACTORY
from joulemark.calibration.rounds import Artefact, Evaluation
from joulemark.energy.uncertainty import displayed
from joulemark.markup import stylesheet

WIDTH: Final = 960.0
HEIGHT: Final = 440.0
LEFT: Final = 76.0
RIGHT: Final = 150.0
TOP: Final = 24.0
BOTTOM: Final = 64.0
TEXT: Final = 15.0
"""Height of a line of text."""

STYLE: Final = (
    stylesheet()
    + """
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { margin-top: 2.2rem; } p { color: var(--soft); } p, figure { margin: 1rem 0; }
svg { width: 100%; min-width: 44rem; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
.grid { stroke: var(--line); } .assigned { stroke: var(--accent); stroke-width: 2; } .band { fill: var(--accent); opacity: .18; }
.warn { stroke: var(--doubt); stroke-dasharray: 6 4; } .stop { stroke: var(--bad); stroke-dasharray: 2 3; }
svg .mark { stroke: currentColor; fill: currentColor; }
th, td { text-align: right; padding: .35rem .6rem; white-space: nowrap; } td:first-child { min-width: 0; }
th:first-child, td:first-child, td:last-child, th:last-child { text-align: left; } td:last-child { white-space: normal; min-width: 16rem; }
"""
).strip()
"""The sheet of all pages, and what plots of laboratories and of trends have besides."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high` onto the height of the plot."""

    low: float
    high: float

    def y(self, value: float) -> float:
        """Place of `value`, downwards."""
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    def ticks(self) -> list[float]:
        """About six round values."""
        raw = (self.high - self.low) / 6.0
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
        first = math.ceil(self.low / step)
        return [number * step for number in range(first, math.floor(self.high / step) + 1)]


def page(evaluation: Evaluation) -> str:
    """The whole page."""
    about = evaluation.round
    what = "one node that travelled" if about.artefact is Artefact.TRAVELLING else "one image on nodes of one kind"
    head = f"Ring test {escape(about.round)}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{head}</title><style>{STYLE}</style></head><body><main>",
            f"<h1>{head}</h1>",
            f"<p>{escape(about.dated)}: {what}, {len(evaluation.results)} laboratories, each at least {about.repeats} repeats.</p>",
            f"<p>{summary(evaluation)}</p>",
            f'<figure><div class="scroll">{plot(evaluation)}</div><figcaption>{caption(evaluation)}</figcaption></figure>',
            f'<div class="scroll">{table(evaluation)}</div>',
            f"<p>Workload (SHA-256) <code>{escape(about.workload_sha256)}</code>. "
            "Scores by ISO 13528 as in Energy Standard 1.0, clause 7.</p></main></body></html>",
        ]
    )


def summary(evaluation: Evaluation) -> str:
    """The assigned value, the reference, and how many get the badge."""
    unit = escape(evaluation.round.unit)
    parts = []
    if (assigned := evaluation.assigned) is not None:
        value, u95 = displayed(assigned.x_pt, 2.0 * assigned.u)
        parts.append(f"Assigned value {value} &plusmn; {u95} {unit}, the robust mean of all; judged with {score_name(evaluation)}.")
    else:
        parts.append("Fewer than six laboratories: there is no assigned value, and En against the reference alone counts.")
    if evaluation.reference is not None:
        value, u95 = displayed(evaluation.reference.x, evaluation.reference.u95)
        parts.append(f"Reference {value} &plusmn; {u95} {unit}.")
    given = sum(not evaluation.refusals(name) for name in evaluation.scores)
    return " ".join([*parts, f"{given} of {len(evaluation.scores)} laboratories get the badge."])


def caption(evaluation: Evaluation) -> str:
    """How to read the plot."""
    bars = "Laboratories in the order of their values; bars are their U95."
    if evaluation.assigned is None:
        return f"{bars} Blue: the reference and its U95."
    return f"{bars} Blue: the assigned value and its U95; dashed: {score_name(evaluation)} of 2; dotted: of 3."


def score_name(evaluation: Evaluation) -> str:
    """The score that counts."""
    return "z" if evaluation.assigned is not None and evaluation.assigned.u_negligible else "z'"


def tone(evaluation: Evaluation, name: str) -> str:
    """Class of a laboratory: good with the badge, bad where it is unsatisfactory, doubt between."""
    if not evaluation.refusals(name):
        return "good"
    return "bad" if evaluation.scores[name].verdict == "unsatisfactory" else "doubt"


def plot(evaluation: Evaluation) -> str:
    """The laboratories in the order of their values, over the assigned value and the limits of the score."""
    order = sorted(evaluation.results, key=lambda name: evaluation.results[name].x)
    centre, half, limits = levels(evaluation)
    ends = [edge for one in evaluation.results.values() for edge in (one.x - one.u95, one.x + one.u95)]
    marks = [*ends, *(value for value, _, _ in limits), *([] if centre is None else [centre - half, centre + half])]
    room = 0.04 * (max(marks) - min(marks))
    axis = Axis(min(marks) - room, max(marks) + room)
    right = WIDTH - RIGHT
    out = [f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="Values of the laboratories with their uncertainties">']
    for value in axis.ticks():
        y = axis.y(value)
        out.append(f'<line class="grid" x1="{LEFT:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text class="soft" x="{LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{value:.10g}</text>')
    lines = [*limits]
    if centre is not None:
        top, bottom = axis.y(centre + half), axis.y(centre - half)
        out.append(f'<rect class="band" x="{LEFT:g}" y="{top:.1f}" width="{right - LEFT:g}" height="{max(bottom - top, 1.0):.1f}"/>')
        lines.append((centre, "assigned", "reference" if evaluation.assigned is None else "assigned"))
    lines.sort(reverse=True)
    places = [axis.y(value) for value, _, _ in lines]
    for y, label_y, (_, kind, label) in zip(places, apart(places), lines, strict=True):
        out.append(rule(y, kind, label, label_y=label_y))
    for place, name in enumerate(order):
        out.append(laboratory(evaluation, name, x=LEFT + (place + 0.5) * (right - LEFT) / len(order), axis=axis, count=len(order)))
    out.append(f'<text class="soft" x="{LEFT:g}" y="14">{escape(evaluation.round.unit)}</text></svg>')
    return "".join(out)


def levels(evaluation: Evaluation) -> tuple[float | None, float, Sequence[tuple[float, str, str]]]:
    """(assigned value or reference, its U95, limits as (value, class, label)) of the plot."""
    assigned = evaluation.assigned
    if assigned is None:
        reference = evaluation.reference
        return (None, 0.0, ()) if reference is None else (reference.x, reference.u95, ())
    sigma = assigned.sigma_pt if assigned.u_negligible else math.hypot(assigned.sigma_pt, assigned.u)
    name = score_name(evaluation)
    sides = ((QUESTIONABLE, "warn"), (UNSATISFACTORY, "stop"))
    limits = [(assigned.x_pt + sign * k * sigma, kind, f"{name} = {sign * k:+g}") for k, kind in sides for sign in (1, -1)]
    return assigned.x_pt, 2.0 * assigned.u, limits


def apart(places: Sequence[float]) -> list[float]:
    """Places of labels at growing heights, moved about their middle so that no two are nearer than a line of text."""
    if len(places) < 2:
        return list(places)
    spread = [places[0]]
    for place in places[1:]:
        spread.append(max(place, spread[-1] + TEXT))
    back = (sum(spread) - sum(places)) / len(places)
    return [place - back for place in spread]


def rule(y: float, kind: str, label: str, *, label_y: float) -> str:
    """A level line with its name at the right."""
    right = WIDTH - RIGHT
    line = f'<line class="{kind}" x1="{LEFT:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'{line}<text class="soft" x="{right + 8:g}" y="{label_y + 4:.1f}">{escape(label)}</text>'


def laboratory(evaluation: Evaluation, name: str, *, x: float, axis: Axis, count: int) -> str:
    """One laboratory: its bar, its value (filled with the badge, hollow without) and its name."""
    one = evaluation.results[name]
    y, top, bottom = axis.y(one.x), axis.y(one.x + one.u95), axis.y(one.x - one.u95)
    kind = tone(evaluation, name)
    hollow = "" if kind == "good" else ' style="fill:var(--paper)" stroke-width="2.5"'
    caps = "".join(f'<line class="mark" x1="{x - 5:.1f}" x2="{x + 5:.1f}" y1="{end:.1f}" y2="{end:.1f}"/>' for end in (top, bottom))
    room = max(6, round((WIDTH - LEFT - RIGHT) / count / 7.5))
    shown = name if len(name) <= room else f"{name[: room - 1]}\N{HORIZONTAL ELLIPSIS}"
    return (
        f'<g class="{kind}"><title>{escape(name)}: {one.x:g} +- {one.u95:g}, {escape(evaluation.scores[name].verdict)}</title>'
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>{caps}'
        f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="6"{hollow}/>'
        f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 26:g}" text-anchor="middle">{escape(shown)}</text></g>'
    )


def table(evaluation: Evaluation) -> str:
    """The scores of every laboratory."""
    rows = []
    for name, found in evaluation.scores.items():
        value, u95 = displayed(evaluation.results[name].x, evaluation.results[name].u95)
        scores = "".join(f"<td>{'' if score is None else f'{score:+.2f}'}</td>" for score in (found.z, found.z_prime, found.zeta, found.en))
        badge = "badge" if found.passed else f"no badge: {escape('; '.join(found.refusals))}"
        verdict = f'<td class="{tone(evaluation, name)}">{escape(found.verdict)}; {badge}</td>'
        rows.append(f"<tr><td>{escape(name)}</td><td>{value}</td><td>{u95}</td>{scores}{verdict}</tr>")
    unit = f"<caption>value and U95 (k = 2) in {escape(evaluation.round.unit)}</caption>"
    head = "".join(f"<th>{title}</th>" for title in ("laboratory", "value", "U95", "z", "z'", "zeta", "En", "verdict"))
    return f"<table>{unit}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
