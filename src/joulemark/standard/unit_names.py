"""Names of numbers: each ends in its unit, or stands in a list of what has none (INT-9).

Nobody then takes milliseconds for seconds, which in an official checker of another programme let a meter be wrong by 45 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

UNITS: Final = ("w", "j", "s", "ns", "c", "per_k", "usd", "rel", "bytes", "count", "days", "months", "share", "ppm", "ppb")
"""Last words of a name that carries its unit; `rel` and `share` are parts of the thing itself."""

SPELLED: Final = ("joules_per_", "energy_per_")
"""First words of a name that spells its unit out."""

COUNTS: Final = (
    "bytes",
    "cached_input",
    "cached_input_tokens",
    "concurrency",
    "count",
    "disagreement",
    "gaps",
    "input",
    "input_length",
    "input_tokens",
    "laboratories",
    "lag_edges",
    "output",
    "output_length",
    "output_tokens",
    "participating",
    "rank",
    "readings",
    "reasoning",
    "requests",
    "requests_failed",
    "seq",
    "turn",
    "vcpu",
)
"""Numbers of things."""

RATIOS: Final = (
    "coverage",
    "crest_factor",
    "dof",
    "en",
    "exponent",
    "gain",
    "gain_change_per_90_d",
    "k",
    "modulus",
    "nu_eff",
    "pct_range",
    "pct_reading",
    "provisioning",
    "share",
    "step",
    "u_gain",
    "z",
    "z_prime",
    "zeta",
)
"""Numbers without a unit; `modulus` and `step` count steps of `10**exponent`, `pct_` says percent."""

SPELLED_OUT: Final = ("amps", "volts")
"""Names that are their unit."""

FREE: Final = frozenset({"labels"})
"""Keys below which somebody else chose the names."""

NAMED: Final = frozenset((*COUNTS, *RATIOS, *SPELLED_OUT))


def nameless(data: Any, *, path: str, key: str = "") -> Iterator[str]:
    """The path of every number whose name carries no unit and is not known to need none.

    A `value` and its `u95` beside a `unit` are named by it.
    """
    if isinstance(data, Mapping):
        told = ("value", "u95") if isinstance(data.get("unit"), str) else ()
        for name, value in data.items():
            if name not in FREE and name not in told:
                yield from nameless(value, path=f"{path}.{name}", key=str(name))
    elif isinstance(data, Sequence) and not isinstance(data, str):
        for value in data:
            yield from nameless(value, path=path, key=key)
    elif isinstance(data, int | float) and not isinstance(data, bool) and not carries_unit(key):
        yield path


def carries_unit(name: str) -> bool:
    """Whether a number of this name can be understood from the name alone."""
    return name in NAMED or name.startswith(SPELLED) or name.endswith(tuple(f"_{unit}" for unit in UNITS))
