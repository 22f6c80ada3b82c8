"""`:::MLLOG` lines: the log of MLPerf LoadGen and of MLPerf training, one JSON object a line, often behind a rank prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from joulemark import document, foreign
from joulemark.errors import FormatError

MARK: Final = ":::MLLOG "


@dataclass(frozen=True, slots=True)
class Event:
    """One line. `time_ms`: since the epoch in training, since the start of the test in LoadGen."""

    key: str
    value: Any
    time_ms: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def number(self) -> float | None:
        """The value as a number, None when it is none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not abs(self.value) < 2**63:
            return None
        return float(self.value)


@dataclass(frozen=True, slots=True)
class MlLog:
    """All events of one file. `broken`: lines with the mark that hold no event, as a killed rank leaves them."""

    path: Path
    events: tuple[Event, ...]
    broken: int

    def last(self, *keys: str) -> Event | None:
        """The last event of the first of `keys` that occurs."""
        for key in keys:
            found = next((event for event in reversed(self.events) if event.key == key), None)
            if found is not None:
                return found
        return None

    def count(self, key: str) -> int | None:
        """The last value of `key` as a whole number, None when it does not occur."""
        event = self.last(key)
        return None if event is None or event.number is None else int(event.number)


def read(path: Path) -> MlLog:
    """The events of `path`, plain or gzip. Raises FormatError when it holds none."""
    events, broken = [], 0
    for line in foreign.text(path).split("\n"):
        _, mark, rest = line.partition(MARK)
        if mark:
            event = _event(rest)
            broken += event is None
            if event is not None:
                events.append(event)
    if not events:
        raise FormatError(f"{path} holds no MLLOG line", "give the folder of an MLPerf run, with mlperf_log_detail.txt")
    return MlLog(path, tuple(events), broken)


def _event(line: str) -> Event | None:
    try:
        data = document.parse(line, where="line")
    except FormatError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("key"), str):
        return None
    time_ms, metadata = data.get("time_ms"), data.get("metadata")
    if isinstance(time_ms, bool) or not isinstance(time_ms, int | float) or not abs(time_ms) < 2**63:
        return None
    return Event(data["key"], data.get("value"), time_ms, metadata if isinstance(metadata, dict) else {})
