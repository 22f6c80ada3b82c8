"""Spans: what holds at each moment of a window, and never a moment longer than it was said to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.pricing import cost
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.spans import Cover, cover
from joulemark.pricing.tariffs import Basis, Tariff
from joulemark.units import NS_PER_S
from tests.pricing.records import tariff

HOUR = 3600 * NS_PER_S
NOON = moment_ns("2026-01-01T12:00:00Z", "noon")


def hour(number: int, amount: str = "0.10", *, hours: int = 1, read: int = 0, **changes: object) -> Tariff:
    """The tariff of the hour `number` hours after noon."""
    begin_ns = NOON + number * HOUR
    more: dict[str, Any] = {"effective_to_ns": begin_ns + hours * HOUR, "feed": "entsoe", **changes}
    return Tariff("site", Decimal(amount), "USD", Basis.ASSUMED, begin_ns, NOON + read, "u", **more)


def shown(found: Cover[Tariff]) -> list[tuple[float, float, str]]:
    """Begin and end in hours after noon, and the amount, of each span."""
    return [((s.begin_ns - NOON) / HOUR, (s.end_ns - NOON) / HOUR, str(s.record.amount)) for s in found.spans]


def test_vector_v04_is_cut_where_the_tariff_changes() -> None:
    """5 kW for 120 s at 0.10 and 240 s at 0.30 per kWh are 0.116666667, not the 0.05 of the first tariff alone (V04)."""
    boundary = NOON + HOUR
    found = cover([hour(0), hour(1, "0.30")], boundary - 120 * NS_PER_S, boundary + 240 * NS_PER_S)
    assert found.reason == ""
    parts = [(span.record.amount, 5000 * (span.end_ns - span.begin_ns) // NS_PER_S) for span in found.spans]
    amount = cost.energy_piecewise(parts, currency="USD").amount
    assert str(amount.quantize(Decimal("1e-9"))) == "0.116666667"
    assert [joules for _, joules in parts] == [600_000, 1_200_000]


def test_an_interval_is_half_open() -> None:
    """A window that ends where an hour begins has nothing of it, and one that begins there has nothing of the hour before."""
    both = [hour(0), hour(1, "0.30")]
    assert shown(cover(both, NOON, NOON + HOUR)) == [(0, 1, "0.10")]
    assert shown(cover(both, NOON + HOUR, NOON + HOUR + 1))[0][2] == "0.30"


def test_nothing_is_extrapolated_past_its_end() -> None:
    """Where an hour is missing, before the first or after the last, there is a reason that names it, and no cover."""
    found = cover([hour(0), hour(2, "0.30")], NOON, NOON + 3 * HOUR)
    assert found.reason == "no tariff of site from 2026-01-01T13:00:00Z to 2026-01-01T14:00:00Z is known"
    assert shown(found) == [(0, 1, "0.10"), (2, 3, "0.30")]
    for window in ((NOON - 1, NOON + 1), (NOON + HOUR - 1, NOON + HOUR + 1)):
        assert cover([hour(0)], *window).reason


def test_one_without_an_end_holds_until_the_next() -> None:
    """A tariff without an end ends where a later one of its feed begins, and that one is not drawn out either."""
    open_end = hour(0, effective_to_ns=None)
    assert shown(cover([open_end], NOON, NOON + 100 * HOUR)) == [(0, 100, "0.10")]
    found = cover([open_end, hour(2, "0.30")], NOON, NOON + 4 * HOUR)
    assert shown(found) == [(0, 2, "0.10"), (2, 3, "0.30")]
    assert found.reason == "no tariff of site from 2026-01-01T15:00:00Z to 2026-01-01T16:00:00Z is known"


def test_a_later_reading_replaces_an_earlier_one_when_it_was_known() -> None:
    """Of two readings of one hour the later counts, but not for who asks what was known before it."""
    both = [hour(0, "0.10", read=0), hour(0, "0.20", read=HOUR)]
    assert shown(cover(both, NOON, NOON + HOUR)) == [(0, 1, "0.20")]
    assert shown(cover(both, NOON, NOON + HOUR, known_at_ns=NOON + HOUR - 1)) == [(0, 1, "0.10")]
    assert cover(both, NOON, NOON + HOUR, known_at_ns=NOON - 1).reason == "no tariff is known for the time and place of the run"


def test_contradictions_are_no_answer() -> None:
    """Two tariffs of one hour and one reading that differ are told, and none of them is taken; the same one twice is one."""
    found = cover([hour(0, "0.10"), hour(0, "0.20")], NOON, NOON + HOUR)
    assert (found.spans, found.reason) == (
        (),
        "two tariffs of the same date of site from 2026-01-01T12:00:00Z to 2026-01-01T13:00:00Z differ",
    )
    assert shown(cover([hour(0), hour(0, note="again")], NOON, NOON + HOUR)) == [(0, 1, "0.10")]


def test_an_entry_of_the_operator_goes_first() -> None:
    """What the operator wrote down goes before a feed for as long as it holds, and the feed holds after it."""
    found = cover([hour(0, hours=4), hour(-1, "0.50", hours=3, feed="manual")], NOON, NOON + 4 * HOUR)
    assert shown(found) == [(0, 2, "0.50"), (2, 4, "0.10")]


def test_zones_are_not_guessed() -> None:
    """With tariffs of two zones the zone has to be named; another zone stands in for none."""
    both = [tariff(), tariff(zone="other")]
    assert cover(both, NOON, NOON + 1).reason == "no tariff is known for the time and place of the run"
    assert cover(both, NOON, NOON + 1, zone="other").records == (tariff(zone="other"),)
    assert cover(both, NOON, NOON + 1, zone="third").spans == ()
    with pytest.raises(ValueError, match="is empty"):
        cover(both, NOON, NOON)


places = st.integers(min_value=-4, max_value=12)
tariffs = st.lists(
    st.builds(hour, places, st.sampled_from(["0.1", "-0.2", "0.3"]), hours=st.integers(1, 6), read=st.integers(0, 3)), max_size=8
)


@given(tariffs, places, st.integers(1, 8))
def test_spans_tile_the_window(known: list[Tariff], first: int, hours: int) -> None:
    """Spans are in order, do not overlap, lie in the window and inside their records; without a reason they cover all of it."""
    begin, end = NOON + first * HOUR, NOON + (first + hours) * HOUR
    found = cover(known, begin, end)
    at = begin
    for span in found.spans:
        assert at <= span.begin_ns < span.end_ns <= end
        assert span.record.effective_from_ns <= span.begin_ns
        assert span.end_ns <= (span.record.effective_to_ns or 0)
        assert span.begin_ns == at or found.reason
        at = span.end_ns
    assert (at == end) or found.reason


@given(tariffs, places, st.integers(1, 8), st.integers(1, 8 * 60 - 1))
def test_costs_are_additive(known: list[Tariff], first: int, hours: int, minutes: int) -> None:
    """A window cut anywhere costs what its two parts cost together, at constant power and to the last digit."""
    begin, end = NOON + first * HOUR, NOON + (first + hours) * HOUR
    middle = min(begin + minutes * 60 * NS_PER_S, end - 1)
    whole, left, right = (cover(known, *window) for window in ((begin, end), (begin, middle), (middle, end)))
    assert bool(whole.reason) == bool(left.reason or right.reason)

    def money_ns(found: Cover[Tariff]) -> Decimal:
        return sum(((s.end_ns - s.begin_ns) * s.record.amount for s in found.spans), Decimal(0))

    assert money_ns(whole) == money_ns(left) + money_ns(right)
