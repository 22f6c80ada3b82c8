"""The certificate of a meter's calibration, as far as figures are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LARGEST_U: Final = 1e9
"""No figure of a certificate is larger."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Calibration certificate of a meter: `u95_rel` is its expanded relative uncertainty at `k`. `guard_band_rel`: it states conformity
    with the maker's specification, decided with this guard band; None where it does not.
    """

    serial: str
    date: str
    laboratory: str
    u95_rel: float
    k: float = 2.0
    sha256: str = ""
    guard_band_rel: float | None = None

    @property
    def believable(self) -> bool:
        """Whether its figures lie where computations hold."""
        return all(0 <= v < LARGEST_U for v in (self.u95_rel, self.k, self.guard_band_rel or 0.0))
