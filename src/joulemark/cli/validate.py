"""`joulemark validate`: every rule of the standard over a bundle, with no collector and no network."""

from __future__ import annotations

import tempfile
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from joulemark.cli import emit, json_option
from joulemark.cli.progress import progress
from joulemark.errors import InsufficientData, NotCompliant
from joulemark.timebase import zone

if TYPE_CHECKING:
    from joulemark.standard.case import Case
    from joulemark.standard.trust import Trust
    from joulemark.standard.validator import Report

LEVELS = ("ES1", "ES2")
SHOWN = 6
"""At most so many rules are named in the message; the report has all."""


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path), metavar="BUNDLE")
@click.option("--level", type=click.Choice(LEVELS), help="The level that has to be reached; without it ES1 or any higher one.")
@click.option("--edition", "version", metavar="VERSION", help="Edition of the standard; the current one without it.")
@click.option("--trust", type=click.Path(path_type=Path), metavar="FILE", help="TOML list of the public keys whose signatures count.")
@click.option("--tz", metavar="ZONE", help="Zone of recorded times that carry none, such as UTC, in artefacts of other tools.")
@click.option("--budget", is_flag=True, help="Print the uncertainty budgets too, as they follow from the readings.")
@json_option
def command(bundle: Path, level: str | None, version: str | None, trust: Path | None, tz: str | None, budget: bool, as_json: bool) -> None:
    """Judge BUNDLE by every rule of the Energy Standard, in both columns, from its readings alone.

    BUNDLE is a folder, or a ZIP or gzipped tar of one; the artefacts of AIPerf or MLPerf alone will do, and what they cannot
    tell is said. Nothing that the bundle claims of itself is believed. Exit 3 when the level is not reached, with the rules that
    stand in the way, and 4 when there is nothing to judge.
    """
    from joulemark.standard import report as reports
    from joulemark.standard.trust import Trust

    result, case = judged(bundle, version=version, trust=Trust.read(trust), tz=None if tz is None else zone(tz))
    more = f"\n\n{budgets(case)}" if budget else ""
    emit(result.to_json(), as_json=as_json, text=lambda _: reports.text(result, wanted=level) + more)
    wanted = level or LEVELS[0]
    if result.contradictions:
        raise NotCompliant(f"{bundle} is INVALID by {', '.join(result.contradictions)}", "copy it again from where it was made")
    if standing := result.failing(wanted):
        raise NotCompliant(f"{bundle} does not reach {wanted} by {named(standing)}", f"ask: joulemark explain {standing[0]}")


def named(rules: tuple[str, ...]) -> str:
    """The first few rules, and how many more there are."""
    more = f" and {len(rules) - SHOWN} more rules" if len(rules) > SHOWN else ""
    return ", ".join(rules[:SHOWN]) + more


def judged(bundle: Path, *, version: str | None, trust: Trust, tz: tzinfo | None) -> tuple[Report, Case]:
    """The report on a folder, or on an archive of one, and its case. Raises InsufficientData when it holds nothing to judge, and
    FormatError.
    """
    from joulemark.cards.bundle import FOLDER
    from joulemark.standard import read
    from joulemark.standard.edition import CURRENT, edition
    from joulemark.standard.validator import validate
    from joulemark.unpacked import unpacked

    chosen = edition(version or CURRENT)  # an unknown one is said before anything is read
    with tempfile.TemporaryDirectory(prefix="joulemark-") as place:
        folder = unpacked(bundle, Path(place), own=FOLDER) if bundle.is_file() else bundle
        case = read.case(folder, trust=trust, tz=tz)
        if case.evidence is None and not case.documents and not (case.foreign and case.faults):
            raise InsufficientData(f"{bundle} holds nothing to judge: {empty(case.faults)}", "give the folder that holds energy/")
        with progress("rules judged") as told:
            return validate(case, version=chosen.version, told=told), case


def budgets(case: Case) -> str:
    """The uncertainty budgets of a case, or why there are none."""
    from joulemark.cards import budget

    return f"no budget: {case.unbuildable}" if case.rebuilt is None else budget.of_card(case.rebuilt)


def empty(faults: Any) -> str:
    """Why nothing could be read."""
    return "; ".join(f"{path}: {why}" for path, why in faults.items()) or "no file of a bundle, and none of a benchmark"
