"""Route of services: joules and money per token over any window, from the meters and the counters of the engines."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from joulemark.cards.reprice import with_pue
from joulemark.cards.serving import SERVING_SCHEMA, Known, service_json
from joulemark.collector.api import calibrations
from joulemark.collector.api.prices import Text
from joulemark.collector.api.problems import described
from joulemark.collector.api.state import Served, State
from joulemark.collector.catalog import Full
from joulemark.collector.serving import groups, settled, settled_ns
from joulemark.errors import InsufficientData, UsageError
from joulemark.pricing import kept, sources, stated
from joulemark.pricing.price import PriceModel
from joulemark.pricing.snapshot import Snapshot
from joulemark.units import NS_PER_S

router = APIRouter(prefix="/v1/serving", tags=["serving"], responses=described(409, 429))

MOST_SLICES: Final = 100
"""Each is an energy of its own: 50 ms where eight GPUs serve."""

LONGEST_NS: Final = 10 * 86_400 * NS_PER_S
"""Time of one answer, over all meters of it: as for readings."""

Time = Annotated[int | None, Query(ge=0, lt=2**63)]
Agents = Annotated[list[Annotated[str, Query(max_length=500)]], Query(max_length=100, default_factory=list)]


@router.get("", responses={304: {"description": "Not Modified"}})
async def serving(
    request: Request,
    state: Served,
    agent: Agents,
    begin_ns: Time = None,
    end_ns: Time = None,
    last_s: Annotated[float | None, Query(gt=0, le=864_000)] = None,
    step_s: Annotated[float | None, Query(ge=0.1, le=864_000)] = None,
    model: Text = None,
    provider: Text = None,
    region: Text = None,
    instance_type: Text = None,
    price_model: PriceModel | None = None,
    os: Text = None,
    tariff_zone: Text = None,
    price: Text = None,
    tariff: Text = None,
    pue: Annotated[Decimal | None, Field(ge=0, max_digits=20), Query()] = None,
) -> Response:
    """Joules and money per 1000 tokens of every service here, `joulemark.serving/1`: from `begin_ns` to `end_ns`, or of the last `last_s`.

    `step_s`: one slice for each so many seconds. `model`: only that one is listed. `agent`: whose machines make the service, where the
    engines alone do not tell. What is rented is named as for `/v1/cost`; `price` and `tariff`: in place of those known, as `55.04USD/h`
    and `0.12USD/kWh`.
    """
    named = {"provider": provider, "region": region, "instance_type": instance_type, "price_model": price_model, "os": os}
    labels = {name: str(value) for name, value in {**named, "tariff_zone": tariff_zone}.items() if value}
    if (last_s is None) == (begin_ns is None or end_ns is None):
        raise UsageError("a window is begin_ns and end_ns, or last_s", "give both edges, or how many seconds until now")
    if last_s is None:
        span = (begin_ns or 0, end_ns or 0)
    else:
        end = await asyncio.to_thread(newest, state, agent, model)
        span = (end - round(last_s * NS_PER_S), end)
    cuts = edges(*span, step_s)
    found = await asyncio.to_thread(answer, state, cuts, agent, model, labels=labels, stating=Stating(price, tariff, pue))
    body = json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def edges(begin_ns: int, end_ns: int, step_s: float | None) -> list[int]:
    """Begin, the steps between, and end. Raises UsageError for what is no window, Full for too many slices."""
    if end_ns <= begin_ns:
        raise UsageError(f"the window ends at {end_ns} ns, which is not after its begin {begin_ns} ns", "give the earlier time first")
    if step_s is None:
        return [begin_ns, end_ns]
    step_ns = round(step_s * NS_PER_S)
    if (end_ns - begin_ns) / step_ns > MOST_SLICES:
        raise Full(f"{(end_ns - begin_ns) / step_ns:.0f} slices are more than {MOST_SLICES}", "ask for a longer step_s or a shorter window")
    return [*range(begin_ns, end_ns, step_ns), end_ns]


def newest(state: State, agents: Sequence[str], model: str | None) -> int:
    """Until when the services asked for were read. Raises InsufficientData where nobody reads them now."""
    now_ns = state.clock.utc_ns()
    found = settled_ns([group.read(state.store, now_ns, now_ns) for group in groups(state.store, agents=agents, model=model)], now_ns)
    if found is None:
        raise InsufficientData("no meter of a service was read in the last minute", "start its agent, or give begin_ns and end_ns")
    return found


@dataclass(frozen=True, slots=True)
class Stating:
    """Money in the words of who asks: in place of prices and tariffs that are known."""

    price: str | None = None
    tariff: str | None = None
    pue: Decimal | None = None

    def labels(self, labels: dict[str, str]) -> dict[str, str]:
        """The labels with a name for what a stated price is of, where nobody named it."""
        needed = ("provider", "region", "instance_type") if self.price else ()
        zone = {"tariff_zone": stated.UNNAMED} if self.tariff else {}
        return {**dict.fromkeys(needed, stated.UNNAMED), **labels, **zone}

    def prices(self, state: State, labels: dict[str, str], begin_ns: int, end_ns: int) -> Snapshot:
        """What is known of the time, and what was stated. Raises what `kept.known` and `stated` do."""
        found = kept.known(state.config, state.clock, during=(begin_ns, end_ns), instance_type=labels.get("instance_type", ""))
        when = {"valid_from_ns": begin_ns, "read_ns": begin_ns}
        if self.price:
            found = replace(found, prices=(stated.price(self.price, labels=labels, **when),))
        if self.tariff:
            found = replace(found, tariffs=(stated.tariff(self.tariff, zone=stated.UNNAMED, **when),))
        return with_pue(found, self.pue)


def answer(
    state: State, cuts: list[int], agents: Sequence[str], model: str | None, *, labels: dict[str, str], stating: Stating
) -> dict[str, Any]:
    """`joulemark.serving/1`. Raises InsufficientData where no service is known, Full for more readings than one answer may read."""
    found = groups(state.store, agents=agents, model=model)
    meters = sum(len(group.meter_ids) for group in found)
    if meters * (cuts[-1] - cuts[0]) > LONGEST_NS:
        raise Full(
            f"{meters} meters over that time are more than ten days of readings", "ask for a shorter window, or for one model or agent"
        )
    services = [group.read(state.store, cuts[0], cuts[-1]) for group in found]
    own = stating.labels(labels)
    prices, limits, aligned = stating.prices(state, own, cuts[0], cuts[-1]), sources.limits(), calibrations.kept(state)
    return {
        "schema": SERVING_SCHEMA,
        "begin_ns": cuts[0],
        "end_ns": cuts[-1],
        "model": model,
        "settled": settled(services, cuts[-1]),
        "services": [
            service_json(
                service,
                cuts,
                Known(prices, own, limits, aligned.in_force({one.meter.meter_id for one in service.series}, cuts[0])),
                model=model,
            )
            for service in services
        ],
    }
