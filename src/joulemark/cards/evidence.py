"""Evidence: everything a card is made from, and nothing else. The card and its bundle are functions of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np

from joulemark import __version__
from joulemark.calibration.alignment import Alignment
from joulemark.chain import Chain
from joulemark.energy.series import INTEGRABLE, Series
from joulemark.meter_log import MeterLog
from joulemark.node import Nodes
from joulemark.pricing.answer import Answer, Status
from joulemark.pricing.carbon import Carbon, CarbonKind
from joulemark.pricing.lookup import Step, course
from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.rates import Rate
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.tariffs import Tariff
from joulemark.pricing.wanted import AsOf, Limits, Wanted
from joulemark.request_log import Request
from joulemark.runs import Run, Window
from joulemark.units import NS_PER_S
from joulemark.workload import Workload

MARGIN_S: Final = 30.0
"""Readings this long before the first phase and after the last belong to the evidence: they show what the load rose from."""

BRACKETS: Final = 2
"""At least so many readings stay on each side, however slow the meter."""

RENTED: Final = ("provider", "region", "instance_type")
"""Labels of a run that name what was rented."""

OPEN: Final = ("price_model", "os", "zone", "tenancy", "term_months", "payment_option", "sku_id")
"""Labels that say more of it, where it is not rented as most is; names of fields of `Wanted`."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """An alignment with the raw readings of the sensor and of the reference that it was made from."""

    record: Alignment
    sensor: Series
    reference: Series


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run, the readings around its phases, and what is known of clocks, losses, cost of monitoring and prices.

    `clocks`: by host, its state and bounds. `losses`: dated losses of readings that touch the run. `overhead`: what monitoring
    cost. `clock_steps`: jumps of a host's UTC during the run, which moved no reading; an empty `agent_id` is the collector. `price`:
    the answer of the look-up of what was rented, when the first counted phase began; `changes`: of the price until the last one ended.
    `as_of`: under what was looked up. `tariffs`, `carbons`: what held during the counted phases, in order of time. `rate`:
    between the currencies of price and tariff, where they differ. `produced_by`:
    software and its versions. `nodes`, `workload`, `requests`, `meter_log`, `alignments` and `chain`: what the rules of the standard ask
    about; empty or None where nobody recorded it. `rule_set`: the version of the standard that the card is meant for. The energies are
    not part of it: they follow from run and series.
    """

    run: Run
    series: tuple[Series, ...]
    clocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    losses: Sequence[Mapping[str, Any]] = ()
    overhead: Mapping[str, Any] = field(default_factory=dict)
    clock_steps: Sequence[Mapping[str, Any]] = ()
    price: Answer = field(default_factory=lambda: Answer(Status.MISSING, reason="no price was looked up"))
    changes: tuple[Step, ...] = ()
    as_of: AsOf = field(default_factory=AsOf)
    tariffs: tuple[Tariff, ...] = ()
    carbons: tuple[Carbon, ...] = ()
    rate: Rate | None = None
    produced_by: Mapping[str, str] = field(default_factory=lambda: {"joulemark": __version__})
    nodes: Nodes = field(default_factory=Nodes)
    workload: Workload | None = None
    requests: tuple[Request, ...] | None = None
    meter_log: MeterLog | None = None
    alignments: tuple[Aligned, ...] = ()
    chain: Chain = field(default_factory=Chain)
    rule_set: str | None = None

    @classmethod
    def gathered(
        cls,
        run: Run,
        series: Sequence[Series],
        prices: Snapshot,
        *,
        known_at_ns: int | None = None,
        limits: Mapping[str, Limits] | None = None,
        **more: Any,
    ) -> Self:
        """The evidence of `run`: `series` cut to its time, price, tariffs and carbon looked up over its counted phases.

        The labels `provider`, `region` and `instance_type` (and those of `OPEN`) name the price, `tariff_zone`, `carbon_zone`
        and `carbon_kind` what is known of its electricity. `known_at_ns`: only what was known then; `limits`: by feed, how old a price
        may be. `more`: the other fields.
        """
        begin_ns, end_ns = counted(run)[0].begin_ns, max(window.end_ns for window in counted(run))
        as_of = AsOf(known_at_ns, limits or {})
        first, *changes = prices_over(run, prices, begin_ns=begin_ns, end_ns=end_ns, as_of=as_of)
        answer = first.answer
        tariffs, carbons = electricity(run, prices, known_at_ns=known_at_ns)
        rate = None
        if answer.price is not None and tariffs and answer.price.currency != tariffs[0].currency:
            rate = prices.rate_at(begin_ns, between=(answer.price.currency, tariffs[0].currency), known_at_ns=known_at_ns)
        looked_up: dict[str, Any] = {"price": answer, "changes": tuple(changes), "as_of": as_of}
        looked_up |= {"tariffs": tariffs, "carbons": carbons, "rate": rate}
        return cls(run, tuple(around(one, run) for one in series), **looked_up, **more)

    @property
    def prices(self) -> tuple[Price, ...]:
        """Every price that the look-up rests on: asked of them alone, it answers the same."""
        named = [*self.price.prices, *(price for step in self.changes for price in (*step.answer.prices, *step.shown_by))]
        return tuple(dict.fromkeys(named))


