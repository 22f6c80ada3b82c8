"""Evidence of a known run: a GPU with a counter and a power sensor, its node at the wall, prices, and one measured phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from joulemark.cards.evidence import Evidence
from joulemark.energy.series import Series
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import Price, PriceModel, Unit
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.tariffs import Basis, Tariff
from joulemark.readings import Accuracy, Boundary, Current, MeterInfo, Quality, Quantity, TimestampSource
from joulemark.runs import PhaseKind, Run, Tokens, ToolReported, Window
from joulemark.units import NS_PER_S

BEGIN_NS = 1_790_000_000_000_000_000
LOAD_W, IDLE_W = 5000, 2400


def seconds(value: float) -> int:
    return BEGIN_NS + round(value * NS_PER_S)


@pytest.fixture
def run() -> Run:
    tokens = Tokens(input=36_000_000, output=12_000_000, source="server usage", disagreement=6000)
    return Run(
        (
            Window("idle", PhaseKind.IDLE_BEFORE, seconds(-40), seconds(-20)),
            Window("decode", PhaseKind.MEASURED, seconds(0), seconds(600), unc_ns=1_000_000, tokens=tokens, requests=1000),
        ),
        benchmark="joulemark",
        run_id="01900000-0000-7000-8000-000000000000",
        tool_reported=(ToolReported("total_gpu_energy", 3.1e6, "J", "decode", "tool.json"),),
        labels={"provider": "aws", "region": "us-east-1", "instance_type": "p5.48xlarge"},
    )


@pytest.fixture
def wall() -> Series:
    """5000 W from 10 s before the phase until 10 s after it, 2400 W around, read each second at the wall."""
    at = np.arange(-80, 681)
    watts = np.where((at >= -10) & (at <= 610), LOAD_W, IDLE_W)
    meter = MeterInfo(
        meter_id="ipmi:node.1:BMC/7:power",
        kind="ipmi",
        quantity=Quantity.POWER,
        exponent=0,
        boundary=Boundary.SERVER_INPUT,
        current=Current.AC,
        averaging_window_s=1.0,
        accuracy=Accuracy(pct_reading=1.0, source="data sheet"),
    )
    return replace(Series.plain(meter, BEGIN_NS + at * NS_PER_S, watts, t_unc_ns=2_000_000), clock_bound_ns=3_000_000)


@pytest.fixture
def counter() -> Series:
    """A counter in mJ that refreshes each 100 ms under its own stamps, at 700 W."""
    at_ms = np.arange(-60_000, 660_000, 100)
    meter = MeterInfo(
        meter_id="nvml:node.1:GPU-1:energy",
        kind="nvml",
        quantity=Quantity.ENERGY_COUNTER,
        exponent=-3,
        boundary=Boundary.GPU,
        timestamp_source=TimestampSource.DRIVER,
        update_period_s=0.1,
    )
    return replace(Series.plain(meter, BEGIN_NS + at_ms * 1_000_000, 700 * (at_ms + 60_000) + 17), device_stamps=True)


@pytest.fixture
def prices() -> Snapshot:
    at = {"effective_from_ns": moment_ns("2026-01-01", "x"), "fetched_at_ns": moment_ns("2026-09-01", "x")}
    price = Price(
        provider="aws",
        region="us-east-1",
        instance_type="p5.48xlarge",
        amount=Decimal(24),
        currency="USD",
        unit=Unit.INSTANCE_HOUR,
        source_url="https://example.com/list",
        price_model=PriceModel.ON_DEMAND,
        **at,
    )
    tariff = Tariff("site", Decimal("0.10"), "USD", Basis.MEASURED, source_url="https://example.com/bill", pue=Decimal("1.2"), **at)
    return Snapshot((price,), (tariff,))


@pytest.fixture
def gather(run: Run, wall: Series, prices: Snapshot) -> Callable[..., Evidence]:
    """`gather(series=..., run=..., prices=..., **fields)`: evidence with the parts given here changed."""

    def make(**changes: Any) -> Evidence:
        series = changes.pop("series", (wall,))
        return Evidence.gathered(
            changes.pop("run", run),
            series,
            changes.pop("prices", prices),
            **{"clocks": {"node.1": {"synchronised": True, "bound_ns": 3_000_000}}, "overhead": {"read_s_per_s": 0.001}, **changes},
        )

    return make


@pytest.fixture
def with_gap(wall: Series) -> Series:
    """The wall series with three failed reads at 100 s."""
    quality = wall.quality.copy()
    rows = [180, 181, 182]
    quality[rows] = Quality.GAP
    value = wall.value.copy()
    value[rows] = 0
    return replace(wall, quality=quality, value=value, reasons=dict.fromkeys(rows, "BMC did not answer, 3 s"))
