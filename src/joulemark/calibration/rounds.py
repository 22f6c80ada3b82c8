"""A round of the ring test: what travels, who measures it when, what they found, and what follows of it (Energy Standard v1, section 4)."""

from __future__ import annotations

import datetime
import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from joulemark import document
from joulemark.calibration.ring import LABORATORIES_MIN, Assigned, Result, Scores, evaluate
from joulemark.errors import FormatError, UsageError

ROUND_SCHEMA: Final = "joulemark.ring-round/1"
EVALUATION_SCHEMA: Final = "joulemark.ring-evaluation/1"
BADGE_SCHEMA: Final = "joulemark.ring-badge/1"
REPEATS_MIN: Final = 5
LABORATORIES_MAX: Final = 1000
RANGE: Final = (1e-12, 1e12)
"""Of a value and of its uncertainty: beyond is a wrong unit, and sums of squares would no longer hold it."""

FINEST_REL: Final = 1e-9
"""Of an uncertainty over its value: no meter, and no plot, tells less."""

YEARS: Final = range(1970, 3000)
VALID_DAYS: Final = 365
"""A badge is good for so long after its round (CAL-8)."""


class Artefact(enum.StrEnum):
    """What every laboratory measures: one node that travels, or an image on nodes of one kind whose clocks are pinned."""

    TRAVELLING = "travelling"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Laboratory:
    """A participant: when it measures, and once it has, its value with the expanded uncertainty (k = 2)."""

    name: str
    begin: str = ""
    end: str = ""
    value: float | None = None
    u95: float | None = None

    @property
    def result(self) -> Result | None:
        """What it found; None before it did."""
        return None if self.value is None or self.u95 is None else Result(self.value, self.u95)


