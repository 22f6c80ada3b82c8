"""Fetches: an attempt is a record with an id, whatever came of it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from joulemark.errors import FormatError
from joulemark.pricing.fetch import Fetch, Harvest, Outcome
from tests.pricing.records import DAY, fetch


@pytest.mark.parametrize("outcome", Outcome)
def test_an_attempt_comes_back_from_its_record(outcome: Outcome) -> None:
    """Every outcome survives JSON, with its times to the nanosecond."""
    one = fetch(outcome=outcome, requested_at_ns=DAY + 1, published_at_ns=DAY, rows_parsed=7, error="HTTP 503")
    again = Fetch.from_json(json.loads(json.dumps(one.to_json())))
    assert again == one
    assert again.fetch_id == one.fetch_id


def test_nothing_read_has_no_time_of_reading() -> None:
    """An attempt that failed before anything was read says null, not the time of the question."""
    failed = fetch(outcome=Outcome.FAILED, fetched_at_ns=None)
    assert failed.to_json()["fetched_at"] is None
    assert Fetch.from_json(failed.to_json()).fetched_at_ns is None


def test_two_attempts_are_two_ids() -> None:
    """Each field is part of the id; an attempt cannot be changed."""
    assert fetch(requested_at_ns=DAY).fetch_id != fetch(requested_at_ns=DAY + 1).fetch_id
    assert fetch(outcome=Outcome.OK).fetch_id != fetch(outcome=Outcome.HELD).fetch_id
    with pytest.raises(dataclasses.FrozenInstanceError):
        fetch().error = "x"  # type: ignore[misc]  # the refusal to assign is the point


def test_a_wrong_date_is_refused() -> None:
    """A record whose date is none is refused by name."""
    with pytest.raises(FormatError, match="fetch requested_at"):
        Fetch.from_json({**fetch().to_json(), "requested_at": "yesterday"})


def test_an_empty_harvest_holds_nothing() -> None:
    """Without rows a harvest has neither records nor a date of publication."""
    assert (Harvest().records, Harvest().rejected, Harvest().published_at_ns) == ((), (), None)
