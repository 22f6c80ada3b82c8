"""The store against a model of it: whatever was read in whatever order, what was known at a moment is what was seen until then."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.pricing.fetch import Fetch, Outcome
from joulemark.pricing.intake import Intake
from joulemark.pricing.price import Price
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from joulemark.pricing.store import PriceStore
from tests.conftest import ManualClock
from tests.pricing.records import DAY, fetch, price

HOUR_NS = 3600 * 10**9
LISTS = st.lists(st.tuples(st.sampled_from(["p4", "p5"]), st.sampled_from(["1", "2.50", "2.5"])), max_size=3)
READINGS = st.lists(st.one_of(st.none(), LISTS), min_size=1, max_size=6)
"""One reading an hour: a list, or None where the last list was found unchanged."""


def read(store: PriceStore, readings: list[list[tuple[str, str]] | None]) -> list[Price]:
    """Take the readings; every sighting, as a list of all that was ever seen would have it."""
    seen: list[Price] = []
    last: tuple[Fetch, list[Price]] | None = None
    for hour, listed in enumerate(readings):
        at = DAY + hour * HOUR_NS
        if listed is not None:
            one = fetch(requested_at_ns=at, fetched_at_ns=at)
            prices = [replace(price(instance_type=name, amount=amount), fetched_at_ns=at) for name, amount in listed]
            store.take(one, prices)
            last = (one, prices)
        elif last is not None:
            store.take(fetch(requested_at_ns=at, fetched_at_ns=at, outcome=Outcome.NOT_MODIFIED, repeats=last[0].fetch_id))
            prices = [replace(one, fetched_at_ns=at) for one in last[1]]
        else:
            prices = []
        seen += prices
    return seen


@settings(max_examples=25)
@given(READINGS, st.integers(-1, 6))
def test_what_was_known_then(readings: list[list[tuple[str, str]] | None], hour: int) -> None:
    """Each sighting is known from its reading on, neither earlier nor lost later, and points are not repeated."""
    with tempfile.TemporaryDirectory() as folder, PriceStore(Path(folder) / "prices.db") as store:
        seen = read(store, readings)
        known_at_ns = DAY + hour * HOUR_NS
        assert store.snapshot(known_at_ns=known_at_ns).prices == Snapshot(tuple(p for p in seen if p.fetched_at_ns <= known_at_ns)).prices
        assert store.snapshot().prices == Snapshot(tuple(seen)).prices
        assert store.totals().snapshot_id == Snapshot(tuple(seen)).snapshot_id


@settings(max_examples=15)
@given(READINGS)
def test_another_machine_knows_the_same(readings: list[list[tuple[str, str]] | None]) -> None:
    """What one store exports another takes whole, re-sightings too, and exports as the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prices.json"
        with PriceStore(Path(folder) / "here.db") as here:
            read(here, readings)
            manual.write(file, here.snapshot())
        with PriceStore(Path(folder) / "there.db") as there:
            Intake.read(file, clock=ManualClock()).commit(there)
            assert manual.text_of(there.snapshot()) == file.read_text(encoding="utf-8")
