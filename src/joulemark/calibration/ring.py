"""Ring test: one artefact in several laboratories, scored by ISO 13528 (Energy Standard v1, section 4)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from joulemark.errors import InsufficientData

FIT_FOR_PURPOSE_REL: Final = 0.02
"""sigma_pt over the assigned value."""
NEGLIGIBLE: Final = 0.3
"""u(x_pt) above this share of sigma_pt counts in the score: z' takes the place of z."""
LABORATORIES_MIN: Final = 6
QUESTIONABLE: Final = 2.0
UNSATISFACTORY: Final = 3.0
EN_LIMIT: Final = 1.0
"""Limits of |z| or |z'|, and of |En|."""

TOLERANCE: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Result:
    """What a laboratory found: value and expanded uncertainty (k = 2), in one unit."""

    x: float
    u95: float


@dataclass(frozen=True, slots=True)
class Assigned:
    """The robust mean of all laboratories, its robust standard deviation, and the count behind it."""

    x_pt: float
    sd: float
    count: int

    @property
    def u(self) -> float:
        """Standard uncertainty of the assigned value: 1.25 s* / sqrt p."""
        return 1.25 * self.sd / math.sqrt(self.count)

    @property
    def sigma_pt(self) -> float:
        """Standard deviation for the scores, 2 % of the value."""
        return FIT_FOR_PURPOSE_REL * self.x_pt

    @property
    def u_negligible(self) -> bool:
        """Whether z may be used as it stands."""
        return self.u <= NEGLIGIBLE * self.sigma_pt


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one laboratory, None where the round has none: z, z' and zeta with fewer than six laboratories, En without reference.

    `judged` is z, or z' where u(x_pt) counts.
    """

    z: float | None = None
    z_prime: float | None = None
    zeta: float | None = None
    en: float | None = None
    judged: float | None = None

    @property
    def verdict(self) -> str:
        """Satisfactory up to 2, questionable up to 3, unsatisfactory from there; by En alone satisfactory up to 1."""
        if self.judged is None:
            return "not judged" if self.en is None else "satisfactory" if abs(self.en) <= EN_LIMIT else "unsatisfactory"
        size = abs(self.judged)
        return "satisfactory" if size <= QUESTIONABLE else "questionable" if size < UNSATISFACTORY else "unsatisfactory"

    @property
    def understates_uncertainty(self) -> bool:
        """Whether the value is good but further off than its own uncertainty allows: |zeta| > 2 and |z| <= 2."""
        return self.z is not None and self.zeta is not None and abs(self.zeta) > QUESTIONABLE and abs(self.z) <= QUESTIONABLE

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the badge is not given; empty where value, reference and budget all hold (CAL-8)."""
        if self.judged is None:
            return (f"fewer than {LABORATORIES_MIN} laboratories: there is no z'",)
        name = "z" if self.judged == self.z else "z'"
        said = [f"|{name}| is {abs(self.judged):.2f}, above 2"] if abs(self.judged) > QUESTIONABLE else []
        if self.en is not None and abs(self.en) > EN_LIMIT:
            said.append(f"|En| is {abs(self.en):.2f}, above 1")
        if self.understates_uncertainty:
            said.append(f"the uncertainty is understated: |zeta| is {abs(self.zeta or 0.0):.2f}, above 2, while |z| is not")
        return tuple(said)

    @property
    def passed(self) -> bool:
        """Whether the badge may be given."""
        return not self.refusals


def algorithm_a(values: Sequence[float]) -> Assigned:
    """Robust mean and standard deviation (ISO 13528, Algorithm A, iterated until both stand still).

    Raises InsufficientData for fewer than six laboratories: then only En against a reference counts.
    """
    if len(values) < LABORATORIES_MIN:
        raise InsufficientData(f"{len(values)} laboratories carry no robust mean", "compare with a reference value by En")
    mean = statistics.median(values)
    sd = 1.483 * statistics.median(abs(v - mean) for v in values)
    for _ in range(200):
        limit = 1.5 * sd
        held = [min(max(v, mean - limit), mean + limit) for v in values]
        new_mean, new_sd = statistics.mean(held), 1.134 * statistics.stdev(held)
        if abs(new_mean - mean) < TOLERANCE and abs(new_sd - sd) < TOLERANCE:
            break
        mean, sd = new_mean, new_sd
    return Assigned(mean, sd, len(values))


def en_score(result: Result, reference: Result) -> float:
    """Distance from a reference value over the expanded uncertainties of both; 1 is the limit."""
    return (result.x - reference.x) / math.hypot(result.u95, reference.u95)


def scores(result: Result, assigned: Assigned | None, *, reference: Result | None = None) -> Scores:
    """The scores of one laboratory against the assigned value and the reference, as far as there are such."""
    en = None if reference is None else en_score(result, reference)
    if assigned is None:
        return Scores(en=en)
    off = result.x - assigned.x_pt
    z, z_prime = off / assigned.sigma_pt, off / math.hypot(assigned.sigma_pt, assigned.u)
    zeta = off / math.hypot(result.u95 / 2.0, assigned.u)
    return Scores(z, z_prime, zeta, en, z if assigned.u_negligible else z_prime)


def evaluate(results: Mapping[str, Result], *, reference: Result | None = None) -> tuple[Assigned | None, dict[str, Scores]]:
    """(assigned value, scores by laboratory) against the robust mean of all; of fewer than six against the reference alone.

    Raises InsufficientData for fewer than six laboratories and no reference.
    """
    alone = len(results) < LABORATORIES_MIN and reference is not None
    assigned = None if alone else algorithm_a([result.x for result in results.values()])
    return assigned, {name: scores(result, assigned, reference=reference) for name, result in results.items()}
