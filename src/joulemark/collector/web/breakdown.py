"""Where the energy of a run went: the parts that meters saw, and openly what is left of the whole.

Figures that follow from several places of the card carry a formula of their pointers: `/a + /b`, `(/a) - /b`, `hypot(/a, /b)`,
`(/a) over (/b)`. Of many phases it is long, and is not cut, as other attributes are: it consists of keys and numbers of a card alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from joulemark.cards.figures import Place
from joulemark.collector.web.drawings.power import look
from joulemark.collector.web.drawings.stacked import Part
from joulemark.markup import Markup
from joulemark.readings import Boundary

INNER: Final = (Boundary.GPU, Boundary.PACKAGE)
"""What stands side by side inside of a machine: their energies add up."""

NAMES: Final = {
    "gpu": "GPUs",
    "package": "CPU packages",
    "module": "modules",
    "psu_input": "power supplies",
    "server_input": "server, by its BMC",
}
METHODS: Final = {"counter": "energy counter", "trapezoid": "power, integrated", "mixed": "counter and integrated power"}
MOST_TERMS: Final = 50
"""Places that a sum names; of more, the first and the last."""

CYCLE: Final = ("gpu", "cpu", "dram", "other", "idle")


@dataclass(frozen=True, slots=True)
class Component:
    """One line of the table. `share` is of the whole, where there is one; `source`: which meters, and how."""

    name: str
    look: str
    energy: Place
    u95: Place
    share: Place
    source: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    """`whole`: at the boundary of the headline, nothing where no meter stands around the parts. `views`: the same energy seen elsewhere.

    `conclusion`: in words.
    """

    whole: Component | None
    components: tuple[Component, ...]
    views: tuple[Component, ...]
    conclusion: str

    @property
    def parts(self) -> list[Part]:
        """What a bar is drawn of; nothing where a part is not known or what is left is negative."""
        if any(one.energy.value is None or one.energy.value < 0.0 for one in self.components):
            return []
        return [Part(one.name, one.look, one.energy.value) for one in self.components]


def counting(card: Place) -> list[Place]:
    """The phases of a card that its headline is about."""
    told = frozenset(card["headline"]["phases"].value)
    return [phase for phase in card["phases"] if phase["name"].value in told]


def breakdown(card: Place) -> Breakdown:
    """The energy of the counted phases of a card by component."""
    phases = counting(card)
    headline = phases[0]["boundary"].value
    seen = {headline: [*phases]} | {one["boundary"].value: beside(phases, one["boundary"].value) for one in phases[0]["other_boundaries"]}
    inside = [name for name in INNER if name in seen]
    if headline in INNER:
        return flat(card, phases, seen, inside)
    parts = inside or [name for name in (Boundary.MODULE,) if name in seen and name != headline]
    whole = component(card, headline, seen[headline], None)
    lines = [component(card, name, seen[name], whole.energy) for name in parts]
    if (bound := bound_of(phases)) is not None:
        lines.append(unseen(bound, ratio(bound, whole.energy)))
    if lines:
        lines.append(residual(whole, lines))
    views = [component(card, name, rows, whole.energy) for name, rows in seen.items() if name not in (headline, *parts)]
    return Breakdown(whole, tuple(lines), tuple(views), concluded(whole, lines))


def beside(phases: Sequence[Place], boundary: str) -> list[Place]:
    """What another boundary says of each phase."""
    return [one for phase in phases for one in phase["other_boundaries"] if one["boundary"].value == boundary]


def bound_of(phases: Sequence[Place]) -> Place | None:
    """What the specification of parts that no meter sees adds to the headline; None where it adds nothing."""
    bounds = [phase["energy_upper_bound_j"] for phase in phases]
    return total(bounds) if any((one.value or 0.0) > 0.0 for one in bounds) else None


def unseen(bound: Place, share: Place) -> Component:
    """The line of parts that no meter sees."""
    return Component("parts that no meter sees", "idle", bound, Place(None), share, "upper bound by specification")


def flat(card: Place, phases: Sequence[Place], seen: dict[str, list[Place]], inside: Sequence[str]) -> Breakdown:
    """Parts around which no meter stands: by boundary, or by device where there is one boundary."""
    lines, bound = [component(card, name, seen[name], None) for name in inside], bound_of(phases)
    views = [component(card, name, rows, None) for name, rows in seen.items() if name not in inside]
    if len(lines) == 1 and all(len(phase["devices"]) > 1 for phase in phases):
        lines = list(by_device(phases))
    elif bound is not None:
        at = inside.index(phases[0]["boundary"].value)
        lines[at] = replace(lines[at], energy=less(lines[at].energy, [bound]))
    if bound is not None:
        lines.append(unseen(bound, Place(None)))
    said = "No meter stands around these parts, so that what they leave of the whole machine is not known."
    return Breakdown(None, tuple(lines), tuple(views), said)


def by_device(phases: Sequence[Place]) -> Iterable[Component]:
    """One line for each device, of all phases together. Shares are of what meters saw."""
    whole, bound = total([phase["energy_j"] for phase in phases]), bound_of(phases)
    whole = whole if bound is None else less(whole, [bound])
    for at, first in enumerate(phases[0]["devices"]):
        name = first["device_id"].value
        energy = total([device["energy_j"] for phase in phases for device in phase["devices"] if device["device_id"].value == name])
        how = METHODS.get(first["energy_method"].value or "", "no energy")
        yield Component(name, CYCLE[at % len(CYCLE)], energy, Place(None), ratio(energy, whole), how)


def component(card: Place, boundary: str, rows: Sequence[Place], whole: Place | None) -> Component:
    """What the meters of one boundary saw."""
    energy = total([row["energy_j"] for row in rows])
    kinds = sorted({meter["kind"].value for meter in card["meters"] if meter["used"].value and meter["boundary"].value == boundary})
    methods = sorted({METHODS.get(row["energy_method"].value or "", "no energy") for row in rows})
    name = NAMES.get(boundary, boundary.replace("_", " "))
    share = Place(None) if whole is None else ratio(energy, whole)
    return Component(
        name, look(boundary), energy, total([row["u95_j"] for row in rows]), share, f"{', '.join(kinds)}: {' and '.join(methods)}"
    )


def residual(whole: Component, lines: Sequence[Component]) -> Component:
    """What is left of the whole: fans, memory, network, and what power supplies lose. It may be negative, where meters contradict."""
    energy = less(whole.energy, [line.energy for line in lines])
    u95 = apart([whole.u95, *(line.u95 for line in lines if line.look != "idle")])
    return Component(
        "residual",
        "other",
        energy,
        u95,
        ratio(energy, whole.energy),
        "whole minus the parts above: fans, memory, network, loss of the supplies",
    )


def concluded(whole: Component, lines: Sequence[Component]) -> str:
    """What the bar shows, in words."""
    if not lines:
        return "No meter inside of the machine was read: where its energy went is not known."
    left = lines[-1]
    if left.energy.value is None or left.share.value is None:
        return "The energy of a part is not known, and so neither is what is left of the whole."
    if left.energy.value < 0.0:
        return "The parts took more than the whole around them: a meter is wrong, or sees something else."
    most = max(lines, key=lambda one: one.energy.value or 0.0)
    return f"{most.name} took most, {100.0 * most.share.value:.1f} %; {100.0 * left.share.value:.1f} % was seen by no meter inside."


def total(places: Sequence[Place]) -> Place:
    """The sum; nothing where one of them is not known."""
    if len(places) == 1:
        return places[0]
    if not places or any(one.value is None for one in places):
        return Place(None)
    pointers = [one.pointer for one in places]
    told = pointers if len(pointers) <= MOST_TERMS else [pointers[0], "...", pointers[-1]]
    return Place(math.fsum(one.value for one in places), Markup(" + ".join(told)))


def less(whole: Place, parts: Sequence[Place]) -> Place:
    """`whole` without its parts; nothing where one is not known."""
    if whole.value is None or any(one.value is None for one in parts):
        return Place(None)
    taken = [f"({one.pointer})" if " " in one.pointer else one.pointer for one in parts]
    return Place(whole.value - math.fsum(one.value for one in parts), Markup(" - ".join([f"({whole.pointer})", *taken])))


def apart(places: Sequence[Place]) -> Place:
    """Uncertainties of different meters together, root of the sum of squares; nothing where one is not known."""
    if any(one.value is None for one in places):
        return Place(None)
    return Place(math.hypot(*(one.value for one in places)), Markup(f"hypot({', '.join(one.pointer for one in places)})"))


def ratio(part: Place, whole: Place) -> Place:
    """A share; nothing where one of the two is not known, or there is no whole."""
    if part.value is None or not whole.value:
        return Place(None)
    return Place(part.value / whole.value, Markup(f"({part.pointer}) over ({whole.pointer})"))