@dataclass(frozen=True, slots=True)
class Round:
    """One round. `reference`: a laboratory whose value is not among those that are judged. `gpu_clock_mhz`: pinned, of an image.

    Raises FormatError for what no round can be: fewer than five repeats, a name twice, a value alone or beyond belief, no date.
    """

    round: str
    artefact: Artefact
    workload_sha256: str
    laboratory: tuple[Laboratory, ...]
    repeats: int = REPEATS_MIN
    date: str = ""
    image_sha256: str = ""
    gpu_clock_mhz: int | None = None
    unit: str = "J per 1k output tokens"
    reference: Laboratory | None = None
    schema: str = ROUND_SCHEMA

    def __post_init__(self) -> None:
        where = f"ring test {self.round!r}"
        if self.schema != ROUND_SCHEMA:
            raise FormatError(f"{where}: schema is {self.schema!r}, not {ROUND_SCHEMA!r}", "make the file with joulemark ring plan")
        if self.repeats < REPEATS_MIN:
            raise FormatError(f"{where}: {self.repeats} repeats", f"let each laboratory repeat at least {REPEATS_MIN} times")
        if len(self.laboratory) > LABORATORIES_MAX:
            raise FormatError(f"{where}: {len(self.laboratory)} laboratories", f"evaluate at most {LABORATORIES_MAX} in one round")
        names = [one.name for one in self.laboratory]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise FormatError(f"{where}: laboratory {twice!r} stands there twice", "give each laboratory a name of its own")
        for one in (*self.laboratory, *([self.reference] if self.reference else [])):
            if (one.value is None) != (one.u95 is None) or not (one.value is None or (one.value > 0.0 and (one.u95 or 0.0) > 0.0)):
                raise FormatError(f"{where}: {one.name} has value {one.value} and u95 {one.u95}", "give both, above 0, or neither")
            if (found := one.result) is not None and not believable(found):
                limits = f"{RANGE[0]:g} to {RANGE[1]:g} and u95 above {FINEST_REL:g} of value"
                raise FormatError(f"{where}: {one.name} has value {found.x:g} and u95 {found.u95:g}", f"check the unit: taken are {limits}")
            for moment in filter(None, (one.begin, one.end)):
                day(moment, where=f"{where}: {one.name}")
        if self.date:
            day(self.date, where=where)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, where: str) -> Self:
        """The round that a file describes. Raises FormatError."""
        return document.record(cls, plain(data), where=where)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary, without what is not known."""
        return {"schema": self.schema, **{key: value for key, value in without_nulls(asdict(self)).items() if key != "schema"}}

    @property
    def dated(self) -> str:
        """Date of the round: as stated, else when the last laboratory ends. Raises FormatError without either."""
        found = self.date or max((one.end for one in self.laboratory), default="")
        if not found:
            raise FormatError(f"ring test {self.round!r} has no date", 'add date = "2026-12-31", or give --date')
        return found


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a round came to. `assigned` is None with fewer than six laboratories: then En alone counts."""

    round: Round
    assigned: Assigned | None
    reference: Result | None
    results: Mapping[str, Result]
    scores: Mapping[str, Scores]

    @classmethod
    def of(cls, round_: Round) -> Self:
        """The scores of every laboratory that reported. Raises InsufficientData where nothing can be compared with anything.

        Of an image on other nodes En does not count: there is no one artefact that a reference laboratory has measured too.
        """
        results = {one.name: one.result for one in round_.laboratory if one.result is not None}
        travelled = round_.artefact is Artefact.TRAVELLING
        reference = round_.reference.result if round_.reference is not None and travelled else None
        assigned, scores = evaluate(results, reference=reference)
        return cls(round_, assigned, reference, results, scores)

    def refusals(self, name: str) -> tuple[str, ...]:
        """Why a laboratory gets no badge; empty where it does."""
        return self.scores[name].refusals

    def to_json(self) -> dict[str, Any]:
        """The object of schema `joulemark.ring-evaluation/1`, unrounded."""
        assigned = self.assigned
        return {
            "schema": EVALUATION_SCHEMA,
            "round": self.round.round,
            "date": self.round.dated,
            "artefact": str(self.round.artefact),
            "workload_sha256": self.round.workload_sha256,
            "unit": self.round.unit,
            "laboratories_min": LABORATORIES_MIN,
            "assigned": None
            if assigned is None
            else {
                "method": "algorithm_a",
                "value": assigned.x_pt,
                "robust_sd": assigned.sd,
                "u": assigned.u,
                "sigma_pt": assigned.sigma_pt,
                "u_negligible": assigned.u_negligible,
                "count": assigned.count,
            },
            "reference": None if self.reference is None else {"value": self.reference.x, "u95": self.reference.u95},
            "laboratories": [
                {
                    "name": name,
                    "value": self.results[name].x,
                    "u95": self.results[name].u95,
                    **asdict(found),
                    "verdict": found.verdict,
                    "understates_uncertainty": found.understates_uncertainty,
                    "badge": found.passed,
                    "badge_refused_because": list(found.refusals),
                }
                for name, found in self.scores.items()
            ],
            "not_reported": [one.name for one in self.round.laboratory if one.result is None],
        }

    @property
    def text(self) -> bytes:
        """The evaluation as a file; its SHA-256 stands in every badge."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    def badge(self, name: str) -> dict[str, Any]:
        """The badge of a laboratory, `joulemark.ring-badge/1`: `ring.json` beside `energy` in its bundles.

        Raises UsageError where it is refused.
        """
        if reasons := self.refusals(name):
            raise UsageError(
                f"no badge for {name}: {'; '.join(reasons)}", "correct the budget or the set-up, and take part in the next round"
            )
        found, date = self.scores[name], self.round.dated
        return {
            "schema": BADGE_SCHEMA,
            "laboratory": name,
            "round": self.round.round,
            "date": date,
            "expires": (day(date, where="ring test") + datetime.timedelta(days=VALID_DAYS)).isoformat(),
            "laboratories": len(self.results),
            "z": found.z,
            "z_prime": found.z_prime,
            "zeta": found.zeta,
            "en": found.en,
            "evaluation_sha256": hashlib.sha256(self.text).hexdigest(),
        }


def planned(round_: Round, *, begin: str, days_each: int) -> Round:
    """The round with a schedule: one laboratory after the other for a node that travels, all at once for an image."""
    first, length = day(begin, where="ring test"), datetime.timedelta(days=days_each - 1)
    step = datetime.timedelta(days=days_each if round_.artefact is Artefact.TRAVELLING else 0)
    starts = [first + number * step for number in range(len(round_.laboratory))]
    placed = tuple(
        Laboratory(one.name, start.isoformat(), (start + length).isoformat(), one.value, one.u95)
        for one, start in zip(round_.laboratory, starts, strict=True)
    )
    values = {key: getattr(round_, key) for key in Round.__dataclass_fields__}
    return Round(**{**values, "laboratory": placed})


def believable(result: Result) -> bool:
    """Whether value and uncertainty are of a size that can be scored and drawn."""
    low, high = RANGE
    return low <= result.x <= high and max(low, FINEST_REL * result.x) <= result.u95 <= high


def day(text: str, *, where: str) -> datetime.date:
    """The date `text`. Raises FormatError for what is none, and for one far from now, from which nothing can be counted on."""
    try:
        found = datetime.date.fromisoformat(text)
    except ValueError as error:
        raise FormatError(f"{where}: {text!r} is no date", "write it as 2026-12-31") from error
    if found.year not in YEARS:
        raise FormatError(f"{where}: {text} is not between {YEARS[0]} and {YEARS[-1]}", "write it as 2026-12-31")
    return found


def toml(round_: Round) -> str:
    """The round as a TOML file that people go on writing: `value` and `u95` of each laboratory are added to it."""
    data = round_.to_json()
    laboratories: Sequence[Mapping[str, Any]] = data.pop("laboratory")
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in data.items() if not isinstance(value, Mapping)]
    tables = [("[reference]", data["reference"])] if "reference" in data else []
    for head, table in [*tables, *(("[[laboratory]]", one) for one in laboratories)]:
        lines += ["", head, *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def plain(data: Any) -> Any:
    """`data` with the dates that TOML knows as text."""
    if isinstance(data, Mapping):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(value) for value in data]
    return data.isoformat() if isinstance(data, datetime.date) else data


def without_nulls(data: Any) -> Any:
    """`data` without the keys whose value is null or empty text."""
    if isinstance(data, Mapping):
        return {key: without_nulls(value) for key, value in data.items() if value is not None and value != ""}
    return [without_nulls(value) for value in data] if isinstance(data, list | tuple) else data
