"""The page of an exporter: its text as rows, the devices that the rows speak of, and how often the page is renewed. Pure.

The only importer of prometheus_client. Source: Prometheus exposition formats, text format 0.0.4; OpenMetrics 1.0.
"""

from __future__ import annotations

import itertools
import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from joulemark.errors import MeterTransient
from joulemark.meters.descriptions import id_part, legible
from joulemark.meters.prometheus_sources import INT64_END, Devices, Metric, Source
from joulemark.units import NS_PER_MS, NS_PER_S

OPENMETRICS: Final = "application/openmetrics-text"
PAGE_TYPES: Final = ("text/plain", OPENMETRICS, "")
MOST_ROWS: Final = 2048
LONGEST_ROW: Final = 8192
MOST_CHARACTERS: Final = 1 << 19
"""Of all rows that are read: the library takes microseconds for each, and every meter of the loop waits for it."""

REMEMBERED: Final = 9
"""Renewals of a page that its period is made of."""


class Row(NamedTuple):
    """One line of a page. `t_ns`: UTC as the page dates it, in whole milliseconds; None where it does not."""

    name: str
    labels: Mapping[str, str]
    value: float
    t_ns: int | None


def parse_page(body: bytes, content_type: str, names: frozenset[str]) -> list[Row]:
    """The rows of the metrics `names`. Other lines are not looked at, which keeps the page of a node exporter cheap.

    Raises MeterTransient for another content, a page that ends within a line, and rows that cannot be read or are too many.
    """
    kind = content_type.split(";")[0].strip().lower()
    if kind not in PAGE_TYPES:
        raise MeterTransient(f"the page is {kind}, not metrics in text")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MeterTransient(f"the page is not UTF-8: {error}") from error
    if text and not text.endswith("\n"):
        raise MeterTransient("the page ends within a line: it was cut off")
    try:
        return [row for row in (_open_rows(text, names) if kind == OPENMETRICS else _plain_rows(text, names)) if row.name in names]
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise MeterTransient(f"a row of the page cannot be read: {str(error)[:200]}") from error


def _plain_rows(text: str, names: frozenset[str]) -> Iterable[Row]:
    """Rows of the text format. Without the lines of types and help a name stays as it is printed."""
    for family in text_string_to_metric_families(lines_of(text, names)):
        for name, labels, value, timestamp, *_ in family.samples:
            yield Row(name, labels, value, stamp_ns(timestamp))


def _open_rows(text: str, names: frozenset[str]) -> Iterable[Row]:
    """Rows of OpenMetrics, whose times are seconds, and whose names say more than those of their families."""
    stems = names | {name.removesuffix("_total") for name in names}
    wanted = names | {f"# {said} {stem} " for said in ("TYPE", "UNIT", "HELP") for stem in stems} | {"# EOF"}
    for family in openmetrics.text_string_to_metric_families(lines_of(text, wanted)):  # type: ignore[no-untyped-call]  # the library leaves it untyped
        for name, labels, value, timestamp, *_ in family.samples:
            yield Row(name, labels, value, stamp_ns(timestamp))


def lines_of(text: str, beginnings: Iterable[str]) -> str:
    """The lines that begin with one of `beginnings`, in their order. Looked for, not split: a page of 8 MiB may have as many lines.

    Raises MeterTransient when they are too many or too long.
    """
    text = f"\n{text}"
    begins: set[int] = set()
    for beginning in beginnings:
        at = text.find(f"\n{beginning}")
        while at >= 0 and len(begins) <= MOST_ROWS:
            begins.add(at + 1)
            at = text.find(f"\n{beginning}", at + 1)
    lines = [text[at : text.index("\n", at) + 1] for at in sorted(begins)]
    if len(lines) > MOST_ROWS or sum(map(len, lines)) > MOST_CHARACTERS or any(len(line) > LONGEST_ROW for line in lines):
        raise MeterTransient(f"more than {MOST_ROWS} rows of the page are of the metrics that are read, or they are too long")
    return "".join(lines)


def stamp_ns(timestamp: Any) -> int | None:
    """UTC of a time on a page, in whole milliseconds; None where there is none that 64 bits can hold. Raises ValueError for NaN."""
    t_ns = None if timestamp is None else round(float(timestamp) * 1000) * NS_PER_MS
    return t_ns if t_ns is not None and 0 <= t_ns < INT64_END else None


