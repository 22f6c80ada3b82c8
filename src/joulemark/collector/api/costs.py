"""Route of costs: what a run costs at the prices of another date, place or machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field

from joulemark.cards.evidence import Evidence
from joulemark.cards.reprice import Asked, Basis, Terms, priced_again, with_pue
from joulemark.collector.api import runs
from joulemark.collector.api.prices import Date, Text
from joulemark.collector.api.problems import described
from joulemark.collector.api.state import Served, State
from joulemark.pricing import kept, stated
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.price import PriceModel
from joulemark.pricing.snapshot import Snapshot

router = APIRouter(prefix="/v1/cost", tags=["prices"], responses=described(409))

Number = Annotated[Decimal | None, Field(ge=0, max_digits=20), Query()]


@router.get("")
async def cost(
    state: Served,
    run: Annotated[str, Query(min_length=1, max_length=64)],
    price: Text = None,
    as_of: Date = None,
    known_at: Date = None,
    provider: Text = None,
    region: Text = None,
    instance_type: Text = None,
    price_model: PriceModel | None = None,
    os: Text = None,
    tariff_zone: Text = None,
    basis: Basis = Basis.MEASURED_WINDOW,
    billing_minimum_s: Number = None,
    pue: Number = None,
) -> dict[str, Any]:
    """What the run costs by the prices known here: `joulemark.cost/1`, as if begun at `as_of`, as known at `known_at`.

    Rent and electricity stand apart. `price`: one price in place of those known, as `55.04USD/h` or `6.88USD/GPU-h`.
    """
    named = {"provider": provider, "region": region, "instance_type": instance_type, "price_model": price_model, "os": os}
    labels = {name: str(value) for name, value in {**named, "tariff_zone": tariff_zone}.items() if value}
    asked = Asked(labels, optional(as_of, "as_of"), optional(known_at, "known_at"), basis)
    evidence = await runs.evidence(state, run)
    if price is not None:
        own = {**{name: stated.UNNAMED for name in ("provider", "region", "instance_type")}, **evidence.run.labels, **labels}
        asked = replace(asked, labels=own)
    prices = await asyncio.to_thread(known, state, evidence, asked, price)
    terms = Terms(minimum_s=billing_minimum_s or Decimal(0))
    return await asyncio.to_thread(priced_again, evidence, with_pue(prices, pue), asked, terms)


def optional(text: str | None, where: str) -> int | None:
    """UTC nanoseconds of a date that may be left out. Raises FormatError for what is none."""
    return moment_ns(text, where) if text else None


def known(state: State, evidence: Evidence, asked: Asked, word: str | None) -> Snapshot:
    """The prices of the machine that is asked for, or the one that `word` states. Raises what `kept.known` and `stated.price` do."""
    labels: Mapping[str, str] = {**evidence.run.labels, **asked.labels}
    found = kept.known(state.config, state.clock, instance_type=labels.get("instance_type", ""))
    if word is None:
        return found
    begin_ns = min(window.begin_ns for window in evidence.run.windows)
    if asked.begin_ns is not None:
        begin_ns = min(begin_ns, asked.begin_ns - (max(window.end_ns for window in evidence.run.windows) - begin_ns))
    one = stated.price(word, labels=labels, valid_from_ns=max(0, begin_ns), read_ns=state.clock.utc_ns())
    return replace(found, prices=(one,))
