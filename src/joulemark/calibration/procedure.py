"""The alignment procedure as a plan and the progress in it: which plateau is next, what is done, what keeps it from the standard.

Nothing here waits, reads a clock or runs a load; `joulemark calibrate` does. Source: Energy Standard v1, section 3 and CAL-2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

from joulemark import document
from joulemark.errors import FormatError, UsageError
from joulemark.runs import IdleKind

PROCEDURE_SCHEMA: Final = "joulemark.procedure/1"
SETTLE_S, WINDOWS, WINDOW_S = 60.0, 5, 60.0
"""What CAL-2 asks of each plateau."""
LATE_S: Final = 10.0
"""How late a sensor may be: the readings reach so far beyond the first and the last plateau (section 3, step 3)."""
HELD_OUT: Final = "held-out"
HELD_OUT_WINDOWS: Final = 3


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of constant load: `level` of the load from 0 to 1, time to settle, then `windows` of `window_s` seconds.

    `windows` 0: it lasts as long as the user's command runs.
    """

    name: str
    turn: int
    level: float
    settle_s: float
    windows: int
    window_s: float

    @property
    def measured_s(self) -> float:
        return self.windows * self.window_s

    @property
    def length_s(self) -> float:
        return self.settle_s + self.measured_s


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured. `mid`: level of the load meant to bring the machine halfway. `reverse`: a second pass, for ES2.

    `workload` says what the load is. `held_out`: level of the run that is not in the fit; `held_out_command`: the user's own instead.
    """

    sensor: str
    reference: str
    workload: str
    idle_kind: IdleKind = IdleKind.READY
    mid: float = 0.5
    held_out: float = 0.75
    held_out_command: str = ""
    settle_s: float = SETTLE_S
    windows: int = WINDOWS
    window_s: float = WINDOW_S
    reverse: bool = False

    def __post_init__(self) -> None:
        if self.sensor == self.reference:
            raise UsageError(f"{self.sensor} is both sensor and reference", "give the meter to be aligned, and another to hold it against")
        if not 0.0 < self.mid < 1.0 or not 0.0 < self.held_out <= 1.0:
            raise UsageError(f"levels {self.mid:g} and {self.held_out:g} do not lie between 0 and 1", "0.5 and 0.75 are customary")
        if self.settle_s < 0.0 or self.windows < 2 or not 0.0 < self.window_s <= 3600.0:
            raise UsageError("a plateau needs two windows of up to an hour", f"the standard asks for {WINDOWS} of {WINDOW_S:g} s")

    @property
    def steps(self) -> tuple[Step, ...]:
        """The plateaus in order, then the run that is held out."""
        levels = (("idle", 0.0), ("mid", self.mid), ("full", 1.0))
        turns = [(1, levels), (2, levels[::-1])][: 2 if self.reverse else 1]
        plateaus = [Step(name, turn, level, self.settle_s, self.windows, self.window_s) for turn, order in turns for name, level in order]
        windows = 0 if self.held_out_command else HELD_OUT_WINDOWS
        held_out = Step(HELD_OUT, 1, self.held_out, min(self.settle_s, LATE_S), windows, self.window_s)
        return (*plateaus, held_out)

    @property
    def shortfalls(self) -> tuple[str, ...]:
        """What keeps an alignment made by this plan from CAL-2, in words; empty where nothing does."""
        asked = (("settle-s", self.settle_s, SETTLE_S), ("windows", self.windows, WINDOWS), ("window-s", self.window_s, WINDOW_S))
        return tuple(f"{name} is {given:g}, CAL-2 asks for at least {least:g}" for name, given, least in asked if given < least)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was measured: `phase`, its name in the run; [begin_ns, end_ns] of its windows, UTC of this host; how steady it was."""

    name: str
    turn: int
    phase: str
    begin_ns: int
    end_ns: int
    steadiness: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `run_id`: of the collector's run whose phases the steps are. `begun`: how many were begun, interrupted ones too.

    `gates`: what each gate saw before the first plateau.
    """

    plan: Plan
    run_id: str
    begin_ns: int
    begun: int = 0
    done: tuple[Done, ...] = ()
    gates: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)

    @property
    def next(self) -> Step | None:
        """What is to be measured now, None when all is done."""
        steps = self.plan.steps
        return steps[len(self.done)] if len(self.done) < len(steps) else None

    @property
    def left_s(self) -> float:
        """Seconds until the end, but for a command of the user's own."""
        return sum(step.length_s for step in self.plan.steps[len(self.done) :])

    @property
    def phase(self) -> str:
        """Name in the run of the step that is begun next: an interrupted one has a name of its own."""
        step = self.next
        return "" if step is None else f"{self.begun + 1}-{step.name}"

    def beginning(self) -> Self:
        """After the next step was begun."""
        return replace(self, begun=self.begun + 1)

    def finished(self, phase: str, begin_ns: int, end_ns: int, steadiness: str = "") -> Self:
        """After the step begun as `phase` was measured. Raises ValueError when there was none."""
        if (step := self.next) is None:
            raise ValueError("every step is done")
        return replace(self, done=(*self.done, Done(step.name, step.turn, phase, begin_ns, end_ns, steadiness)))

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.procedure/1`."""
        return {"schema": PROCEDURE_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`. Raises FormatError and UsageError."""
        if data.get("schema") != PROCEDURE_SCHEMA:
            what = f"the procedure has schema {document.shown(data.get('schema'))}, not {PROCEDURE_SCHEMA!r}"
            raise FormatError(what, "give another folder, or use the joulemark version that wrote it")
        gates = data.get("gates", ())
        known = {key: value for key, value in data.items() if key not in ("schema", "gates")}
        made = document.record(cls, known, where="procedure")
        return replace(made, gates=tuple(dict(gate) for gate in gates))


def better_mid(level: float, share: float) -> float:
    """The level to try next where `level` brought the machine to `share` of the way: as if the power went with the level."""
    return round(min(0.95, max(0.05, level * 0.5 / share if share > 0.0 else 2.0 * level)), 2)
