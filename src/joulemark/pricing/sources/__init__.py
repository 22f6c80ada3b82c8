"""Where prices come from, one file per source: fetched ones have a SOURCE, files that are imported an IMPORTER."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from joulemark import nearest
from joulemark.errors import ConfigError
from joulemark.pricing.wanted import Limits

if TYPE_CHECKING:
    from joulemark.pricing.importer import Importer
    from joulemark.pricing.source import Source

KINDS: Final = (
    "azure_retail",
    "aws_bulk",
    "aws_savings",
    "aws_spot",
    "gcp_catalog",
    "lambda_cloud",
    "runpod",
    "vast",
    "entsoe",
    "openei",
    "ecb",
    "electricity_maps",
)
"""Kinds that the collector fetches: `SOURCE` in the module of that name."""

FORMATS: Final = ("manual", "aws_history", "gpuhunt", "skypilot", "opencost")
"""Kinds of files that are imported: `IMPORTER` in the module of that name, asked in this order whether a file is theirs."""


def source(kind: str) -> Source:
    """The source of `kind`. Raises ConfigError for an unknown one, naming the nearest."""
    return named(kind, KINDS).SOURCE  # type: ignore[no-any-return]  # a module's attribute; a test checks every kind


def about(kind: str) -> str:
    """What the source of `kind` is, in a sentence or two: the first paragraph of its module. Raises ConfigError for an unknown one."""
    return " ".join((named(kind, KINDS).__doc__ or "").split("\n\n")[0].split())


def limits() -> dict[str, Limits]:
    """How old a price may be, by kind, where its source says otherwise than the way of renting does."""
    found = {kind: source(kind) for kind in KINDS}
    own = {kind: Limits(one.max_age_s, one.hard_limit_s) for kind, one in found.items()}
    return {kind: one for kind, one in own.items() if one != Limits()}


def importer(kind: str) -> Importer:
    """The importer of `kind`. Raises ConfigError for an unknown one, naming the nearest."""
    return named(kind, FORMATS).IMPORTER  # type: ignore[no-any-return]  # as above


def recognise(text: str) -> Importer | None:
    """The importer whose format `text` has; None when it is of none."""
    return next((found for kind in FORMATS if (found := importer(kind)).recognises(text)), None)


def named(kind: str, kinds: tuple[str, ...]) -> Any:
    """The module of `kind`, loaded when it is asked for."""
    if kind not in kinds:
        raise ConfigError(f"no kind of prices {kind!r}", nearest.hint(kind, kinds, otherwise=f"use one of {', '.join(kinds)}"))
    return importlib.import_module(f"{__name__}.{kind}")
