"""Which runs a list shows, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.collector.catalog import Span
from joulemark.collector.summaries import Summary
from joulemark.collector.web.listing import PER_PAGE, Asked, Listing, Row, energy_of, listing, name_of, ordered
from joulemark.errors import UsageError
from tests.collector.api.conftest import Api, S
from tests.collector.web.recording import readings, run


def row(run_id: str, **more: Any) -> Row:
    """A stopped run of the list."""
    return Row(run_id, **{"benchmark": "b", "labels": {}, "agents": (), "created_ns": 0, "state": "stopped", **more})


def summary(energy_j: float | None, score_j: float | None = None) -> Summary:
    """A run of so many joules."""
    score = None if score_j is None else {"joules_per_1k_output_tokens": score_j, "u95_j": 1.0}
    head = {"joules_per_1k_output_tokens": energy_j, "joules_per_1k_output_tokens_u95": None if energy_j is None else 2.0}
    return Summary({"score": score, "headline": head})


def found(api: Api, **asked: Any) -> Listing:
    """The page of the list."""
    return listing(api.state, Asked(**asked), api.store.streams(), {})


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, True),
        ({"text": "LLAMA fast"}, True),
        ({"text": "llama slow"}, False),
        ({"text": "0abc"}, True),
        ({"state": "stopped"}, True),
        ({"state": "sealed"}, False),
    ],
)
def test_a_run_fits_by_words_and_state(asked: dict[str, str], fits: bool) -> None:
    """All words, in any of its names and labels, without regard to case."""
    assert row("0ABC", labels={"model": "Llama", "kind": "fast"}).fits(Asked(**asked)) is fits


def test_days_are_utc_and_the_last_one_is_included(api: Api) -> None:
    """A run of the standing time is found on its day alone."""
    readings(api)
    run(api)
    days = [("2026-09-21", "2026-09-21", 1), ("2026-09-22", "", 0), ("", "2026-09-20", 0), ("2026-09-20", "2026-09-22", 1)]
    for first, last, count in days:
        assert found(api, day_from=first, day_to=last).total == count, (first, last)


def test_days_that_end_before_they_begin_are_refused() -> None:
    """With the next step."""
    with pytest.raises(UsageError, match="lies before"):
        _ = Asked(day_from="2026-02-02", day_to="2026-02-01").span_ns


def test_orders_and_what_has_no_value() -> None:
    """Down and up by each column; what is not known stands last either way, newest first among equals."""
    spans = [Span(0, 3 * S, frozenset()), Span(0, 1 * S, frozenset()), None]
    rows = [row(name, benchmark=bench, span=span) for name, bench, span in zip("abc", ("y", "x", ""), spans, strict=True)]
    known = {"a": summary(5.0), "b": summary(4.0, 9.0), "c": summary(None)}

    def order(order: str, ascending: bool) -> str:
        return "".join(one.run_id for one in ordered(rows, Asked(order=order, ascending=ascending), known))

    assert [order("started", up) for up in (False, True)] == ["abc", "cba"]
    assert [order("benchmark", up) for up in (False, True)] == ["abc", "bac"]
    assert [order("duration", up) for up in (False, True)] == ["abc", "bac"]
    assert [order("energy", up) for up in (False, True)] == ["bac", "abc"]
    assert order("model", True) == "abc"


def test_the_energy_is_that_of_the_score_where_there_is_one() -> None:
    """With the uncertainty that belongs to it; none without a card."""
    assert energy_of(summary(4.0, 9.0)) == (9.0, 1.0)
    assert energy_of(summary(4.0)) == (4.0, 2.0)
    assert energy_of(Summary(None)) == (None, None)


def test_pages_hosts_and_durations(api: Api) -> None:
    """25 runs on a page, a page beyond the last is the last; hosts are those whose meters count; a duration is from mark to mark."""
    readings(api)
    readings(api, "host-b")
    for _ in range(PER_PAGE):
        run(api)
    named = run(api, agents=["host-b"], lasts_s=2.5, labels={})
    first, last = found(api), found(api, page=9)
    assert (len(first.rows), first.total, first.pages, first.hosts) == (PER_PAGE, PER_PAGE + 1, 2, ("host-a", "host-b"))
    assert (len(last.rows), last.asked.page) == (1, 2)
    assert {one.run_id for one in (*first.rows, *last.rows)} == {one["run_id"] for one in api.get("/v1/runs").json()}
    only = found(api, host="host-b")
    assert only.total == PER_PAGE + 1
    (shortest,) = found(api, order="duration", ascending=True).rows[:1]
    assert (shortest.run_id, shortest.duration_s, shortest.hosts) == (named, 2.5, ("host-b",))
    assert found(api, host="host-a").total == PER_PAGE
    assert found(api, host="nowhere").total == 0


def test_addresses_keep_what_was_asked() -> None:
    """Only what differs from the plain list stands in the address; turning an order round begins at the first page."""
    asked = Asked(text="a b", day_from="2026-01-01", page=3)
    assert asked.address() == "/runs?q=a+b&from=2026-01-01&page=3"
    assert asked.turned("energy") == "/runs?q=a+b&from=2026-01-01&sort=energy&direction=down"
    assert Asked(order="energy").turned("energy") == "/runs?sort=energy&direction=up"
    assert Asked().address() == "/runs"
    assert Asked(page=2).filtered is False
    assert Asked(host="h").filtered is True


def test_names_in_few_words() -> None:
    """The label `name`, else benchmark and model, and the end of the id; a run that goes on has no duration."""
    assert name_of("vllm", {"model": "llama"}, "0123456789") == "vllm llama 456789"
    assert name_of("vllm", {"model": "llama", "name": "batch 8"}, "0123456789") == "batch 8 456789"
    assert name_of("", {}, "0123456789") == "456789"
    going = row("0123456789", labels={"model": "llama"}, state="running", span=Span(0, S, frozenset()))
    assert (going.duration_s, going.model, going.name, going.energy) == (None, "llama", "b llama 456789", None)
