"""One sample and what the product made of it: a run whose figures agree with the witness, a refusal with a reason, or red."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Final

from joulemark import benchmarks
from joulemark.errors import NaiveTimeError, UsageError
from joulemark.runs import Run
from tests.interop.samples import Sample
from tests.interop.witness import Figures

Spoil = Callable[[Run], Run]

RELATIVE: Final = 1e-9
"""Of a count that is a rate times a duration."""

STAMP_S: Final = 1e-6
"""The witnesses count Unix time in doubles."""


@dataclass(frozen=True)
class Trial:
    """`claimed`: the readers that know the files, the first of them was taken.

    `zoned`: whether a zone had to be told. `wrong`: why it is red.
    """

    sample: Sample
    claimed: tuple[str, ...]
    run: Run | None = None
    refusal: str = ""
    zoned: bool = False
    wrong: tuple[str, ...] = ()

    @property
    def reader(self) -> str:
        return self.claimed[0] if self.claimed else ""

    @property
    def refused(self) -> bool:
        return self.run is None and bool(self.refusal)


def tried(sample: Sample, *, spoil: Spoil | None = None) -> Trial:
    """What the product returns for `sample`, told by its own recognition and judged by the witness; `spoil` falsifies the answer."""
    claimed = tuple(r.NAME for r in benchmarks.READERS if r.places(sample.path)) if not packed(sample) else ("openaiperf",)
    zoned = False
    try:
        try:
            run = benchmarks.read(sample.path, tz=None)
        except NaiveTimeError:
            zoned = True
            run = benchmarks.read(sample.path, tz=UTC)
    except UsageError as error:
        trial = Trial(sample, claimed, refusal=reason(error, sample))
    else:
        trial = Trial(sample, claimed, run=run if spoil is None else spoil(run), zoned=zoned)
    return replace(trial, wrong=tuple(complaints(trial)))


def packed(sample: Sample) -> bool:
    return sample.path.name.endswith(benchmarks.ARCHIVES)


def reason(error: UsageError, sample: Sample) -> str:
    """The message of a refusal without the places of this machine."""
    text = str(error).replace(str(sample.path), sample.path.name)
    return " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in text.split())


def complaints(trial: Trial) -> Iterable[str]:
    """What is wrong with the answer."""
    counted = None if trial.sample.witness is None else trial.sample.witness(trial.sample.plain)
    if trial.run is None:
        if not trial.refusal:
            yield "neither read nor refused with a reason"
        if counted is not None:
            yield f"refused, but its files have a window: {trial.refusal}"
    elif counted is None:
        yield "read, but no witness counted it"
    else:
        yield from differences(trial.run, counted)


def differences(run: Run, counted: Figures) -> Iterable[str]:
    """Where the product's figures are not those of the witness."""
    allowed_s = max((w.unc_ns for w in run.measured), default=0) / 1e9 + STAMP_S
    told = totals(run)
    if ("begin_s" in counted) != bool(run.measured):
        yield f"{len(run.measured)} measured windows"
    for name, wanted in counted.items():
        got = told.get(name)
        within = allowed_s if name.endswith("_s") else RELATIVE * abs(wanted or 0)
        if (got is None) != (wanted is None) or (got is not None and wanted is not None and not math.isclose(got, wanted, abs_tol=within)):
            yield f"{name} is {got}, and by the witness {wanted}"


def totals(run: Run) -> Figures:
    """The product's figures over the measured windows, and those it keeps as the tool's own, named as a witness names them."""
    windows = run.measured
    own: Figures = {figure.name: figure.value for figure in run.tool_reported}
    if not windows:
        return own
    return own | {
        "begin_s": min(w.begin_ns for w in windows) / 1e9,
        "end_s": max(w.end_ns for w in windows) / 1e9,
        "requests": added(w.requests for w in windows),
        "failed": added(w.requests_failed for w in windows),
        "input": added(w.tokens.input for w in windows),
        "output": added(w.tokens.output for w in windows),
    }


def added(values: Iterable[float | None]) -> float | None:
    """The sum, None where one is not known."""
    found = list(values)
    return None if any(value is None for value in found) else sum(value for value in found if value is not None)


def one_token_more(run: Run) -> Run:
    """The answer of a reader that counts one token too many, or invents one."""
    return replace(run, windows=tuple(replace(w, tokens=replace(w.tokens, output=(w.tokens.output or 0) + 1)) for w in run.windows))


def one_request_less(run: Run) -> Run:
    """The answer of a reader that loses a request, or says 0 for unknown."""
    return replace(run, windows=tuple(replace(w, requests=max(0, (w.requests or 0) - 1)) for w in run.windows))


def an_hour_late(run: Run) -> Run:
    """The answer of a reader that guessed a zone."""
    return replace(run, windows=tuple(w.shifted(3600 * 10**9) for w in run.windows))


SPOILS: Final[dict[str, Spoil]] = {"tokens": one_token_more, "requests": one_request_less, "zone": an_hour_late}
