"""The uncertainty of an energy: every component of Energy Standard v1, section 5, and the budget that joins them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

from joulemark.readings import Accuracy

SQRT3: Final = math.sqrt(3.0)
COVERAGE_PROBABILITY: Final = 0.9545
EVEN: Final = Context(prec=700, rounding=ROUND_HALF_EVEN)
"""As many digits as lie between the largest and the smallest number of double precision, that nothing is refused."""
"""Probability that belongs to k = 2 of a normal distribution (JCGM 100, annex G)."""
ROUNDING: Final = 1e-9
"""Floating-point noise that must not cut a whole number of degrees of freedom to the one below."""

NAMES: Final = (
    "spec",
    "cert",
    "gain_offset",
    "drift",
    "residual",
    "time",
    "edge",
    "sampling",
    "counter",
    "gap",
    "resolution",
    "temperature",
    "estimate",
    "tokens",
    "repeat",
)
"""The components that rule UNC-1 wants to see in every budget."""


def u_spec(energy_j: float, duration_s: float, *, accuracy: Accuracy) -> float:
    """Meter specification: (r E + f R D) / sqrt 3 J. Fully correlated in time and between meters of one model."""
    constant_w = accuracy.pct_range / 100.0 * accuracy.range_w + accuracy.abs_w
    return (accuracy.pct_reading / 100.0 * abs(energy_j) + constant_w * duration_s) / SQRT3


def u_temp(energy_j: float, *, coefficient_per_k: float, outside_k: float) -> float:
    """Temperature: TC times how far the meter's ambient lies outside its stated band (`outside_k`, 0 inside) times E / sqrt 3."""
    return coefficient_per_k * max(0.0, outside_k) * abs(energy_j) / SQRT3


def u_drift(energy_j: float, *, age_days: float, gain_change_per_90_d: float = 0.01) -> float:
    """Drift of an aligned sensor since its alignment; 1 % per 90 days until two alignments exist. Replaces its specification."""
    return gain_change_per_90_d * abs(energy_j) * age_days / 90.0 / SQRT3


def u_cert(energy_j: float, *, u95_rel: float, k: float = 2.0) -> float:
    """Calibration certificate: U_cert / k times E."""
    return u95_rel / k * abs(energy_j)


def u_cal(
    raw_energy_j: float,
    duration_s: float,
    *,
    u_gain: float,
    u_offset_w: float,
    cov_w: float,
    reference_rel: float = 0.0,
    energy_j: float = 0.0,
) -> float:
    """Gain and offset of an alignment, at the raw sensor energy S; plus the reference's standard uncertainty times E, once."""
    variance = (raw_energy_j * u_gain) ** 2 + (duration_s * u_offset_w) ** 2 + 2.0 * raw_energy_j * duration_s * cov_w
    return math.hypot(math.sqrt(max(0.0, variance)), reference_rel * energy_j)


def u_res(duration_s: float, *, plateau_residual_w: float, held_out_j: float = 0.0) -> float:
    """Residual of the fit: the larger of the worst plateau residual and the held-out error scaled to E, rectangular."""
    return max(abs(plateau_residual_w) * duration_s, abs(held_out_j)) / SQRT3


def u_time(delta_s: float, *, power_load_w: float, power_idle_w: float) -> float:
    """Timing: a window late by `delta_s` (clock bound plus latency residual) trades load for idle power."""
    return delta_s * abs(power_load_w - power_idle_w) / SQRT3


def u_edge(dt_s: float, *, power_load_w: float, power_idle_w: float, averaging_window_s: float = 0.0) -> float:
    """Edges: load that starts or stops near a mark. `dt_s`: interval of the readings, or bracket of the counter."""
    return abs(power_load_w - power_idle_w) * (dt_s + averaging_window_s / 4.0) / SQRT3


