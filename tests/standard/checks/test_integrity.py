"""Rules INT beyond one fault at a time: meters that pretend, and what is a contradiction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulemark.chain import Chain
from joulemark.energy.series import Series
from joulemark.standard.checks.integrity import constant, int_2, int_6, pretended
from joulemark.standard.edition import edition
from joulemark.standard.verdict import Verdict
from tests.kit.gaming import believable
from tests.kit.lab import Lab
from tests.kit.spoil import claiming, good, good_case


def real(level: str) -> list[Series]:
    return [replace(one, meter=replace(one.meter, simulated=False)) for one in good(level).series]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"simulated": True}, "is simulated"),
        ({"kind": "replay"}, "flagged real"),
        ({"kind": "fake", "simulated": True}, "is of kind fake"),
        ({"kind": "ptdaemon", "model": "Dummy"}, "device type 0"),
        ({"kind": "ptdaemon", "note": "PTDaemon 1.10, analyser Dummy"}, "device type 0"),
        ({"serial": "C2XL00000V"}, "a certificate of C2XL24034V"),
    ],
)
def test_a_meter_that_measures_nothing_is_named(change: dict[str, Any], words: str) -> None:
    """Each way to show a figure that nobody measured has its sentence."""
    (meter, *_) = (one for one in real("ES2") if one.meter.certificate is not None)
    assert list(pretended(meter)) == []
    assert words in "; ".join(pretended(replace(meter, meter=replace(meter.meter, **change))))


def test_a_command_that_prints_a_constant() -> None:
    """All readings of an exec meter alike are no measurement; one that differs is."""
    series = next(one for one in real("ES1") if one.meter.boundary == "server_input")
    flat = replace(series, meter=replace(series.meter, kind="exec"), value=np.full(len(series), 5000))
    assert "is a command that prints a constant" in list(pretended(flat))
    moved = replace(flat, value=np.where(np.arange(len(flat)) == 7, 4999, 5000))
    assert not constant(moved)
    assert not constant(flat.rows(slice(0, 1)))


def test_real_meters_pass_without_the_kit() -> None:
    """Meters that say they are real, under another key than the kit's, pass in both columns."""
    case = good_case("ES1")
    assert case.evidence is not None
    evidence = replace(believable(case.evidence), chain=Chain())
    assert int_6(replace(case, evidence=evidence), edition().rule("INT-6"), "ES2").verdict is Verdict.PASS


@pytest.mark.parametrize("side", ["sensor", "reference"])
def test_the_meters_of_an_alignment_are_no_exception(side: str) -> None:
    """What corrects a figure has to have measured something, like what the figure is made of."""
    case = good_case("ES1")
    assert case.evidence is not None
    evidence = replace(believable(case.evidence), chain=Chain())
    (one,) = evidence.alignments
    series = getattr(one, side)
    spoilt = replace(one, **{side: replace(series, meter=replace(series.meter, simulated=True))})
    told = int_6(replace(case, evidence=replace(evidence, alignments=(spoilt,))), edition().rule("INT-6"), "ES1")
    assert (told.verdict, told.detail) == (Verdict.FAIL, f"{series.meter.meter_id} is simulated")


@pytest.mark.parametrize(("change", "contradicts"), [({"energy_j": 1.0}, True), ({"shine_j": 1.0}, False)])
def test_a_false_figure_contradicts_and_an_unknown_one_does_not(change: dict[str, float], contradicts: bool) -> None:
    """A figure that this version computes otherwise is a contradiction; one that it does not know only fails."""
    outcome = int_2(claiming(good_case("ES1"), lambda card: card["headline"].update(change)), edition().rule("INT-2"), "ES1")
    assert (outcome.verdict, outcome.contradiction) == (Verdict.FAIL, contradicts)


@pytest.mark.parametrize("pinned", [None, "9.7"])
def test_a_false_figure_contradicts_whatever_edition_is_named(pinned: str | None) -> None:
    """Who leaves the edition out, or names one of his own, cannot claim what his readings do not bear out."""
    case = claiming(good_case("ES1"), lambda card: card["headline"].update(energy_j=1.0))
    assert case.evidence is not None
    unpinned = replace(case, evidence=replace(case.evidence, rule_set=pinned))
    unpinned.__dict__["rebuilt"] = case.rebuilt
    told = int_2(unpinned, edition().rule("INT-2"), "ES1")
    assert (told.verdict, told.contradiction) == (Verdict.FAIL, True)


def test_a_card_without_a_figure_claims_nothing() -> None:
    """Of an empty card nothing comes out again: that is no pass."""
    case = claiming(good_case("ES1"), lambda card: card.clear())
    assert int_2(case, edition().rule("INT-2"), "ES1").verdict is Verdict.CANNOT_TELL


def test_the_laboratory_says_that_it_is_simulated() -> None:
    """Every meter of the kit does."""
    assert all(one.meter.simulated for one in Lab.of("ES1", seed=2).series)
