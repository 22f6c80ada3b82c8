"""Which program holds a machine at a level: the GPU's, the CPU's, the user's own, or the user by hand."""

from __future__ import annotations

import enum
import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from joulemark.errors import UsageError
from joulemark.load.burn_gpu import LIBRARIES
from joulemark.load.leash import Leash

PLACE: Final = "{level}"


class Kind(enum.StrEnum):
    """`hand`: nothing is started; the user brings the machine to the level, and its power says when it is there."""

    GPU = "gpu"
    CPU = "cpu"
    COMMAND = "command"
    HAND = "hand"


@dataclass(frozen=True, slots=True)
class Generator:
    """A kind of load; `text` is the user's own command. `name` says in the record what ran."""

    kind: Kind
    text: str = ""

    @property
    def name(self) -> str:
        return self.text or f"joulemark {self.kind} load"

    def command(self, level: float) -> list[str]:
        """What holds the machine at `level`, above 0 and at most 1. Raises UsageError for another level and for a load by hand."""
        if not 0.0 < level <= 1.0:
            raise UsageError(f"{level:g} is no level of a load", "give one above 0 and at most 1")
        if self.kind is Kind.COMMAND:
            return ["sh", "-c", self.text.replace(PLACE, f"{level:g}")]
        if self.kind is Kind.CPU and (stress := shutil.which("stress-ng")):
            return [stress, "--cpu", "0", "--cpu-method", "matrixprod", "--cpu-load", f"{100 * level:.0f}"]
        if self.kind is Kind.HAND:
            raise UsageError("a load by hand has no command", "start it yourself")
        return [sys.executable, "-m", f"joulemark.load.burn_{self.kind}", f"{level:g}"]


def chosen(load: str) -> Generator:
    """What `--load` names: `gpu`, `cpu`, `hand`, or else a command, which must hold `{level}`.

    For `gpu` without torch and cupy the load is by hand. Raises UsageError.
    """
    if load == Kind.GPU and not any(importlib.util.find_spec(name) for name in LIBRARIES):
        return Generator(Kind.HAND)
    if load in (Kind.GPU, Kind.CPU, Kind.HAND):
        return Generator(Kind(load))
    if PLACE not in load:
        raise UsageError(f"--load {load!r} does not hold {PLACE}", f"write for example: --load 'my-benchmark --rate {PLACE}'")
    return Generator(Kind.COMMAND, load)


class Load:
    """A generator at work. Leaving its block stops it."""

    def __init__(self, generator: Generator, log: Path) -> None:
        self.generator, self._log = generator, log
        self._leash: Leash | None = None

    def hold(self, level: float) -> None:
        """Bring the machine to `level`; at 0, and by hand, nothing runs."""
        self.stop()
        if level > 0.0 and self.generator.kind is not Kind.HAND:
            self._leash = Leash(self.generator.command(level), self._log)

    def require(self) -> None:
        """Raise EnvironmentFailed when what was started has ended by itself."""
        if self._leash is not None:
            self._leash.require()

    def stop(self) -> None:
        """Stop what runs. Safe at any point."""
        if self._leash is not None:
            self._leash.let_go()
            self._leash = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
