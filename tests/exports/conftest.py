"""Cards of runs with chosen phases and prices: 5000 W at the wall over all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from joulemark.cards import card
from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.exports import usage
from joulemark.exports.usage import Usage
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import Price, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.tariffs import Basis, Tariff
from joulemark.readings import Accuracy, Boundary, Current, MeterInfo, Quantity
from joulemark.runs import PhaseKind, Run, Tokens, Window
from joulemark.units import NS_PER_S

RUN_ID = "01900000-0000-7000-8000-000000000000"
BEGIN_NS = moment_ns("2026-09-21T12:00:00Z", "begin")
LABELS = {"provider": "aws", "region": "us-east-1", "instance_type": "p5.48xlarge"}
WATTS = 5000

Make = Callable[..., tuple[Usage, ...]]


def window(name: str, begin_s: float, end_s: float, *, at_ns: int = BEGIN_NS, **more: Any) -> Window:
    """A measured phase so many seconds after `at_ns`, with tokens unless `more` says otherwise."""
    fields = {
        "kind": PhaseKind.MEASURED,
        "tokens": Tokens(input=4_800_000, output=1_200_000, source="server usage"),
        "requests": 10,
        **more,
    }
    return Window(name, begin_ns=at_ns + round(begin_s * NS_PER_S), end_ns=at_ns + round(end_s * NS_PER_S), **fields)


def price(**changes: Any) -> Price:
    """55.04 USD per hour for a machine of eight GPUs on demand, with `changes`."""
    fields: dict[str, Any] = {
        "amount": Decimal("55.04"),
        "currency": "USD",
        "unit": Unit.INSTANCE_HOUR,
        "gpu_count": 8,
        "gpu_model": "H100",
        "vcpu": 192,
        "memory_gib": Decimal(2048),
        "sku_id": "SKU1",
        "zone": "us-east-1a",
        "effective_from_ns": moment_ns("2024-01-01", "x"),
        "fetched_at_ns": moment_ns("2026-09-20", "x"),
        "source_url": "https://example.com/list",
    }
    return Price(**{**LABELS, **fields, **changes})


def snapshot(**changes: Any) -> Snapshot:
    """That price, and a tariff."""
    times = {"effective_from_ns": moment_ns("2024-01-01", "x"), "fetched_at_ns": moment_ns("2026-09-20", "x")}
    tariff = Tariff("site", Decimal("0.10"), "USD", Basis.MEASURED, source_url="https://example.com/bill", pue=Decimal("1.2"), **times)
    return Snapshot((price(**changes),), (tariff,))


def card_of(windows: Sequence[Window], **more: Any) -> dict[str, Any]:
    """The card of `evidence_of` the same."""
    return card.build(evidence_of(windows, **more))


def evidence_of(windows: Sequence[Window], *, prices: Snapshot | None = None, simulated: bool = False, **run: Any) -> Evidence:
    """A run of `windows`, read at the wall each second."""
    begin_ns, end_ns = min(w.begin_ns for w in windows), max(w.end_ns for w in windows)
    t_ns = np.arange(begin_ns - 60 * NS_PER_S, end_ns + 60 * NS_PER_S, NS_PER_S)
    meter = MeterInfo(
        meter_id="ipmi:node.1:BMC/7:power",
        kind="ipmi",
        quantity=Quantity.POWER,
        exponent=0,
        boundary=Boundary.SERVER_INPUT,
        current=Current.AC,
        averaging_window_s=1.0,
        accuracy=Accuracy(pct_reading=1.0, source="data sheet"),
        simulated=simulated,
    )
    fields = {"benchmark": "aiperf", "run_id": RUN_ID, "labels": LABELS, **run}
    series = Series.plain(meter, t_ns, np.full(len(t_ns), WATTS))
    return Evidence.gathered(Run(tuple(windows), **fields), (series,), snapshot() if prices is None else prices)


@functools.cache
def plain() -> tuple[Usage, ...]:
    """Ten minutes at the price of `snapshot`."""
    return usage.of_card(card_of([window("decode", 0, 600)]))


@pytest.fixture
def make() -> Make:
    """`make(windows, prices=..., **run)`: what each phase used."""

    def made(windows: Sequence[Window] | None = None, **more: Any) -> tuple[Usage, ...]:
        return usage.of_card(card_of(windows or [window("decode", 0, 600)], **more)) if windows or more else plain()

    return made