@dataclass(slots=True)
class Shown:
    """A device as a page shows it: the rows of each metric, by channel."""

    devices: Devices
    labels: Mapping[str, str]
    rows: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def parts(self) -> int:
        """Number of instances whose rows repeat the whole device; 0 for a device that is not divided."""
        rows = max(self.rows.values(), key=len, default=[])
        return len({row.labels[self.devices.instance] for row in rows if row.labels.get(self.devices.instance)})

    def label(self, alternatives: str) -> str:
        """The value of the first label of `a|b` that is there, in one line; empty where none is."""
        return legible(first_label(self.labels, alternatives))

    def row(self, metric: Metric) -> tuple[Row | None, str]:
        """The row of a metric, or why there is none: rows of one device that disagree cannot be told apart."""
        rows = self.rows.get(metric.channel_name, [])
        if not rows:
            return None, f"the page has no {' or '.join(metric.names)} of this device"
        values = sorted({repr(float(row.value)) for row in rows})
        if len(values) > 1:
            return None, f"{len(rows)} rows of one device disagree: {values[0]} and {values[-1]}"
        return rows[0], ""


def first_label(labels: Mapping[str, str], alternatives: str) -> str:
    """The value of the first label of `a|b` that is there and not empty; empty where none is."""
    return next((value for name in alternatives.split("|") if (value := labels.get(name, ""))), "")


def serial_of(devices: Devices, labels: Mapping[str, str], place: str) -> str | None:
    """What names the device of a row within the agent's host; None where a label of the name is missing."""
    values = [first_label(labels, alternatives) for alternatives in devices.serial]
    if not all(values):
        return None
    names = [id_part(value.rsplit("/", 1)[-1]) for value in values]
    return "-".join([place, *names] if devices.local else names)


def shown(source: Source, rows: Iterable[Row], place: str) -> dict[str, Shown]:
    """The devices on a page by serial, in the order of the page; `place` names the exporter in serials that hold on its host only."""
    homes: dict[str, list[tuple[Devices, Metric]]] = {}
    for devices in source.device:
        for metric in devices.metric:
            for name in metric.names:
                homes.setdefault(name, []).append((devices, metric))
    found: dict[str, Shown] = {}
    for row in rows:
        for devices, metric in homes.get(row.name, ()):
            serial = serial_of(devices, row.labels, place)
            if serial is not None and devices.selects(row.labels):
                device = found.setdefault(serial, Shown(devices, row.labels))
                if device.devices is devices:
                    device.rows.setdefault(metric.channel_name, []).append(row)
    return found


class Refresh:
    """Notices when a page is renewed: that its numbers, or their times, changed between two looks."""

    def __init__(self) -> None:
        self._print: frozenset[object] | None = None
        self._changed_ns: deque[int] = deque(maxlen=REMEMBERED)
        self._repeats: deque[int] = deque(maxlen=REMEMBERED)
        self._since_ns = 0

    def look(self, rows: Iterable[Row], t_ns: int) -> float | None:
        """Seconds since the page was renewed, as far as looked, at the monotonic time `t_ns`; None when it is new at this look."""
        seen = frozenset((row.name, tuple(sorted(row.labels.items())), repr(row.value), row.t_ns) for row in rows)
        before, self._print = self._print, seen
        if before == seen:
            if self._repeats:
                self._repeats[-1] += 1
            return (t_ns - self._since_ns) / NS_PER_S
        if before is not None:
            self._changed_ns.append(t_ns)
            self._repeats.append(0)
        self._since_ns = t_ns
        return None

    @property
    def renewals(self) -> int:
        """How many renewals it remembers."""
        return len(self._changed_ns)

    @property
    def resolved(self) -> bool:
        """Whether every renewal but the last was seen to last: else the page may be renewed more often than it is looked at."""
        return self.renewals > 1 and all(list(self._repeats)[:-1])

    @property
    def period_s(self) -> float | None:
        """Median time between two renewals; None before the second."""
        times = list(self._changed_ns)
        steps = [b - a for a, b in itertools.pairwise(times)]
        return statistics.median(steps) / NS_PER_S if steps else None
