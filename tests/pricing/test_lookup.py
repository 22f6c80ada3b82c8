"""Look-ups: every status at its boundaries, two times, ranks of feeds, and nothing that nobody saw."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulemark.pricing.answer import Answer, Status
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.importer import Options
from joulemark.pricing.lookup import Rank, course, lookup, rank_of
from joulemark.pricing.price import Price, PriceModel, Trust
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import FORMATS, KINDS
from joulemark.pricing.sources.aws_history import parse_history
from joulemark.pricing.wanted import DAY_S, FOREVER_NS, HOUR_S, Limits, Question, Wanted
from tests.pricing.records import DAY as FIRST_NS
from tests.pricing.records import price

OLD, NEW = "98.3200000000", "55.0400000000"
P5 = Wanted("aws", "p5.48xlarge", "us-east-1")
S = 10**9
HOUR, DAY = HOUR_S * S, DAY_S * S


def listed(at_ns: int, amount: str = "98.32", **changes: Any) -> Price:
    """A price that a list of `azure_retail` showed at `at_ns` after the first day, without saying since when."""
    seen = {"effective_from_ns": FIRST_NS + at_ns, "fetched_at_ns": FIRST_NS + at_ns, "feed": "azure_retail", "effective_trust": Trust.NONE}
    return replace(price(), amount=Decimal(amount), **{**seen, **changes})


def ask(prices: Any, at_ns: int, *, wanted: Wanted = P5, **more: Any) -> Answer:
    """The answer for `at_ns` after the first day."""
    return lookup(prices, Question(wanted, FIRST_NS + at_ns, **more))


def amounts(answer: Answer) -> tuple[Any, ...]:
    """Status and amounts: used, after, stated."""
    return (str(answer.status), *(one and str(one.amount) for one in (answer.price, answer.after, answer.stated)))


@pytest.fixture(scope="module")
def history(corpus: Path) -> tuple[Any, ...]:
    """The history of p5 and p4d, as if it had been read today."""
    text = (corpus / "pricing" / "aws" / "ec2_us-east-1_price_history_verified.csv").read_text()
    return parse_history(text, name="aws.csv", fetched_at_ns=moment_ns("2026-11-21", "x"), options=Options(region="us-east-1")).records


@pytest.mark.parametrize(
    ("valid_at", "known_at", "expected", "lists"),
    [
        ("2025-06-15", None, ("changed", OLD, NEW, NEW), ("20250529210942", "20250703204906")),
        (
            "2025-06-15T12:00:00Z",
            "2025-07-10",
            ("changed", OLD, NEW, NEW),
            ("20250529210942", "20250703204906"),
        ),
        ("2025-06-15T12:00:00Z", "2025-06-20", ("stale", OLD, None, OLD), ("20250529210942",)),
        ("2025-07-04", None, ("bracketed", NEW, NEW, NEW), ("20250703204906", "20260129082055")),
        ("2025-07-04", "2025-07-05", ("fresh", NEW, None, NEW), ("20250703204906",)),
        ("2025-05-01", "2025-04-01", ("missing", None, None, None), ()),
        ("2023-12-01", None, ("missing", None, None, None), ()),
        ("2024-02-05T18:42:26Z", None, ("missing", None, None, None), ()),
        (
            "2024-02-05T18:42:27Z",
            None,
            ("bracketed", OLD, OLD, OLD),
            ("20240205184227", "20250203145209"),
        ),
        ("2026-07-29", None, ("fresh", NEW, None, NEW), ("20260728175247",)),
        ("2026-08-01", None, ("stale", NEW, None, NEW), ("20260728175247",)),
        ("2026-09-01", None, ("missing", None, None, None), ()),
    ],
)
def test_the_history_of_p5(history: Any, valid_at: str, known_at: str | None, expected: tuple[Any, ...], lists: tuple[str, ...]) -> None:
    """June 2025 is changed with both prices, July bracketed, before the first list and long after the last there is nothing."""
    answer = lookup(history, Question(P5, moment_ns(valid_at, "x"), moment_ns(known_at, "x") if known_at else FOREVER_NS))
    assert amounts(answer) == expected
    used = [one.list_version for one in (answer.price, answer.after) if one]
    assert used == list(lists)
    assert bool(answer.reason) == (answer.price is None)


def test_an_archive_read_today_was_not_seen_today(history: Any) -> None:
    """That the file of a history is imported says nothing of today: the last list is months old, whatever the day of the import."""
    answer = lookup(history, Question(P5, moment_ns("2026-11-21", "x")))
    assert answer.status is Status.MISSING
    assert "last seen 2026-07-28T17:52:47Z" in answer.reason
    assert [one.list_version for one in answer.candidates] == ["20260728175247"]


@pytest.mark.parametrize(
    ("after_ns", "status"),
    [
        (-1, "missing"),
        (0, "fresh"),
        (2 * DAY, "fresh"),
        (2 * DAY + 1, "stale"),
        (30 * DAY, "stale"),
        (30 * DAY + 1, "missing"),
    ],
)
def test_a_price_ages(after_ns: int, status: str) -> None:
    """Seen once: nothing a nanosecond before, fresh for two days, stale for thirty, then not known; the age is that of the last check."""
    answer = ask([listed(0)], after_ns)
    assert answer.status == status
    assert answer.age_s == (None if status == "missing" else after_ns // S)


@pytest.mark.parametrize("model", [PriceModel.SPOT, PriceModel.MARKETPLACE])
@pytest.mark.parametrize(("after_ns", "status"), [(2 * HOUR, "fresh"), (2 * HOUR + 1, "stale"), (DAY, "stale"), (DAY + 1, "missing")])
def test_a_price_that_moves_by_the_hour_ages_faster(model: PriceModel, after_ns: int, status: str) -> None:
    """Spot and marketplace prices are fresh for two hours and used for a day."""
    assert ask([listed(0, price_model=model)], after_ns, wanted=replace(P5, price_model=model)).status == status


def test_a_feed_may_have_limits_of_its_own() -> None:
    """The limits of a feed go before those of the way of renting, and touch no other feed."""
    own = {"azure_retail": Limits(10, 20), "gpuhunt": Limits(0, 0)}
    found = [ask([listed(0)], s * S, limits=own).status for s in (10, 11, 20, 21)]
    assert found == [Status.FRESH, Status.STALE, Status.STALE, Status.MISSING]


def test_seen_again_the_same_it_is_bracketed_however_long_after() -> None:
    """Two sightings of one amount bracket all between, the first included and the second not; another amount makes it changed."""
    twice = [listed(0), listed(300 * DAY)]
    found = [ask(twice, at).status for at in (0, 150 * DAY, 300 * DAY - 1, 300 * DAY)]
    assert found == [Status.BRACKETED, Status.BRACKETED, Status.BRACKETED, Status.FRESH]
    assert amounts(ask([listed(0), listed(300 * DAY, "55.04")], 150 * DAY)) == ("changed", "98.32", "55.04", None)


def test_equal_amounts_in_other_words_agree() -> None:
    """98.3200 an hour, and 12.29 for each of 8 GPUs, are the same price; in another currency they are not."""
    per_gpu = listed(DAY, "12.29", unit="GPU-h", gpu_count=8)
    assert ask([listed(0, "98.3200"), replace(per_gpu, unit=type(price().unit)("GPU-h"))], HOUR).status is Status.BRACKETED
    assert ask([listed(0), listed(DAY, currency="EUR")], HOUR).status is Status.CHANGED


def test_the_check_that_finds_a_list_unchanged_counts() -> None:
    """The age is counted from the last time a list was found unchanged, and not from when it was published."""
    published = {"feed": "aws_bulk", "published_at_ns": FIRST_NS, "list_version": "1", "effective_trust": Trust.MONTH_STAMP}
    checked = [listed(days * DAY, effective_from_ns=FIRST_NS, **published) for days in (1, 10, 20)]
    answer = ask(checked, 20 * DAY + 7 * S)
    assert (answer.status, answer.age_s) == (Status.FRESH, 7)
    assert ask(checked, 12 * DAY).status is Status.BRACKETED
    assert ask(checked, 12 * DAY, known_at_ns=FIRST_NS + 19 * DAY).age_s == 2 * DAY_S


def test_a_list_read_when_a_newer_one_was_published_was_not_seen_again() -> None:
    """A list of January read in March, after that of February, was seen in January only."""
    january = listed(20 * DAY, feed="aws_bulk", published_at_ns=FIRST_NS)
    february = listed(20 * DAY, "55.04", feed="aws_bulk", published_at_ns=FIRST_NS + 10 * DAY)
    assert amounts(ask([january, february], 5 * DAY))[:3] == ("changed", "98.32", "55.04")
    assert amounts(ask([january, february], 15 * DAY))[:3] == ("bracketed", "55.04", "55.04")
    assert amounts(ask([january], 15 * DAY))[:3] == ("bracketed", "98.32", "98.32")


def test_late_needs_a_provider_who_says_since_when() -> None:
    """A price seen only after the run counts if its provider charged it already then; a month or a time of asking does not say so."""
    for trust in Trust:
        answer = ask([listed(DAY, effective_from_ns=FIRST_NS, effective_trust=trust)], HOUR)
        if trust is Trust.VALID_FROM:
            assert (answer.status, answer.age_s, answer.stated) == (Status.LATE, HOUR_S - DAY_S, answer.price)
        else:
            assert (answer.status, answer.price) == (Status.MISSING, None)
    dated = [listed(DAY, effective_from_ns=FIRST_NS, effective_trust=Trust.VALID_FROM)]
    assert [ask(dated, at).status for at in (-1, 0)] == [Status.MISSING, Status.LATE]


def test_what_a_later_list_says_of_the_moment_counts_where_it_says_since_when() -> None:
    """A later list whose prices are dated confirms what was charged in between, though it changed since; an announced price waits."""
    at = {"effective_trust": Trust.VALID_FROM, "feed": "aws_spot", "price_model": PriceModel.SPOT}
    spot = replace(P5, price_model=PriceModel.SPOT)
    first = listed(0, "24.50", **at)
    later = [listed(2 * HOUR, "24.50", effective_from_ns=FIRST_NS, **at), listed(2 * HOUR, "26", effective_from_ns=FIRST_NS + HOUR, **at)]
    assert amounts(ask([first, *later], HOUR - 1, wanted=spot)) == ("bracketed", "24.50", "24.50", "24.50")
    assert amounts(ask([first, *later], HOUR + 1, wanted=spot)) == ("changed", "24.50", "26", "26")
    announced = [listed(0, "24.50", **at), listed(0, "26", effective_from_ns=FIRST_NS + HOUR, **at)]
    assert [amounts(ask(announced, at, wanted=spot))[1] for at in (HOUR - 1, HOUR)] == ["24.50", "26"]


def test_two_prices_at_once_are_none() -> None:
    """Two amounts seen at one moment are ambiguous with both as candidates; the same amount twice is one price."""
    answer = ask([listed(0), listed(0, "55.04", sku_id="B")], HOUR)
    assert (answer.status, answer.price, len(answer.candidates)) == (Status.AMBIGUOUS, None, 2)
    assert "2 prices of aws p5.48xlarge us-east-1 linux on_demand: 55.04 USD/h, 98.32 USD/h" in answer.reason
    assert ask([listed(0), listed(0, sku_id="B")], HOUR).status is Status.FRESH
    assert amounts(ask([listed(0), listed(0, "55.04", sku_id="B")], HOUR, wanted=replace(P5, sku_id="B")))[1] == "55.04"


def test_zones_terms_and_payments_are_not_chosen_by_us() -> None:
    """Two zones at two prices need the zone; at one price they do not. A zone without a price of its own has that of the region."""
    zones = [listed(0, zone="us-east-1a"), listed(HOUR, "55.04", zone="us-east-1b")]
    assert ask(zones, 2 * HOUR).status is Status.AMBIGUOUS
    assert amounts(ask(zones, 2 * HOUR, wanted=replace(P5, zone="US-EAST-1A")))[1] == "98.32"
    assert ask(zones, 2 * HOUR, wanted=replace(P5, zone="us-east-1c")).status is Status.MISSING
    assert ask([zones[0], replace(zones[1], amount=Decimal("98.32"))], 2 * HOUR).status is Status.FRESH
    assert amounts(ask([*zones, listed(0, "70")], 2 * HOUR, wanted=replace(P5, zone="us-east-1c")))[1] == "70"
    terms = [listed(0, price_model=PriceModel.RESERVED, term_months=months, amount=Decimal(40 - months)) for months in (12, 36)]
    reserved = replace(P5, price_model=PriceModel.RESERVED)
    assert ask(terms, HOUR, wanted=reserved).status is Status.AMBIGUOUS
    assert amounts(ask(terms, HOUR, wanted=replace(reserved, term_months=36)))[1] == "4"


@pytest.mark.parametrize(
    "change",
    [{"region": "eu-west-1"}, {"provider": "azure"}, {"os": "windows"}, {"tenancy": "Dedicated"}, {"price_model": PriceModel.SPOT}],
)
def test_nothing_else_stands_in(change: dict[str, Any]) -> None:
    """A price of another region, provider, system, tenancy or way of renting is a candidate at most."""
    answer = ask([listed(0, **change)], HOUR)
    assert (answer.status, answer.price) == (Status.MISSING, None)
    assert answer.reason == "no price of aws p5.48xlarge us-east-1 linux on_demand"
    assert len(answer.candidates) == 1


def test_shared_is_the_default_tenancy() -> None:
    """What a provider calls Shared or default is what is meant where nobody says."""
    for name in ("", "Shared", "default"):
        assert ask([listed(0, tenancy=name), listed(0, "120", tenancy="Dedicated")], HOUR).price == listed(0, tenancy=name)


def test_ranks_of_feeds() -> None:
    """What somebody wrote down goes before providers' lists, these before lists by others, these before what comes with Joulemark."""
    feeds = {"manual": "1", "azure_retail": "2", "gpuhunt": "3", "bundled": "4"}
    known = [listed(0, amount, feed=feed) for feed, amount in feeds.items()]
    statuses = []
    while known:
        answer = ask(known, HOUR)
        assert answer.price == known[0]
        statuses.append(str(answer.status))
        known = known[1:]
    assert statuses == ["manual", "fresh", "fresh", "bundled"]
    assert {rank_of(kind) for kind in KINDS} == {Rank.PROVIDER}
    assert rank_of("aws_history") is Rank.PROVIDER
    assert {rank_of(kind) for kind in ("gpuhunt", "skypilot", "opencost") if kind in FORMATS} <= {Rank.OTHERS}


