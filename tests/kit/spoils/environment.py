"""What may be wrong by the rules ENV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.node import Node, Nodes, Settings, Survey
from joulemark.readings import Accuracy, Quantity
from joulemark.standard.verdict import Verdict
from tests.kit.change import (
    Change,
    chained,
    each_series,
    is_quantity,
    labelled,
    meters,
    node,
    nodes,
    of_node,
    of_nodes,
    psu,
    where_measured,
    without,
)
from tests.kit.lab import SETTINGS
from tests.kit.sensors import ANALYZER, GPUS, HOST
from tests.kit.spoil import Spoil

ES1, ES2 = ("ES1",), ("ES2",)
INLET: Final = is_quantity(Quantity.TEMPERATURE, covers=(HOST,))
AMBIENT: Final = is_quantity(Quantity.TEMPERATURE, covers=(ANALYZER,))
THROTTLE: Final = is_quantity(Quantity.THROTTLE, covers=GPUS[1:])


def cap_lowered(one: Node) -> Node:
    """The power cap after the run is not the one before."""
    before, after = one.settings
    return replace(one, settings=(before, replace(after, values={**SETTINGS, "power_cap_w": "650"})))


def cap_lowered_meanwhile(one: Node) -> Node:
    """The power cap is lowered and restored while the run lasts."""
    before, after = one.settings
    middle = Settings((before.t_ns + after.t_ns) // 2, {**SETTINGS, "power_cap_w": "650"})
    return replace(one, settings=(before, middle, after))


def bound_to_other_settings(evidence: Evidence) -> Evidence:
    """The alignment was made at another power cap."""
    digest = Settings(0, {**SETTINGS, "power_cap_w": "500"}).sha256
    return bound(evidence, digest)


def bound_to_these_settings(evidence: Evidence) -> Evidence:
    """The alignment was made at the settings of the run."""
    return bound(evidence, Settings(0, SETTINGS).sha256)


def bound_to_no_settings(evidence: Evidence) -> Evidence:
    """The alignment does not say at which settings it was made."""
    return bound(evidence, "")


def bound(evidence: Evidence, digest: str) -> Evidence:
    """The alignment bound to a digest of settings."""
    changed = (
        replace(one, record=replace(one.record, binding=replace(one.record.binding, settings_sha256=digest))) for one in evidence.alignments
    )
    return replace(evidence, alignments=tuple(changed))


def raised(kelvin: float) -> Any:
    """A temperature so much higher."""
    return lambda one: replace(one, value=one.value + round(kelvin / 10.0**one.meter.exponent))


def warming(one: Series) -> Series:
    """A temperature that rises by 4.5 K from beginning to end."""
    rise = np.linspace(0.0, 4.5, len(one))
    return replace(one, value=one.value + np.round(rise / 10.0**one.meter.exponent).astype(np.int64))


def throttled(one: Series, rows: Any) -> Series:
    """One reading in the measured phases says that heat held it back."""
    value = one.value.copy()
    value[np.flatnonzero(rows)[3]] = 1
    return replace(one, value=value)


def another_process(one: Node) -> Node:
    """Somebody's training runs through one survey of the first measured phase."""
    surveys = list(one.surveys)
    surveys[len(surveys) // 2] = replace(surveys[len(surveys) // 2], foreign_processes=("python train.py",))
    return replace(one, surveys=tuple(surveys))


def seldom_looked(one: Node) -> Node:
    """The processes were looked at before and after only."""
    return replace(one, surveys=(one.surveys[0], one.surveys[-1]))


def not_looked(one: Node) -> Node:
    """Surveys were made, but nothing could be seen."""
    return replace(one, surveys=tuple(Survey(each.t_ns) for each in one.surveys))


def caps_alone(one: Node) -> tuple[Settings, ...]:
    """Settings that hold nothing but the power cap."""
    return tuple(replace(read, values={"power_cap_w": "700"}) for read in one.settings)


def only_caps(evidence: Evidence) -> Evidence:
    """Of the run and of its alignment only the power cap is known."""
    bare = node(lambda one: replace(one, settings=caps_alone(one)))(evidence)
    return bound(bare, Settings(0, {"power_cap_w": "700"}).sha256)


def aged(found: Nodes, *, days: float) -> Nodes:
    """The cost of monitoring, measured so many days earlier."""
    older = (replace(one, measured_ns=one.measured_ns - round(days * 86400e9)) for one in found.overheads)
    return replace(found, overheads=tuple(older))


def overhead(**fields: Any) -> Change:
    """Fields of the cost of monitoring."""
    return nodes(lambda found: replace(found, overheads=tuple(replace(one, **fields) for one in found.overheads)))


SPOILS: Final[Sequence[Spoil]] = (
    Spoil("ENV-1", "cooling unknown", of_node(cooling="unknown")),
    Spoil("ENV-1", "two nodes and one description", of_nodes(participating=2)),
    Spoil("ENV-1", "no kernel", of_node(kernel=""), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-1", "no rating of a supply", psu(1, rated_w=None), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-1", "no supplies", of_node(psus=()), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-2", "cap lowered", node(cap_lowered)),
    Spoil("ENV-2", "cap lowered and restored", node(cap_lowered_meanwhile)),
    Spoil("ENV-2", "aligned at another cap", bound_to_other_settings, grades=ES1),
    Spoil("ENV-2", "aligned at this cap", bound_to_these_settings, grades=ES1, verdict=Verdict.PASS),
    Spoil("ENV-2", "aligned at settings that nobody tells", bound_to_no_settings, grades=ES1, verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-2", "not read after", node(lambda one: replace(one, settings=one.settings[:1])), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-2", "caps alone", only_caps, verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-3", "31 C", each_series(raised(8.6), where=INLET), grades=ES2),
    Spoil("ENV-3", "31 C at ES1", each_series(raised(8.6), where=INLET), grades=ES1, verdict=Verdict.WARN),
    Spoil(
        "ENV-3",
        "31 C disclosed",
        chained(each_series(raised(8.6), where=INLET), labelled(disclosed_inlet_temperature="31 C, warm aisle")),
        grades=ES2,
        verdict=Verdict.PASS,
    ),
    Spoil("ENV-3", "warming", each_series(warming, where=INLET), grades=ES2),
    Spoil("ENV-3", "each two minutes", each_series(lambda one: one.rows(slice(0, None, 4)), where=INLET), grades=ES2),
    Spoil("ENV-3", "a sensor of 3 K", meters(where=INLET, accuracy=Accuracy(abs_w=3.0)), grades=ES2),
    Spoil("ENV-3", "a sensor of unknown accuracy", meters(where=INLET, accuracy=None), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-3", "inlet not recorded", without(INLET), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-3", "inlet not recorded at ES1", without(INLET), grades=ES1, verdict=Verdict.WARN),
    Spoil("ENV-3", "nothing around the meter", without(AMBIENT), grades=ES2, verdict=Verdict.CANNOT_TELL),
    Spoil(
        "ENV-3",
        "around the meter bounded by a word",
        chained(without(AMBIENT), labelled(meter_ambient_c="unknown")),
        grades=ES2,
        verdict=Verdict.CANNOT_TELL,
    ),
    Spoil(
        "ENV-3", "around the meter bounded", chained(without(AMBIENT), labelled(meter_ambient_c="20..26")), grades=ES2, verdict=Verdict.PASS
    ),
    Spoil("ENV-4", "one reading throttled", where_measured(throttled, where=THROTTLE)),
    Spoil("ENV-4", "looked each 40 s", each_series(lambda one: one.rows(slice(0, None, 4)), where=THROTTLE), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-4", "throttling not recorded", without(THROTTLE), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-5", "training beside it", node(another_process)),
    Spoil("ENV-5", "looked before and after", node(seldom_looked), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-5", "nothing seen", node(not_looked), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-6", "3 percent", overhead(loss_rel=(0.03, 0.031, 0.029))),
    Spoil("ENV-6", "two pairs", overhead(loss_rel=(0.004, 0.005))),
    Spoil("ENV-6", "four months ago", nodes(lambda found: aged(found, days=120.0))),
    Spoil("ENV-6", "of another build", overhead(agent_build="99" * 32), verdict=Verdict.CANNOT_TELL),
    Spoil("ENV-6", "never measured", of_nodes(overheads=()), verdict=Verdict.CANNOT_TELL),
)
