"""The badge of a ring test in a bundle, held against what CAL-8 asks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from joulemark.units import NS_PER_S

LIMITS: Final = ("age_d", "z", "zeta", "en", "laboratories")


def judged(badge: Mapping[str, Any], at_ns: int, limits: Mapping[str, float]) -> tuple[list[str], dict[str, float | int | str | None]]:
    """(what is wrong with `badge` for a run at `at_ns` UTC, what it says).

    z' counts where the round has one, else z; En where it has a reference value. A value that is good but further off than its own
    uncertainty allows, |zeta| above its limit while |z| is not, takes the badge; so do too few laboratories for a z (section 4).
    """
    try:
        age_d: int | None = (datetime.fromtimestamp(at_ns // NS_PER_S, UTC).date() - date.fromisoformat(str(badge.get("date")))).days
    except ValueError:
        age_d = None
    z = number(badge.get("z") if badge.get("z_prime") is None else badge.get("z_prime"))
    en, zeta, laboratories = (number(badge.get(name)) for name in ("en", "zeta", "laboratories"))
    faults = []
    if age_d is None or not 0 <= age_d <= limits["age_d"]:
        faults.append("the badge has no date" if age_d is None else f"the last round is {age_d} d before the run")
    if z is None or abs(z) > limits["z"]:
        faults.append("the badge has no z'" if z is None else f"|z'| is {abs(z):.2f}")
    if en is not None and abs(en) > limits["en"]:
        faults.append(f"|En| is {abs(en):.2f}")
    if zeta is not None and z is not None and abs(zeta) > limits["zeta"] and abs(z) <= limits["z"]:
        faults.append(f"the uncertainty is understated: |zeta| is {abs(zeta):.2f}")
    if laboratories is not None and laboratories < limits["laboratories"]:
        faults.append(f"{laboratories:g} laboratories give no z'")
    return faults, {"age_d": age_d, "z": z, "en": en}


def number(value: object) -> float | None:
    """A number as it stands in a document; None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
