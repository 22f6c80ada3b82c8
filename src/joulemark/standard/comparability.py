"""The key by which two figures may stand in one table (TOK-7): what was run, on what data, how hard, and over which scope."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from joulemark.standard.case import Case
from joulemark.workload import Workload

LOADS: Final = ("concurrency", "request_rate_per_s")
"""How hard: one of the two is enough."""


@dataclass(frozen=True, slots=True)
class Key:
    """What two entries must share. GPU type and count and the version of the engine are labels and no part of it. Lengths in tokens.

    The level belongs to the key too; it is the verdict of the validator, None before that.
    """

    model_sha256: str
    precision: str
    dataset_sha256: str
    input_length: float | None
    output_length: float | None
    concurrency: int | None
    request_rate_per_s: float | None
    scope: str | None
    level: str | None = None

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of what is not known, the level apart; of concurrency and rate one has to be."""
        alone = [field.name for field in fields(self) if field.name not in (*LOADS, "level")]
        absent = [name for name in alone if getattr(self, name) in (None, "")]
        load = all(getattr(self, name) is None for name in LOADS)
        return tuple(absent + ([" or ".join(LOADS)] if load else []))

    @property
    def text(self) -> str:
        """The key as one line: equal keys have equal lines."""
        return ";".join(f"{field.name}={value}" for field in fields(self) if (value := getattr(self, field.name)) not in (None, ""))


def comparability_key(case: Case, *, level: str | None = None) -> Key | None:
    """The key of a bundle; None where it does not say what was run. The scope is that of the readings, not the card's claim."""
    work = None if case.evidence is None else case.evidence.workload
    return None if work is None else key_of(work, None if case.rebuilt is None else case.rebuilt["scope"], level=level)


def key_of(work: Workload, scope: str | None, *, level: str | None = None) -> Key:
    """The key of some work over a scope."""
    return Key(
        model_sha256=work.model_sha256,
        precision=work.precision,
        dataset_sha256=work.dataset_sha256,
        input_length=work.input_length,
        output_length=work.output_length,
        concurrency=work.concurrency,
        request_rate_per_s=work.request_rate_per_s,
        scope=scope,
        level=level,
    )