def test_a_rank_that_knows_nothing_is_passed_over_and_told() -> None:
    """A provider's list too old to use gives way to what comes with Joulemark, whatever its age, and the trace says so."""
    old, seed = listed(0), listed(0, "55.04", feed="bundled")
    answer = ask([old, seed], 31 * DAY)
    assert (answer.status, answer.price, answer.age_s, answer.candidates) == (Status.BUNDLED, seed, 31 * DAY_S, (old,))
    assert answer.trace[0].startswith("passed over: aws p5.48xlarge us-east-1 linux on_demand was last seen")
    assert ask([seed], -1).status is Status.MISSING


def test_an_ambiguous_rank_is_not_passed_over() -> None:
    """Where the providers' lists contradict each other, no lesser source decides."""
    assert ask([listed(0), listed(0, "50"), listed(0, "55.04", feed="bundled")], HOUR).status is Status.AMBIGUOUS


def test_the_trace_names_lists_amounts_and_times(history: Any) -> None:
    """Which price was used and why can be read off the answer, and the whole answer is JSON."""
    answer = lookup(history, Question(P5, moment_ns("2025-06-15", "x")))
    assert answer.trace[0] == "aws_history list 20250529210942: 98.32 USD/h, last seen 2025-05-29T21:09:42Z, 1392618 s before"
    assert answer.trace[1].endswith("first seen after it 2025-07-03T20:49:06Z: they differ, and the earlier one is used")
    assert answer.trace[2].endswith("list 20250703204906 says 55.04 USD/h from 2025-06-01T00:00:00Z (month_stamp)")
    told = answer.to_json()
    assert told["status"] == "changed"
    assert [told[name]["amount"] for name in ("price", "after", "stated")] == ["98.32", "55.04", "55.04"]
    assert (told["age_s"], told["reason"], told["candidates"]) == (1392618, "", [])


