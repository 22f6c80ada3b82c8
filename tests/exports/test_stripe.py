"""Stripe: whole tokens inside its published limits, or nothing with the reason and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from joulemark.errors import UsageError
from joulemark.exports import stripe
from joulemark.runs import PhaseKind, Tokens
from joulemark.units import NS_PER_S
from tests.exports import stripe_rules
from tests.exports.conftest import BEGIN_NS, RUN_ID, Make, window

DAY_NS = 86_400 * NS_PER_S
END_NS = BEGIN_NS + 600 * NS_PER_S
NOW_NS = END_NS + DAY_NS

Event = dict[str, Any]


def events(text: str) -> list[Event]:
    return [event for line in text.splitlines() for event in json.loads(line)["events"]]


def judged(text: str, now_ns: int = NOW_NS) -> list[str]:
    return stripe_rules.findings(text, now_s=now_ns / NS_PER_S)


def test_a_phase_is_an_event_for_each_direction(make: Make) -> None:
    """Input and output tokens go to two meters, whole and as text, dated with the end of the phase; joules go nowhere."""
    made = stripe.export(make(), customer="cus_1", now_ns=NOW_NS)
    assert judged(made.text) == []
    read, written = events(made.text)
    assert (read["event_name"], written["event_name"]) == ("joulemark_input_tokens", "joulemark_output_tokens")
    assert [event["payload"] for event in (read, written)] == [
        {"stripe_customer_id": "cus_1", "value": "4800000"},
        {"stripe_customer_id": "cus_1", "value": "1200000"},
    ]
    assert read["timestamp"] == "2026-09-21T12:10:00Z"
    assert "joule" not in made.text.replace("joulemark", "")


def test_identifiers_are_the_same_each_time_and_short(make: Make) -> None:
    """Whatever the names, an identifier has 74 characters, is the same each time, and no two events share one."""
    windows = [window("x" * 5000, 0, 600), window("a", 700, 900), window("a", 1000, 1200)]
    first, again = (events(stripe.export(make(windows), customer="cus_1", now_ns=NOW_NS).text) for _ in range(2))
    names = [event["identifier"] for event in first]
    assert names == [event["identifier"] for event in again]
    assert (len(set(names)), {len(name) for name in names}) == (6, {74})
    other = events(stripe.export(make(windows, run_id="another"), customer="cus_1", now_ns=NOW_NS).text)
    assert not {event["identifier"] for event in other} & set(names)


def test_no_request_has_more_than_a_hundred_events(make: Make) -> None:
    """51 phases are 102 events in two requests, in order and each once."""
    (found,) = make()
    usages = [replace(found, phase=f"p{n}") for n in range(51)]
    made = stripe.export(usages, customer="cus_1", now_ns=NOW_NS)
    assert judged(made.text) == []
    assert [len(json.loads(line)["events"]) for line in made.text.splitlines()] == [100, 2]
    assert made.count == 102


@pytest.mark.parametrize(
    ("now_ns", "reason"),
    [
        (END_NS + 35 * DAY_NS, ""),
        (END_NS + 35 * DAY_NS + NS_PER_S, "35.0 days ago, and Stripe takes 35: add its tokens to the invoice by hand"),
        (END_NS - 300 * NS_PER_S, ""),
        (END_NS - 301 * NS_PER_S, "301 s in the future, and Stripe takes 300: set the clocks"),
    ],
)
def test_time_has_two_bounds(make: Make, now_ns: int, reason: str) -> None:
    """35 days back and 5 minutes ahead are taken to the second; one second more exports nothing and says what to do."""
    if not reason:
        assert judged(stripe.export(make(), customer="cus_1", now_ns=now_ns).text, now_ns) == []
        return
    with pytest.raises(UsageError, match=reason):
        stripe.export(make(), customer="cus_1", now_ns=now_ns)


def test_one_phase_that_is_refused_holds_all(make: Make) -> None:
    """Where one phase cannot be sent nothing is exported, so that no invoice holds a part of a run without a word."""
    windows = [window("good", 0, 600), window("bad", 700, 900, tokens=Tokens(input=1, output=2.5))]
    with pytest.raises(UsageError, match=r"nothing is exported: phase 'bad', output tokens: 2.5 is not whole"):
        stripe.export(make(windows), customer="cus_1", now_ns=NOW_NS)


def test_a_whole_number_may_be_a_float(make: Make) -> None:
    """Tokens that a file wrote as 1200.0 are 1200."""
    made = stripe.export(make([window("decode", 0, 600, tokens=Tokens(input=1200.0, output=1))]), customer="cus_1", now_ns=NOW_NS)
    assert [event["payload"]["value"] for event in events(made.text)] == ["1200", "1"]


def test_fifteen_digits_are_the_most(make: Make) -> None:
    """A count of 15 digits is sent, one of 16 is refused."""
    most = 10**15 - 1
    made = stripe.export(make([window("decode", 0, 600, tokens=Tokens(input=most, output=1))]), customer="cus_1", now_ns=NOW_NS)
    assert judged(made.text) == []
    with pytest.raises(UsageError, match="more than 15 digits"):
        stripe.export(make([window("decode", 0, 600, tokens=Tokens(input=most + 1, output=1))]), customer="cus_1", now_ns=NOW_NS)


def test_nothing_simulated_and_nothing_without_an_id_is_invoiced(make: Make) -> None:
    """The tokens of a simulated run, and those of a run without an id, are refused."""
    with pytest.raises(UsageError, match="simulated and may not be invoiced"):
        stripe.export(make(simulated=True), customer="cus_1", now_ns=NOW_NS)
    with pytest.raises(UsageError, match="has no id"):
        stripe.export(make(run_id=""), customer="cus_1", now_ns=NOW_NS)


def test_what_is_not_counted_or_not_known_is_left_out_and_named(make: Make) -> None:
    """Warm-up, aborted phases and unknown counts make no event; zero tokens make none either and need no word."""
    windows = [
        window("warm-up", -100, -10, kind=PhaseKind.WARMUP),
        window("decode", 0, 600, tokens=Tokens(input=0, output=5)),
        window("decode", 700, 900, tokens=Tokens(output=6)),
        window("decode", 1000, 1100, aborted="why"),
    ]
    made = stripe.export(make(windows), customer="cus_1", now_ns=NOW_NS)
    assert [event["payload"]["value"] for event in events(made.text)] == ["5", "6"]
    assert len(made.findings) == 3
    assert "(2) has no input tokens: not known" in made.findings[1]


def test_the_customer_is_one_of_stripe(make: Make) -> None:
    """A name that is no id of a customer is refused before anything is made."""
    with pytest.raises(UsageError, match="no customer of Stripe"):
        stripe.export(make(), customer="ACME", now_ns=NOW_NS)


def test_many_reasons_are_cut_short(make: Make) -> None:
    """A run of many phases that are too old is refused with the first few and how many more there are."""
    (found,) = make()
    usages = [replace(found, phase=f"p{n}") for n in range(9)]
    with pytest.raises(UsageError, match="; and 4 more"):
        stripe.export(usages, customer="cus_1", now_ns=END_NS + 40 * DAY_NS)


def test_the_run_is_in_the_identifier(make: Make) -> None:
    """The identifier is a hash over run, phase, which one of that name, and meter, so anybody can make it again."""
    (found,) = make()
    assert stripe.identifier(found, "joulemark_input_tokens") == stripe.identifier(replace(found, energy_j=None), "joulemark_input_tokens")
    assert stripe.identifier(found, "x") != stripe.identifier(replace(found, nth=2), "x")
    assert found.run_id == RUN_ID


def with_field(name: str, value: Any) -> Callable[[list[Event]], None]:
    def change(made: list[Event]) -> None:
        made[0][name] = value

    return change


def with_payload(name: str, value: Any) -> Callable[[list[Event]], None]:
    def change(made: list[Event]) -> None:
        made[0]["payload"][name] = value

    return change


BROKEN = [
    (with_field("event_name", "x" * 101), "event_name has not 1 to 100 characters"),
    (with_field("identifier", "x" * 101), "identifier has not 1 to 100 characters"),
    (with_field("identifier", ""), "identifier has not 1 to 100 characters"),
    (with_field("more", "x"), "fields are"),
    (with_field("payload", "x"), "payload is no object of texts"),
    (with_payload("value", 25), "payload is no object of texts"),
    (with_payload("value", "2.5"), "is not whole"),
    (with_payload("value", ""), "is not whole"),
    (with_payload("value", "1" * 16), "more than 15 digits"),
    (with_payload("stripe_customer_id", "me"), "payload names no customer"),
    (with_field("timestamp", "yesterday"), "is no moment"),
    (with_field("timestamp", "2026-09-21"), "is not RFC 3339 in UTC"),
    (with_field("timestamp", "2026-08-01T00:00:00Z"), "more than 35 days ago"),
    (with_field("timestamp", "2026-09-22T12:16:00Z"), "more than 5 minutes ahead"),
    (lambda made: made.append(dict(made[0])), "stands 2 times"),
    (lambda made: made.extend({**made[0], "identifier": f"i{n}"} for n in range(100)), "more than 100 events"),
    (lambda made: made.clear(), "not an object with events"),
]


@pytest.mark.parametrize(("change", "finding"), BROKEN)
def test_each_broken_limit_is_found(make: Make, change: Callable[[list[Event]], None], finding: str) -> None:
    """A request that breaks one limit on purpose is found out by the checker that the exports are judged by."""
    made = events(stripe.export(make(), customer="cus_1", now_ns=NOW_NS).text)
    change(made)
    assert any(finding in one for one in judged(json.dumps({"events": made})))
