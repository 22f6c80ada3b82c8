"""Runs: what was executed, when, and what it produced. A run has windows (phases); windows come from marks or from files."""

from __future__ import annotations

import enum
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError
from joulemark.timebase import Clock
from joulemark.units import NS_PER_MS, NS_PER_S

RUN_SCHEMA: Final = "joulemark.run/1"
INT64_END: Final = 2**63
SMALLEST_COUNT: Final = 1e-6
"""A rate times a duration may be a part of a token; by less, nothing can be divided."""


class PhaseKind(enum.StrEnum):
    """What a window is for. Tokens are counted in `measured`."""

    IDLE_BEFORE = "idle_before"
    WARMUP = "warmup"
    MEASURED = "measured"
    COOLDOWN = "cooldown"
    IDLE_AFTER = "idle_after"
    OTHER = "other"


class ClockKind(enum.StrEnum):
    """Which clock dated the windows. Only `utc` needs no help; the others say how far they can be trusted."""

    UTC = "utc"
    LOCAL = "local"
    MONOTONIC = "monotonic"
    MTIME = "mtime"
    UNKNOWN = "unknown"


class IdleKind(enum.StrEnum):
    """What idle meant: engine loaded without requests, or no engine at all. The two are never mixed (PHA-9)."""

    READY = "idle_ready"
    BARE = "idle_bare"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts inside one window. None where the source does not tell: never 0 for unknown.

    `input` includes `cached_input`; `output` includes `reasoning`. `source` says who counted (server usage, client
    tokenizer, rate x duration ...). `disagreement`: largest difference between two counts of the same tokens.
    """

    input: int | float | None = None
    output: int | float | None = None
    cached_input: int | float | None = None
    reasoning: int | float | None = None
    source: str = ""
    disagreement: float = 0.0

    @property
    def total(self) -> int | float | None:
        """Input plus output, None when either is unknown."""
        return None if self.input is None or self.output is None else self.input + self.output


@dataclass(frozen=True, slots=True)
class Window:
    """One phase [begin_ns, end_ns] in UTC, with what was done in it.

    `unc_ns`: half-width of where each edge may be. `requests`: completed; failed and cancelled ones are apart, their energy
    stays in and their tokens stay out. `idle_kind`: of an idle phase. `aborted`: why a measured phase does not count, empty when it does.
    """

    name: str
    kind: PhaseKind
    begin_ns: int
    end_ns: int
    unc_ns: int = 0
    tokens: Tokens = Tokens()
    requests: int | None = None
    requests_failed: int | None = None
    idle_kind: IdleKind | None = None
    aborted: str = ""

    def __post_init__(self) -> None:
        for name in ("begin_ns", "end_ns", "unc_ns", "requests", "requests_failed"):
            value = getattr(self, name)
            if value is None and name.startswith("requests"):
                continue
            if not isinstance(value, int) or not 0 <= value < INT64_END:
                raise FormatError(f"phase {self.name!r}: {name} = {value!r} is no whole number below 2^63", "check what it was read from")
        for name in ("input", "output", "cached_input", "reasoning", "disagreement"):
            count = getattr(self.tokens, name)
            smallest = 0 if name == "disagreement" else SMALLEST_COUNT
            if count and not smallest <= count < INT64_END:
                raise FormatError(f"phase {self.name!r}: {count!r} is no count of tokens", "check what it was read from")
        if self.end_ns <= self.begin_ns:
            raise FormatError(
                f"phase {self.name!r} ends at {self.end_ns} ns, which is not after its begin {self.begin_ns} ns",
                "check the marks or the file it was read from",
            )

    @property
    def duration_s(self) -> float:
        return (self.end_ns - self.begin_ns) / NS_PER_S

    def shifted(self, offset_ns: int) -> Self:
        """The same window on another time axis."""
        return replace(self, begin_ns=self.begin_ns + offset_ns, end_ns=self.end_ns + offset_ns)


@dataclass(frozen=True, slots=True)
class ToolReported:
    """A figure the benchmark tool printed itself, kept beside ours and never in its place."""

    name: str
    value: float
    unit: str
    window: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file that the benchmark wrote and that its figures were read from: known again by its hash, wherever it lies.

    `name`: its path below the folder it was looked for in. `mtime_ns`: when it was last written, by its file system.
    """

    name: str
    sha256: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Run:
    """One benchmark run: windows, who counted, which clock.

    `benchmark`: name of the tool. `run_id`: uuid7 of ours, or the tool's own id, or empty for a file that has none.
    `labels`: flat text facts about system, model and load. `findings`: what the source could not tell, as sentences.
    `result_files`: of a measured command, what it wrote.
    """

    windows: tuple[Window, ...]
    benchmark: str = ""
    run_id: str = ""
    clock: ClockKind = ClockKind.UTC
    tool_reported: tuple[ToolReported, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    result_files: tuple[ResultFile, ...] = ()

    @property
    def measured(self) -> tuple[Window, ...]:
        """The windows whose tokens count."""
        return tuple(w for w in self.windows if w.kind is PhaseKind.MEASURED and not w.aborted)

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.run/1`; `result_files` only where there are any."""
        windows = []
        for window in self.windows:
            entry = asdict(window)
            entry["kind"] = str(window.kind)
            entry["idle_kind"] = None if window.idle_kind is None else str(window.idle_kind)
            windows.append(entry)
        return {
            "schema": RUN_SCHEMA,
            "run_id": self.run_id,
            "benchmark": self.benchmark,
            "clock": str(self.clock),
            "phases": windows,
            "tool_reported": [asdict(t) for t in self.tool_reported],
            "labels": dict(self.labels),
            "findings": list(self.findings),
            **({"result_files": [asdict(one) for one in self.result_files]} if self.result_files else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError for another schema, an unknown key, or a value of the wrong kind."""
        if data.get("schema") != RUN_SCHEMA:
            raise FormatError(
                f"run description has schema {data.get('schema')!r}, not {RUN_SCHEMA!r}", "use the joulemark version that wrote it"
            )
        where = "run description"
        fields = {"windows" if key == "phases" else key: value for key, value in data.items() if key != "schema"}
        if isinstance(phases := fields.get("windows"), list):
            fields["windows"] = [
                {k: v for k, v in p.items() if k != "tokens" or v is not None} if isinstance(p, dict) else p for p in phases
            ]
        return document.record(cls, fields, where=where)


def new_run_id(clock: Clock) -> str:
    """A uuid7: 48 bits of milliseconds, then random bits, so ids sort by time (RFC 9562)."""
    value = (clock.utc_ns() // NS_PER_MS & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