def test_the_course_of_a_spot_price() -> None:
    """A spot price that changes inside a run is two steps; seen again unchanged it is one."""
    at = {"effective_trust": Trust.VALID_FROM, "feed": "aws_spot", "price_model": PriceModel.SPOT}
    spot = replace(P5, price_model=PriceModel.SPOT)
    known = [listed(0, "24.50", **at), listed(HOUR, "24.50", **at), listed(2 * HOUR, "26.00", **at), listed(3 * HOUR, "27", **at)]
    steps = course(known, Question(spot, FIRST_NS + HOUR // 2), end_ns=FIRST_NS + 3 * HOUR)
    assert [(step.from_ns - FIRST_NS, str(step.answer.price and step.answer.price.amount)) for step in steps] == [
        (HOUR // 2, "24.50"),
        (2 * HOUR, "26.00"),
    ]
    then = course(known, Question(spot, FIRST_NS + HOUR // 2, FIRST_NS + 2 * HOUR - 1), end_ns=FIRST_NS + 3 * HOUR)
    assert len(then) == 1


MOMENTS = st.sampled_from([days * DAY for days in range(0, 121, 10)])


def observed(published_ns: int, lag_ns: int, effective_ns: int, more: tuple[Any, ...]) -> Price:
    """A price of a list that was read `lag_ns` after it was published, or whose date of publication is not told."""
    told = {"effective_from_ns": FIRST_NS + effective_ns, "published_at_ns": FIRST_NS + published_ns if lag_ns else None}
    keys = ("amount", "feed", "effective_trust", "zone", "region")
    return listed(published_ns + lag_ns, **told, **dict(zip(keys, more, strict=True)))


OBSERVED = st.builds(
    observed,
    MOMENTS,
    st.sampled_from([0, DAY, 20 * DAY, 100 * DAY]),
    MOMENTS,
    st.tuples(
        st.sampled_from(["98.32", "55.04"]),
        st.sampled_from(["manual", "aws_bulk", "azure_retail", "aws_history", "gpuhunt", "bundled"]),
        st.sampled_from(list(Trust)),
        st.sampled_from(["", "", "", "a", "b"]),
        st.sampled_from(["us-east-1", "us-east-1", "us-east-1", "eu-west-1"]),
    ),
)
QUESTIONS = st.builds(
    lambda at, known, zone: Question(replace(P5, zone=zone), FIRST_NS + at, FOREVER_NS if known is None else FIRST_NS + known),
    st.sampled_from([half * DAY // 2 for half in range(0, 260, 5)]),
    st.none() | MOMENTS,
    st.sampled_from([None, "a"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(OBSERVED, max_size=8), QUESTIONS)
def test_no_answer_is_from_the_future(prices: list[Price], question: Question) -> None:
    """What an answer uses was known at the time that was asked as of, is of what was asked, and stands among what was handed in."""
    answer = lookup(prices, question)
    for used in (answer.price, answer.after, answer.stated):
        if used is not None:
            assert used in prices
            assert used.known_ns <= question.known_at_ns
            assert (used.region, used.provider) == ("us-east-1", "aws")
    assert (answer.price is None) == bool(answer.reason) == (answer.status in (Status.MISSING, Status.AMBIGUOUS))
    known = [one for one in prices if one.known_ns <= question.known_at_ns]
    if answer.status is not Status.MISSING:
        again = lookup(known, question)
        assert (again.status, again.price, again.after, again.stated) == (answer.status, answer.price, answer.after, answer.stated)


@settings(max_examples=150, deadline=None)
@given(st.lists(OBSERVED, max_size=8), QUESTIONS)
def test_the_prices_of_an_answer_give_the_answer(prices: list[Price], question: Question) -> None:
    """A look-up over the few prices that an answer names finds it again, to the last word: nothing else need be kept."""
    answer = lookup(prices, question)
    assert lookup(answer.prices, question) == answer


@settings(max_examples=60, deadline=None)
@given(st.lists(OBSERVED, max_size=8), QUESTIONS)
def test_the_course_of_the_prices_of_its_answers_is_the_same(prices: list[Price], question: Question) -> None:
    """What a run cost piece by piece can be told from the prices of the pieces alone."""
    end_ns = question.valid_at_ns + 60 * DAY
    steps = course(prices, question, end_ns=end_ns)
    kept = {one for step in steps for one in (*step.answer.prices, *step.shown_by)}
    again = course(kept, question, end_ns=end_ns)
    assert [(s.from_ns, s.answer.price and s.answer.price.amount) for s in again] == [
        (s.from_ns, s.answer.price and s.answer.price.amount) for s in steps
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(OBSERVED, max_size=6), QUESTIONS, st.randoms())
def test_order_does_not_matter(prices: list[Price], question: Question, random: Any) -> None:
    """The order of the prices, and one that stands twice, change no answer."""
    shuffled = prices + prices[:1]
    random.shuffle(shuffled)
    assert lookup(shuffled, question) == lookup(prices, question)


def test_the_door_of_a_snapshot() -> None:
    """A snapshot is asked by name and gives the same answer."""
    held = Snapshot((listed(0), listed(DAY, "55.04")))
    asked = {"provider": "AWS", "instance_type": "P5.48xlarge", "region": "us-east-1"}
    answer = held.lookup(**asked, valid_at_ns=FIRST_NS + HOUR, known_at_ns=FIRST_NS + HOUR, limits={"azure_retail": Limits(1, DAY_S)})
    assert (answer.status, answer.age_s) == (Status.STALE, HOUR_S)
    assert held.lookup(**asked, valid_at_ns=FIRST_NS + HOUR).status is Status.CHANGED
