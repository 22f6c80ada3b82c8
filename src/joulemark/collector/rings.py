"""Ring tests that are shown here: evaluations by `joulemark ring evaluate`, put below `rings` of the data folder. They are only read.

Nothing in such a file is believed that follows from it: the scores are computed again from the values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from joulemark import document
from joulemark.calibration.ring import Result, Scores, evaluate
from joulemark.calibration.rounds import EVALUATION_SCHEMA, LABORATORIES_MAX, believable, day
from joulemark.errors import FormatError, InsufficientData

FOLDER: Final = "rings"
NAME: Final = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._-]{0,63}", re.ASCII)
MOST: Final = 50
"""Rounds that are read, the last by the names of their files."""
EXACT: Final = 1e-9
"""How far a score may lie from what follows from the values."""
NEXT: Final = "put there what joulemark ring evaluate wrote"


@dataclass(frozen=True, slots=True)
class Assigned:
    """The robust mean of all laboratories as the file states it."""

    method: str
    value: float
    robust_sd: float
    u: float
    sigma_pt: float
    u_negligible: bool
    count: int


@dataclass(frozen=True, slots=True)
class Reference:
    """Value and U95 of a reference laboratory."""

    value: float
    u95: float


@dataclass(frozen=True, slots=True)
class Laboratory:
    """One laboratory: value and U95, its scores (None where the round has none), and whether it gets the badge."""

    name: str
    value: float
    u95: float
    z: float | None
    z_prime: float | None
    zeta: float | None
    en: float | None
    judged: float | None
    verdict: str
    understates_uncertainty: bool
    badge: bool
    badge_refused_because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RingTest:
    """A round as it was evaluated, schema `joulemark.ring-evaluation/1`."""

    round: str
    date: str
    artefact: str
    workload_sha256: str
    unit: str
    laboratories_min: int
    assigned: Assigned | None
    reference: Reference | None
    laboratories: tuple[Laboratory, ...]
    not_reported: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The round of a file. Raises FormatError for one that is none, or whose scores do not follow from its values."""
        data = document.load(path)
        if data.get("schema") != EVALUATION_SCHEMA:
            raise FormatError(f"{path.name}: the schema is {document.shown(data.get('schema'))}, not {EVALUATION_SCHEMA!r}", NEXT)
        found = document.record(cls, {key: value for key, value in data.items() if key != "schema"}, where=path.name)
        found.prove(path.name)
        return found

    def prove(self, where: str) -> None:
        """Raise FormatError unless every score follows from the values."""
        day(self.date, where=where)
        results = {one.name: Result(one.value, one.u95) for one in self.laboratories}
        reference = None if self.reference is None else Result(self.reference.value, self.reference.u95)
        given = [*results.values(), *([] if reference is None else [reference])]
        if not 0 < len(results) == len(self.laboratories) <= LABORATORIES_MAX or not all(believable(one) for one in given):
            raise FormatError(f"{where}: laboratories or values are none that a round has", NEXT)
        try:
            _, scored = evaluate(results, reference=reference)
        except InsufficientData as error:
            raise FormatError(f"{where}: {error.what}", NEXT) from error
        for one in self.laboratories:
            if not follows(one, scored[one.name]):
                raise FormatError(f"{where}: the scores of {document.shown(one.name)} do not follow from the values", NEXT)


@lru_cache(maxsize=MOST)
def read(path: Path, changed_ns: int) -> RingTest:
    """The round of a file, proved once until the file changes. Raises FormatError."""
    del changed_ns
    return RingTest.read(path)


def follows(stated: Laboratory, found: Scores) -> bool:
    """Whether what is stated of a laboratory is what was found."""
    pairs = [(getattr(stated, field.name), getattr(found, field.name)) for field in fields(Scores)]
    close = all(
        (a is None and b is None) or (a is not None and b is not None and math.isclose(a, b, rel_tol=EXACT, abs_tol=EXACT))
        for a, b in pairs
    )
    return close and stated.verdict == found.verdict and stated.badge == found.passed


def rings(folder: Path) -> tuple[list[tuple[str, RingTest]], dict[str, str]]:
    """(name of the file and its round, the newest first; name of a file that cannot be shown -> why)."""
    found, faults = [], {}
    for path in sorted(folder.glob("*.json"))[-MOST:] if folder.is_dir() else []:
        try:
            found.append((path.stem, read(path, path.stat().st_mtime_ns)))
        except FormatError as error:
            faults[path.name] = error.what
    return sorted(found, key=lambda one: (one[1].date, one[0]), reverse=True), faults


def file(folder: Path, name: str) -> bytes | None:
    """The evaluation of that name as it stands there; None where there is none."""
    path = folder / f"{name}.json"
    return path.read_bytes() if NAME.fullmatch(name) and path.is_file() else None
