from __future__ import annotations

import pytest

from joulemark.standard.badge import judged

AT_NS = 1_793_610_000_000_000_000
LIMITS = {"age_d": 365.0, "z": 2.0, "zeta": 2.0, "en": 1.0, "laboratories": 6.0}
GOOD = {"date": "2026-06-01", "z": 0.5, "z_prime": 0.4, "en": 0.3}


def test_a_good_badge_has_no_faults() -> None:
    """Z' counts before z, En where there is one."""
    faults, measured = judged(GOOD, AT_NS, LIMITS)
    assert faults == []
    assert measured["z"] == 0.4


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"date": "2025-06-01"}, "before the run"),
        ({"date": "soon"}, "no date"),
        ({"z_prime": 2.01}, "|z'|"),
        ({"z_prime": None, "z": None}, "no z'"),
        ({"en": -1.01}, "|En|"),
        ({"z_prime": None, "z": -1.29, "zeta": -2.554}, "understated"),
        ({"laboratories": 5}, "5 laboratories"),
    ],
)
def test_each_fault_is_named(change: dict[str, object], says: str) -> None:
    """Age, z', En, zeta and the number of laboratories each speak for themselves."""
    faults, _ = judged({**GOOD, **change}, AT_NS, LIMITS)
    assert len(faults) == 1
    assert says in faults[0]


def test_the_limits_themselves_pass() -> None:
    """|z'| of 2, |En| of 1 and no En at all are good."""
    assert judged({**GOOD, "z_prime": -2.0, "en": 1.0}, AT_NS, LIMITS)[0] == []
    assert judged({**GOOD, "en": None}, AT_NS, LIMITS)[0] == []