def u_samp(duration_s: float, *, sd_w: float, duty: float, count: int) -> float:
    """Sampling of a sensor that looks only a share `duty` of the time, `count` readings; 0 for an integrating meter."""
    return duration_s * sd_w * math.sqrt(max(0.0, 1.0 - duty) / count) if count else 0.0


def u_ctr(step_j: float, *, refresh_s: float, power_w: float) -> float:
    """Counter of step r whose refresh falls somewhere within `refresh_s`: hypot(r, T_u P) / sqrt 6, both edges together."""
    return math.hypot(step_j, refresh_s * power_w) / math.sqrt(6.0)


def u_gap(missing_s: float, *, span_w: float) -> float:
    """One gap: missing time times half the span of power around it, rectangular. Several gaps add in quadrature."""
    return missing_s * span_w / 2.0 / SQRT3


def u_q(duration_s: float, *, resolution_w: float, sd_w: float, count: int) -> float:
    """Resolution of power readings; averages out over `count` readings only where the power moves by more than one step."""
    one = duration_s * resolution_w / math.sqrt(12.0)
    return one / math.sqrt(count) if count and sd_w >= resolution_w else one


def u_estimate(duration_s: float, *, half_width_w: float) -> float:
    """A subsystem estimated within +-`half_width_w`; 0 where its upper bound was counted in full."""
    return half_width_w * duration_s / SQRT3


def u_rep(sd: float, *, count: int, factor: float = 1.0) -> float:
    """Repeats: f s / sqrt n in the unit of `sd`; f = 1 for a mean, see `attribute.score` for median and Olympic mean."""
    return factor * sd / math.sqrt(count)


def u_tokens(disagreement: float) -> float:
    """Token count: the largest difference of two counts of the same tokens, rectangular, in tokens."""
    return abs(disagreement) / SQRT3


@dataclass(frozen=True, slots=True)
class Component:
    """One line of a budget.

    `u_j`: standard uncertainty in J, None when it is not known (never 0 for unknown). `dof`: degrees of freedom, infinite for
    type B. `correlation_group`: lines of one name and one group move together and add linearly; an empty group stands alone.
    `source` says where the figure comes from, or why it is 0 or unknown. `share`: part of the variance, set by `Budget.of`.
    """

    name: str
    u_j: float | None
    source: str
    distribution: str = "rectangular"
    dof: float = math.inf
    correlation_group: str = ""
    share: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; infinite degrees of freedom are null."""
        return {
            "name": self.name,
            "u_j": self.u_j,
            "distribution": self.distribution,
            "dof": None if math.isinf(self.dof) else self.dof,
            "correlation_group": self.correlation_group,
            "source": self.source,
            "share": self.share,
        }


def combined(components: Sequence[Component]) -> Component:
    """Lines of one name from several meters as one: linear inside a correlation group, in quadrature between groups.

    Unknown where any of them is unknown. Raises ValueError for no lines or mixed names.
    """
    names = {c.name for c in components}
    if len(names) != 1:
        raise ValueError(f"components of {sorted(names)} cannot be combined into one")
    first = components[0]
    groups: dict[str, float] = {}
    for index, component in enumerate(components):
        if component.u_j is None:
            return component
        key = component.correlation_group or f"#{index}"
        groups[key] = groups.get(key, 0.0) + component.u_j
    source = "; ".join(dict.fromkeys(c.source for c in components))
    group = first.correlation_group if len({c.correlation_group for c in components}) == 1 else ""
    return Component(first.name, math.hypot(*groups.values()), source, first.distribution, min(c.dof for c in components), group)


def effective_dof(terms: Iterable[tuple[float, float]]) -> float:
    """Welch-Satterthwaite degrees of freedom of (standard uncertainty, dof) terms, truncated; infinite when all are type B."""
    pairs = list(terms)
    largest = max((abs(u) for u, _ in pairs), default=0.0)
    if largest == 0.0 or not math.isfinite(largest):
        return math.inf
    shares = [(u / largest, dof) for u, dof in pairs]  # only their proportions count, and fourth powers overflow
    u4 = sum(u * u for u, _ in shares) ** 2
    weight = sum(u**4 / dof for u, dof in shares if not math.isinf(dof))
    return math.inf if weight == 0.0 else float(math.floor(u4 / weight + ROUNDING))


def coverage_factor(nu_eff: float) -> float:
    """K for about 95 %: 2 from 10 degrees of freedom on, else Student's t at 95.45 % (UNC-3). Raises ValueError below 1."""
    if nu_eff >= 10:
        return 2.0
    if nu_eff < 1:
        raise ValueError("fewer than one degree of freedom carries no coverage factor")
    from scipy import special

    return float(special.stdtrit(nu_eff, (1.0 + COVERAGE_PROBABILITY) / 2.0))


