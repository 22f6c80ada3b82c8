"""A certificate counts where it is that of the meter, traceable, young and kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from joulemark.pricing.dates import moment_ns
from joulemark.readings import MeterInfo
from joulemark.standard.certificate import absences, age_d, faults, names, traceable
from tests.kit.sensors import WALL

PAPER = WALL.certificate
assert PAPER is not None
AT_NS = moment_ns("2026-11-02T23:59:59Z", "test")


def meter(**fields: Any) -> MeterInfo:
    """The analyser of the kit with another certificate."""
    assert PAPER is not None
    return replace(WALL, certificate=replace(PAPER, **fields))


def test_a_good_certificate_has_no_faults() -> None:
    """That of the kit is 245 days old, of the right serial, and whole."""
    assert PAPER is not None
    assert age_d(PAPER, AT_NS) == 245
    assert faults(WALL, AT_NS, max_age_d=245) == absences(WALL) == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"serial": "X1"}, "is of X1"),
        ({"date": "2025-11-01"}, "366 days old"),
        ({"date": "2026-11-03"}, "after the run"),
        ({"laboratory": "Our own bench"}, "no accreditation"),
        ({"sha256": "AB" * 32}, "sha256"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, str], said: str) -> None:
    """Each fault has its own sentence."""
    (fault,) = faults(meter(**fields), AT_NS, max_age_d=365)
    assert said in fault


@pytest.mark.parametrize("name", ["serial", "date", "laboratory", "sha256"])
def test_what_is_absent_is_no_fault(name: str) -> None:
    """What is not recorded is named as absent, not as wrong."""
    assert absences(meter(**{name: ""})) == (f"certificate.{name}",)
    assert faults(meter(**{name: ""}), AT_NS, max_age_d=365) == ()


def test_no_certificate_is_absent() -> None:
    """A meter without one has no faults, and all of it is missing."""
    assert absences(replace(WALL, certificate=None)) == ("certificate",)
    assert faults(replace(WALL, certificate=None), AT_NS, max_age_d=365) == ()


@pytest.mark.parametrize(
    ("laboratory", "known"),
    [
        ("DAkkS D-K-15070-01-00, Example", True),
        ("Example Labs (A2LA 1234.01)", True),
        ("NIST", True),
        ("accredited to ISO/IEC 17025 by example", True),
        ("Minister of Magic", False),
        ("NISTER GmbH", False),
    ],
)
def test_how_a_laboratory_is_known(laboratory: str, known: bool) -> None:
    """The name of an accreditation or of a national institute, as a whole word."""
    assert PAPER is not None
    assert traceable(replace(PAPER, laboratory=laboratory)) is known


def test_a_certificate_names_its_meter() -> None:
    """All that ES1 asks: who gave it, and the serial of the meter."""
    assert names(WALL)
    assert not names(replace(WALL, certificate=None))
    assert not any(names(meter(**{field: text})) for field, text in (("serial", ""), ("serial", "X1"), ("laboratory", " ")))


def test_an_uncertainty_of_0_is_none() -> None:
    """A certificate that states no uncertainty, or no factor for it, does not make the meter perfect."""
    assert absences(meter(u95_rel=0.0)) == ("certificate.u95_rel",)
    assert absences(meter(k=0.0)) == ("certificate.k",)
