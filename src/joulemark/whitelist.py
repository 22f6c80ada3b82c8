"""The whitelist: meters whose limit of error is known, as a formula with its source, in `whitelist.toml` beside this file.

To be listed proves nothing. What counts is the limit of error at the load and on the range of a measurement (Energy Standard v1,
MET-2); an entry saves looking the formula up, and its status is recorded beside (MET-3). Figures that nobody read in the maker's
document are marked as not verified and are never good enough for level ES2.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joulemark import document
from joulemark.readings import Accuracy

LEVELS: Final = ("ES0", "ES1", "ES2")

TIERS: Final = ("none", "bronze", "silver", "gold", "platinum")
LEAST_TIER: Final = {"ES0": "none", "ES1": "bronze", "ES2": "silver"}
"""How far the driver that reads a meter has to be proven (`meters/quality.py`): for ES2 with what real hardware said."""

PATH: Final = Path(__file__).with_suffix(".toml")

VENDORS: Final = {
    "SCHNEIDER": "APC",
    "AMERICANPOWERCONVERSION": "APC",
    "GEIST": "VERTIV",
    "ALLTERCO": "SHELLY",
    "GOODWILL": "GWINSTEK",
    "INSTEK": "GWINSTEK",
    "ZES": "ZESZIMMER",
    "SERVERTECH": "SERVERTECHNOLOGY",
    "N4L": "NEWTONS4TH",
    "GAVAZZI": "CARLOGAVAZZI",
}
"""Beginnings of other names that devices of a vendor give themselves."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One device. The limit at power P on a range of R watts is `pct_reading` % of P + `pct_range` % of R + `abs_w`.

    `pct_*` are None where no formula for active power is known. `model`: regular expression over a model as `plain` writes it.
    `max_amps`: of the largest range, None where it was not looked up. `ptd_id`, `ptd_names`: device types and names of PTDaemon.
    `listed_by`: whose list it stood on at `date_checked`. `verified`: the figures were read in `source`. `rejected`: why it is good
    for no level, else empty. `temperature_coefficient_per_k`, `ambient_*_c`: as in `Accuracy`, None where nobody read them.
    """

    id: str
    vendor: str
    model: str
    interface: tuple[str, ...]
    conditions: str
    source: str
    date_checked: str
    verified: bool
    pct_reading: float | None = None
    pct_range: float = 0.0
    abs_w: float = 0.0
    max_amps: float | None = None
    ptd_id: tuple[int, ...] = ()
    ptd_names: tuple[str, ...] = ()
    listed_by: tuple[str, ...] = ()
    rejected: str = ""
    temperature_coefficient_per_k: float | None = None
    ambient_low_c: float | None = None
    ambient_high_c: float | None = None

    def accuracy(self, range_w: float) -> Accuracy | None:
        """The limit of error on a range of `range_w` watts, with its source; None where no formula is known.

        `range_w` is the sum of the ranges of all channels that are added (MET-2), 0 for a meter that has none.
        """
        if self.pct_reading is None or self.rejected:
            return None
        source = f"whitelist {self.id}: {self.source}"
        return Accuracy(
            self.pct_reading,
            self.pct_range,
            range_w,
            self.abs_w,
            source if self.verified else f"{source} (not verified)",
            self.temperature_coefficient_per_k,
            self.ambient_low_c,
            self.ambient_high_c,
        )

    def limit_rel(self, power_w: float, range_w: float) -> float | None:
        """Limit of error at `power_w` relative to it; None where no formula is known. Raises ValueError without power."""
        if power_w <= 0.0:
            raise ValueError(f"a relative limit at {power_w} W")
        stated = self.accuracy(range_w)
        return None if stated is None else stated.limit_w(power_w) / power_w


def usable(entry: Entry, level: str, *, tier: str) -> bool:
    """Whether a measurement of `level` may rest on the formula of `entry`, read by a driver of `tier`. Raises ValueError for unknown ones.

    One that is rejected is good for none, one that is not verified not for ES2. The limit at the load is judged apart from this (MET-2).
    """
    if level not in LEVELS or tier not in TIERS:
        raise ValueError(f"no level {level!r} or no tier {tier!r}: {', '.join(LEVELS)}; {', '.join(TIERS)}")
    if entry.rejected or entry.pct_reading is None or TIERS.index(tier) < TIERS.index(LEAST_TIER[level]):
        return False
    return entry.verified or level != "ES2"


def find(vendor: str, model: str) -> Entry | None:
    """The entry of what a device calls itself; None where it is not listed.

    `model` may be a name of PTDaemon (`YokogawaWT310E`), or `vendor;model;serial;firmware` as in its `Identify`, with an empty vendor.
    """
    if ";" in model:
        vendor, model = (*model.split(";"), "")[:2]
    named, asked = vendor_of(vendor), plain(model)
    for entry in entries():
        if asked and asked in map(plain, entry.ptd_names):
            return entry
        of_vendor = entry.vendor and named.startswith(plain(entry.vendor))
        if of_vendor and asked and re.fullmatch(entry.model, asked.removeprefix(plain(entry.vendor)) or asked):
            return entry
    return None


def plain(name: str) -> str:
    """`name` in upper case, letters, digits and `+` alone."""
    return re.sub(r"[^A-Z0-9+]", "", name.upper())


def vendor_of(name: str) -> str:
    """The plain name of a vendor, one name for all that its devices give."""
    given = plain(name)
    return next((known for other, known in VENDORS.items() if given.startswith(other)), given)


@functools.cache
def entries() -> tuple[Entry, ...]:
    """All entries, in the order of the file. Raises FormatError for a broken one."""
    return tuple(parsed(data) for data in tomllib.loads(PATH.read_text(encoding="utf-8"))["device"])


def parsed(data: Mapping[str, Any]) -> Entry:
    """The entry of one table of the file. Raises FormatError for an unknown or missing key and a value of another kind."""
    return document.record(Entry, data, where=f"{PATH.name}: {document.shown(data.get('id'))}")
