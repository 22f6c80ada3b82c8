"""The page of a serving engine as counts: which engine it is, and what each model did, summed over the engines on the page. Pure.

Rows of one metric that differ in a label (engine, reason, source of a cache hit) count different things and are summed. A row that stands
there twice counts one thing twice, and no number is made of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from joulemark.meters.descriptions import legible
from joulemark.meters.prometheus_page import Row
from joulemark.meters.serving_engines import KNOWN, Counter, Engine, engines
from joulemark.readings import Quality, Quantity

START: Final = "process_start_time_seconds"
"""What the client libraries of Prometheus say of their process."""

EXACT: Final = 2**53
"""Beyond, numbers of a page are no longer whole: they are 64 bit floating point."""

NAMES: Final[frozenset[str]] = frozenset(name for engine in engines().values() for name in engine.names) | {START}
"""Every metric that is read."""

FAMILY: Final = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)", re.M)
TOLD: Final = 12
"""Names of an unknown page that a message tells."""

Labels = tuple[tuple[str, str], ...]
Verdict = tuple[int | None, Quality, str]


@dataclass(slots=True)
class Count:
    """One quantity of one model on a page: its rows by their labels, and why there is no number, where there is none."""

    counter: Counter
    rows: dict[Labels, int] = field(default_factory=dict)
    quality: Quality = Quality.OK
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """The sum with its quality."""
        return (sum(self.rows.values()), Quality.OK, "") if not self.reason else (None, self.quality, self.reason)

    def take(self, row: Row) -> None:
        """Add a row."""
        labels = tuple(sorted(row.labels.items()))
        value, reason = whole(row)
        if labels in self.rows:
            reason = reason or f"the page has a row of {row.name} twice"
        if reason:
            self.quality, self.reason = Quality.SENTINEL, self.reason or reason
        self.rows[labels] = value


def whole(row: Row) -> tuple[int, str]:
    """The count in a row, or 0 and why it is none."""
    value = row.value
    if not math.isfinite(value) or value < 0:
        return 0, f"the page says {value} for {row.name}"
    if value > EXACT:
        return 0, f"{row.name} is above 2^53, where numbers of a page are not exact: restart the server"
    if value != int(value):
        return 0, f"{row.name} is {value}, which is no count"
    return int(value), ""


Model = dict[Quantity, Count]


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows: each model's counts, and when its process was started (s since 1970), None where it does not say."""

    engine: Engine
    models: Mapping[str, Model]
    started_s: float | None


def recognised(rows: Sequence[Row]) -> list[Engine]:
    """The engines that count tokens on the page, in the order of the file."""
    present = {row.name for row in rows}
    return [
        engine
        for engine in engines().values()
        if any(counter.name in present for counter in engine.counter if counter.quantity is Quantity.OUTPUT_TOKENS)
    ]


def shown(engine: Engine, rows: Iterable[Row], *, unnamed: str) -> Shown:
    """What the rows say of each model that makes tokens; `unnamed`: the model where the page names none.

    Of several counters of one quantity the first that has a row of the model is taken.
    """
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    models: dict[str, Model] = {}
    for quantity in (Quantity.OUTPUT_TOKENS, *(one for one in KNOWN if one is not Quantity.OUTPUT_TOKENS)):
        for counter in engine.of(quantity):
            taken: dict[str, Count] = {}
            for row in by_name.get(counter.name, ()):
                model = legible(engine.model_of(row.labels, unnamed))
                known = model in models or quantity is Quantity.OUTPUT_TOKENS
                if known and quantity not in models.get(model, ()) and counter.selects(row.labels):
                    taken.setdefault(model, Count(counter)).take(row)
            for model, count in taken.items():
                models.setdefault(model, {})[quantity] = count
    return Shown(engine, models, started(by_name.get(START, ())))


def started(rows: Sequence[Row]) -> float | None:
    """When the process began, where the page speaks of one process."""
    return rows[0].value if len(rows) == 1 and math.isfinite(rows[0].value) and rows[0].value > 0 else None


def names_on(text: str) -> str:
    """Some of the names of a page, for a message."""
    names = sorted(set(FAMILY.findall(text[: 1 << 20])))
    return ", ".join(names[:TOLD]) + (f" and {len(names) - TOLD} more" if len(names) > TOLD else "") if names else "nothing"