@dataclass(frozen=True, slots=True)
class Budget:
    """The components of one energy and what they come to. Lines that are not known are named in `missing`."""

    components: tuple[Component, ...]

    @classmethod
    def of(cls, components: Sequence[Component]) -> Budget:
        """A budget in the order of `NAMES`, shares filled in. Raises ValueError when one of the names is absent or twice there."""
        by_name = {c.name: c for c in components}
        if set(by_name) != set(NAMES) or len(components) != len(NAMES):
            raise ValueError(f"a budget holds each of {', '.join(NAMES)} once")
        total = sum((c.u_j or 0.0) ** 2 for c in components)
        lines = []
        for name in NAMES:
            c = by_name[name]
            share = (c.u_j or 0.0) ** 2 / total if total else 0.0
            lines.append(Component(c.name, c.u_j, c.source, c.distribution, c.dof, c.correlation_group, share))
        return cls(tuple(lines))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the components that are not known."""
        return tuple(c.name for c in self.components if c.u_j is None)

    @property
    def u_c_j(self) -> float:
        """Combined standard uncertainty of the known components."""
        return math.hypot(*(c.u_j for c in self.components if c.u_j is not None))

    @property
    def nu_eff(self) -> float:
        """Effective degrees of freedom."""
        return effective_dof((c.u_j, c.dof) for c in self.components if c.u_j is not None)

    @property
    def k(self) -> float:
        """Coverage factor."""
        return coverage_factor(self.nu_eff)

    @property
    def u95_j(self) -> float:
        """Expanded uncertainty k u_c of the known components."""
        return self.k * self.u_c_j

    def component(self, name: str) -> Component:
        """The line called `name`."""
        return next(c for c in self.components if c.name == name)

    def to_json(self, energy_j: float) -> dict[str, Any]:
        """Plain dictionary, unrounded; `u95_rel` is relative to `energy_j` and null where that is 0."""
        return {
            "u_c_j": self.u_c_j,
            "nu_eff": None if math.isinf(self.nu_eff) else self.nu_eff,
            "k": self.k,
            "u95_j": self.u95_j,
            "u95_rel": self.u95_j / abs(energy_j) if energy_j else None,
            "missing": list(self.missing),
            "components": [c.to_json() for c in self.components],
        }


def displayed(value: float, u95: float) -> tuple[str, str]:
    """Value and expanded uncertainty for people: U to two significant digits, the value to the same place (UNC-5).

    An exact value (U = 0) keeps its shortest digits.
    """
    if u95 == 0.0:
        return f"{Decimal(repr(value)):f}", "0"
    width = Decimal(repr(abs(u95)))
    place = Decimal(1).scaleb(width.adjusted() - 1)
    rounded = width.quantize(place, context=EVEN)
    if rounded.adjusted() > width.adjusted():  # 0.0996 became 0.100: three digits, drop one
        place = place.scaleb(1)
        rounded = width.quantize(place, context=EVEN)
    return f"{Decimal(repr(value)).quantize(place, context=EVEN):f}", f"{rounded:f}"
