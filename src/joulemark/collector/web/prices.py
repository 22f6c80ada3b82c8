"""The page of prices: how old they are, of whom they are known, what changed, and which one counted when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from joulemark.collector.api import prices as rest
from joulemark.collector.api.bodies import PRINTABLE
from joulemark.collector.api.state import Served, State
from joulemark.collector.standing import Age
from joulemark.collector.web import looks
from joulemark.collector.web.drawings import steps
from joulemark.markup import Markup
from joulemark.pricing import kept, money, sources
from joulemark.pricing.answer import Status
from joulemark.pricing.changes import Coverage, Difference, coverage, difference
from joulemark.pricing.dates import moment_ns, moment_text
from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.history import Stretch, history
from joulemark.pricing.price import Price, PriceModel
from joulemark.pricing.store import PriceStore
from joulemark.pricing.wanted import FOREVER_NS, Question, Wanted
from joulemark.units import NS_PER_S

router = APIRouter(include_in_schema=False)

SNAPSHOTS: Final = 20
"""Lists that are named, the newest."""
CHANGES: Final = 50
"""Changes that are named of each feed."""
HALF_YEAR_NS: Final = 183 * 86_400 * NS_PER_S
"""Of the history on either side of the moment that is asked for."""

AGES: Final = {Age.FRESH: "good", Age.STALE: "doubt", Age.EXPIRED: "bad", Age.NEVER: "bad"}
STATUSES: Final[Mapping[str, tuple[str, str]]] = {
    Status.BRACKETED: ("good", "seen at or before the moment, and the first time it was seen after it, it was the same"),
    Status.FRESH: ("good", "seen before the moment and not yet again, within the age at which its source is fresh"),
    Status.MANUAL: ("good", "somebody wrote it down"),
    Status.STALE: ("doubt", "seen before the moment and not again; older than its source should be"),
    Status.CHANGED: ("doubt", "seen before and after the moment, and not the same: the earlier one is used"),
    Status.LATE: ("doubt", "first seen after the moment, by a provider who says since when it is charged"),
    Status.BUNDLED: ("doubt", "from the prices that come with Joulemark, however old"),
    Status.MISSING: ("bad", "no price of it is known for the moment"),
    Status.AMBIGUOUS: ("bad", "more than one price fits, and there is no way to choose"),
}
"""Status of an answer: its colour, and what it means."""

Text = Annotated[str | None, Query(max_length=200, pattern=PRINTABLE)]


@dataclass(frozen=True, slots=True)
class Known:
    """What the store holds: lists that brought prices, newest first, what each feed changed last, whose prices are known, the id of all."""

    snapshots: tuple[Fetch, ...] = ()
    differences: tuple[Difference, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    snapshot_id: str = ""
    prices: int = 0
    tariffs: int = 0


@router.get("/prices")
async def prices(
    state: Served,
    provider: Text = None,
    instance_type: Text = None,
    region: Text = None,
    valid_at: Annotated[str | None, Query(max_length=40, pattern=PRINTABLE)] = None,
    price_model: PriceModel = PriceModel.ON_DEMAND,
    os: Annotated[str, Query(max_length=200, pattern=PRINTABLE)] = "linux",
) -> HTMLResponse:
    """How prices stand; with provider, machine and region also the one that counted at `valid_at`, with less those that are known."""
    asked: dict[str, Any] = {"provider": provider or None, "instance_type": instance_type or None, "region": region or None}
    told = await rest.feeds(state)
    known = await asyncio.to_thread(known_to, state)
    found: dict[str, Any] = {"answer": None, "listed": None, "drawing": None, "stretches": ()}
    whole = all(asked.values())
    if any(asked.values()) or valid_at:
        answered = await rest.prices(
            state,
            **asked,
            valid_at=valid_at or None,
            known_at=None,
            price_model=price_model,
            os=os or "linux",
            limit=100,
            offset=0,
        )
        found["answer" if whole else "listed"] = answered if whole else answered["prices"]
    if whole:
        found |= await asyncio.to_thread(over_time, state, valid_at or "", **asked, price_model=price_model, os=os or "linux")
    return await looks.page(
        state,
        "prices.html",
        here="/prices",
        title="Prices",
        feeds=[{**one, "look": AGES[Age(one["age"])], "ago": ago(one["age_s"])} for one in told["feeds"]],
        known=known,
        asked={**asked, "valid_at": valid_at or "", "price_model": str(price_model), "os": os},
        models=[str(model) for model in PriceModel],
        statuses=STATUSES,
        config=f" --config {state.config.path}" if state.config.path else "",
        **found,
    )


def known_to(state: State) -> Known:
    """What is kept here; nothing, and no file made, where nothing ever was."""
    if not kept.exists(state.config):
        return Known()
    with kept.opened(state.config, state.clock) as store:
        ((mark,),) = store.asked("SELECT coalesce(max(rowid), 0) FROM price_fetch", ())
    place = kept.place(state.config)
    return read(place, place.stat().st_ino, mark)


@lru_cache(maxsize=2)
def read(place: Path, inode: int, mark: int) -> Known:
    """What the store at `place` holds, counted once: rows are only added, and `mark` counts its fetches."""
    del inode, mark
    with PriceStore(place) as store, store.at_once():
        totals = store.totals()
        found = (difference(store, check.last.feed, check.last.scope, most=CHANGES) for check in store.checks())
        return Known(
            tuple(store.fetches(outcome=Outcome.OK, limit=SNAPSHOTS)),
            tuple(one for one in found if one is not None),
            tuple(coverage(store)),
            totals.snapshot_id,
            totals.prices,
            totals.tariffs,
        )


def over_time(
    state: State, valid_at: str, *, provider: str, instance_type: str, region: str, price_model: PriceModel, os: str
) -> dict[str, Any]:
    """The price from half a year before the moment until half a year after it, or now, as a table and as a drawing."""
    now_ns = state.clock.utc_ns()
    at_ns = moment_ns(valid_at, "valid_at") if valid_at else now_ns
    begin_ns, end_ns = max(at_ns - HALF_YEAR_NS, 0), max(min(at_ns + HALF_YEAR_NS, now_ns), at_ns + 1)
    known = kept.known(state.config, state.clock, during=(at_ns, at_ns + 1), instance_type=instance_type)
    wanted = Wanted(provider, instance_type, region, price_model=price_model, os=os)
    stretches = history(known.prices, Question(wanted, begin_ns, FOREVER_NS, sources.limits()), end_ns=end_ns)
    return {"stretches": [line(one) for one in stretches], "drawing": drawn(stretches)}


def line(one: Stretch) -> dict[str, Any]:
    """A stretch in the table."""
    price = one.answer.price
    return {
        "begin": moment_text(one.begin_ns)[:19],
        "end": moment_text(one.end_ns)[:19],
        "asks": None if price is None else asks(price),
        "believed": moment_text(one.seen_ns)[:19] if one.seen_ns < one.end_ns else None,
        "status": str(one.answer.status),
        "source": "" if price is None else f"{price.feed} {price.list_version}".rstrip(),
        "reason": one.answer.reason,
    }


def asks(price: Price) -> str:
    """What a price asks: decimal text, currency and unit."""
    return f"{money.text(price.amount)} {price.currency}/{price.unit}"


def drawn(stretches: tuple[Stretch, ...]) -> Markup | None:
    """The steps; None where fewer than one price is known, or they cannot stand on one scale."""
    priced = [(one, one.answer.price) for one in stretches if one.answer.price is not None]
    units = {(price.currency, price.unit) for _, price in priced}
    if len(units) != 1:
        return None
    ((currency, unit),) = units
    amounts = [price.amount for _, price in priced]
    low, high = money.text(min(amounts)), money.text(max(amounts))
    first, last = moment_text(stretches[0].begin_ns)[:10], moment_text(stretches[-1].end_ns)[:10]
    span = (
        f"{low} {currency}/{unit} throughout"
        if low == high
        else f"between {low} and {high} {currency}/{unit}, last {money.text(amounts[-1])}"
    )
    return steps.steps(
        [steps.Stretch(one.begin_ns, one.end_ns, one.seen_ns, price.amount) for one, price in priced],
        begin_ns=stretches[0].begin_ns,
        end_ns=stretches[-1].end_ns,
        said=f"Price from {first} to {last}: {span}",
    )


def ago(age_s: float | None) -> str:
    """An age in the two largest of days, hours, minutes and seconds."""
    if age_s is None:
        return ""
    left = max(round(age_s), 0)
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number or parts or unit == "s":
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])