def counted(run: Run) -> tuple[Window, ...]:
    """The phases a card is about: the measured ones, or all of a run that marks none as measured."""
    return run.measured or run.windows


def price_of(run: Run, prices: Snapshot, *, valid_at_ns: int, known_at_ns: int | None = None) -> Answer:
    """The price of what the labels of `run` say was rented; missing, with the reason, where they do not say."""
    return prices_over(run, prices, begin_ns=valid_at_ns, end_ns=valid_at_ns, as_of=AsOf(known_at_ns))[0].answer


def prices_over(run: Run, prices: Snapshot, *, begin_ns: int, end_ns: int, as_of: AsOf) -> tuple[Step, ...]:
    """The prices that counted from `begin_ns` until before `end_ns`, at least one step; missing where the labels do not say of what."""
    wanted = wanted_of(run)
    if isinstance(wanted, str):
        return (Step(begin_ns, Answer(Status.MISSING, reason=wanted)),)
    return course(prices.prices, as_of.asks(wanted, begin_ns), end_ns=end_ns)


def wanted_of(run: Run) -> Wanted | str:
    """What the labels of `run` say was rented, or the reason why they do not."""
    absent = [label for label in RENTED if not run.labels.get(label)]
    if absent:
        return f"the run does not say what was rented: no label {', '.join(absent)}"
    named: dict[str, Any] = {label: run.labels[label] for label in (*RENTED, *OPEN) if run.labels.get(label)}
    model, months = named.get("price_model", PriceModel.ON_DEMAND), named.get("term_months", "1")
    if model not in list(PriceModel):
        return f"the run's label price_model = {model} is none of {', '.join(PriceModel)}"
    if not (months.isascii() and months.isdigit()):
        return f"the run's label term_months = {months} is no number"
    named |= {"price_model": PriceModel(model)} | ({"term_months": int(months)} if "term_months" in named else {})
    return Wanted(**named)


def electricity(run: Run, prices: Snapshot, *, known_at_ns: int | None = None) -> tuple[tuple[Tariff, ...], tuple[Carbon, ...]]:
    """The tariffs and the carbon intensities that held during the counted phases of `run`, each once, in order of time."""
    tariffs: dict[Tariff, None] = {}
    carbons: dict[Carbon, None] = {}
    label = run.labels.get("carbon_kind")
    kinds = [kind for kind in CarbonKind if label in (None, str(kind))]
    for window in counted(run):
        at = (window.begin_ns, window.end_ns)
        tariffs |= dict.fromkeys(prices.tariffs_over(*at, zone=run.labels.get("tariff_zone"), known_at_ns=known_at_ns).records)
        for kind in kinds:
            found = prices.carbon_over(*at, kind=kind, zone=run.labels.get("carbon_zone"), known_at_ns=known_at_ns)
            carbons |= dict.fromkeys(found.records)
    return tuple(tariffs), tuple(carbons)


def around(series: Series, run: Run) -> Series:
    """The part of `series` from before the first phase of `run` until after its last, gaps and their reasons kept."""
    if not len(series) or not run.windows:
        return series
    margin_ns = round(MARGIN_S * NS_PER_S)
    begin_ns = min(w.begin_ns for w in run.windows)
    end_ns = max(w.end_ns for w in run.windows)
    good_ns = series.t_ns[np.isin(series.quality, INTEGRABLE)]
    before, after = good_ns[good_ns <= begin_ns], good_ns[good_ns >= end_ns]
    from_ns = min([begin_ns - margin_ns, *before[-BRACKETS:].tolist()])
    until_ns = max([end_ns + margin_ns, *after[:BRACKETS].tolist()])
    first = int(np.searchsorted(series.t_ns, from_ns, side="left"))
    last = int(np.searchsorted(series.t_ns, until_ns, side="right"))
    reasons = {row - first: reason for row, reason in series.reasons.items() if first <= row < last}
    return replace(series.rows(slice(first, last)), reasons=reasons)
