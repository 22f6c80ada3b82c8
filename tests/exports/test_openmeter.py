"""OpenMeter: events that obey CloudEvents 1.0, with ids that are the same each time and never shared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from joulemark.errors import UsageError
from joulemark.exports import openmeter
from joulemark.pricing.dates import moment_ns
from joulemark.runs import PhaseKind, Tokens
from tests.exports import cloudevents_rules
from tests.exports.conftest import RUN_ID, Make, window

Event = dict[str, Any]


def events(text: str) -> list[Event]:
    found: list[Event] = json.loads(text)
    return found


def test_a_phase_is_two_counts_and_an_energy(make: Make) -> None:
    """Input tokens, output tokens and joules are an event each; tokens are text, the time is the end of the phase."""
    (found,) = make()
    made = openmeter.export([found], subject="customer-1", source="urn:joulemark:site-a")
    assert cloudevents_rules.findings(made.text) == []
    read, written, energy = events(made.text)
    assert {event["time"] for event in (read, written, energy)} == {"2026-09-21T12:10:00Z"}
    assert {(event["subject"], event["source"]) for event in (read, written, energy)} == {("customer-1", "urn:joulemark:site-a")}
    assert [event["type"] for event in (read, written, energy)] == ["joulemark.tokens", "joulemark.tokens", "joulemark.energy"]
    assert [(event["data"]["tokens"], event["data"]["type"]) for event in (read, written)] == [("4800000", "input"), ("1200000", "output")]
    assert (float(energy["data"]["joules"]), float(energy["data"]["u95_joules"])) == (found.energy_j, found.u95_j)
    assert read["data"]["run_id"] == RUN_ID
    assert (made.count, made.findings) == (3, ())


def test_ids_are_made_of_run_phase_and_kind(make: Make) -> None:
    """The same run gives the same ids each time, whatever the customer, and no two events share one."""
    windows = [window("a/b", 0, 600), window("a", 700, 900), window("a", 1000, 1200), window("b/output_tokens", 1300, 1400)]
    first = events(openmeter.export(make(windows), subject="one").text)
    again = events(openmeter.export(make(windows), subject="two").text)
    ids = [event["id"] for event in first]
    assert ids == [event["id"] for event in again]
    assert len(set(ids)) == 12
    assert f"{RUN_ID}/a%2Fb/1/input_tokens" in ids
    assert f"{RUN_ID}/a/2/energy" in ids


def test_only_what_counts_is_sent(make: Make) -> None:
    """Warm-up and aborted phases make no event and are named; so is what is not known of a phase that counts."""
    windows = [
        window("warm-up", -100, -10, kind=PhaseKind.WARMUP),
        window("decode", 0, 600, tokens=Tokens(output=5)),
        window("decode", 700, 900, aborted="why"),
    ]
    made = openmeter.export(make(windows), subject="one")
    assert [event["id"].split("/")[1:] for event in events(made.text)] == [["decode", "1", "output_tokens"], ["decode", "1", "energy"]]
    assert len(made.findings) == 3
    assert "phase 'warm-up' is left out" in made.findings[0]
    assert "no input tokens: not known" in made.findings[1]


def test_a_phase_without_tokens_and_energy_makes_no_event(make: Make) -> None:
    """Nothing known is an empty batch and a finding for each kind, never a zero."""
    (found,) = make([window("decode", 0, 600, tokens=Tokens())])
    made = openmeter.export([replace(found, energy_j=None, u95_j=None)], subject="one")
    assert (events(made.text), made.count, len(made.findings)) == ([], 0, 3)


def test_numbers_are_plain(make: Make) -> None:
    """Fractions of tokens and large or small joules are written without an exponent."""
    (found,) = make([window("decode", 0, 600, tokens=Tokens(input=2.5, output=1))])
    made = openmeter.export([replace(found, energy_j=1.5e17, u95_j=1e-7)], subject="one")
    assert cloudevents_rules.findings(made.text) == []
    data = [event["data"] for event in events(made.text)]
    assert (data[0]["tokens"], data[2]["joules"]) == ("2.5", "150000000000000000")
    assert Decimal(data[2]["u95_joules"]) == Decimal("1e-7")


def test_over_midnight_and_the_end_of_summer_time(make: Make) -> None:
    """Times are UTC, so a phase that ends in the hour that Europe has twice, or after midnight, has one time."""
    (found,) = make()
    for end in ("2026-10-25T01:30:00Z", "2027-01-01T00:00:00.000000001Z"):
        made = openmeter.export([replace(found, end_ns=moment_ns(end, "end"))], subject="one")
        assert {event["time"] for event in events(made.text)} == {end}
        assert cloudevents_rules.findings(made.text) == []


@pytest.mark.parametrize("name", ["a,b", 'quote "x"', "two\nlines", "=cmd|' /C calc'!A0", "π", "\x01", "\uffff", "%2F", "a/1"])
def test_odd_names_make_sound_events(make: Make, name: str) -> None:
    """Names of runs and phases with any character end in ids that CloudEvents allows, and in data as they are."""
    made = openmeter.export(make([window(name, 0, 600)], run_id=name, benchmark=name), subject="customer")
    assert cloudevents_rules.findings(made.text) == []
    assert {event["data"]["phase"] for event in events(made.text)} == {name}


@pytest.mark.parametrize("subject", ["", "two\nlines", "\ufdd0", "\U0001ffff", "\x85", "\ud800"])
def test_a_subject_that_no_event_can_hold_is_refused(make: Make, subject: str) -> None:
    """An empty subject, and one with a control character or no character at all, exports nothing."""
    with pytest.raises(UsageError, match="give the customer's key"):
        openmeter.export(make(), subject=subject)


@pytest.mark.parametrize("source", ["", "a b", "urn:joulemark:ü", "%zz", "a\n"])
def test_a_source_that_is_no_reference_is_refused(make: Make, source: str) -> None:
    """A source that is no URI reference exports nothing."""
    with pytest.raises(UsageError, match="no URI reference"):
        openmeter.export(make(), subject="one", source=source)


def test_a_run_without_an_id_is_refused(make: Make) -> None:
    """Without an id of the run, the ids of its events would be those of the next such run."""
    with pytest.raises(UsageError, match="has no id"):
        openmeter.export(make(run_id=""), subject="one")


def test_an_event_that_is_too_big_is_refused(make: Make) -> None:
    """An event beyond 64 KiB is not made: not every intermediary forwards it."""
    with pytest.raises(UsageError, match="larger than 65536 bytes"):
        openmeter.export(make([window("x" * 40_000, 0, 600)]), subject="one")


def with_attribute(name: str, value: Any) -> Callable[[list[Event]], None]:
    def change(batch: list[Event]) -> None:
        batch[0][name] = value

    return change


def with_data(name: str, value: Any) -> Callable[[list[Event]], None]:
    def change(batch: list[Event]) -> None:
        batch[0]["data"][name] = value

    return change


BROKEN = [
    *((with_attribute(name, ""), f"{name} is required") for name in cloudevents_rules.REQUIRED),
    *((with_attribute(name, None), f"{name} is required") for name in cloudevents_rules.REQUIRED),
    (with_attribute("specversion", "0.3"), "specversion is '0.3'"),
    (with_attribute("specversion", "1.1"), "a batch has one specversion"),
    (with_attribute("source", "not a reference"), "source is no URI reference"),
    (with_attribute("time", "2026-09-21 12:10"), "is not RFC 3339"),
    (with_attribute("time", "2026-13-21T12:10:00Z"), "is no moment"),
    (with_attribute("time", 1_790_000_000), "time is no text"),
    (with_attribute("Run_Id", "x"), "is not of lower-case letters and digits"),
    (with_attribute("subject", "a\nb"), "holds a character that no attribute may"),
    (with_attribute("datacontenttype", "text/xml"), "datacontenttype is 'text/xml'"),
    (with_attribute("data", "text"), "data is no object"),
    (with_attribute("data_base64", "AA=="), "exclude each other"),
    (with_attribute("extra", "x" * 65_536), "larger than 64 KiB"),
    (with_data("tokens", "many"), "data.tokens is 'many'"),
    (with_data("tokens", "NaN"), "data.tokens is 'NaN'"),
    (lambda batch: batch.append(dict(batch[0])), "source and id of two events are the same"),
]


@pytest.mark.parametrize(("change", "finding"), BROKEN)
def test_each_broken_rule_is_found(make: Make, change: Callable[[list[Event]], None], finding: str) -> None:
    """A batch that breaks one rule on purpose is found out by the checker that the exports are judged by."""
    batch = events(openmeter.export(make(), subject="one").text)
    change(batch)
    assert any(finding in one for one in cloudevents_rules.findings(json.dumps(batch)))


@pytest.mark.parametrize("text", ["{}", "[1]", "[", '"x"'])
def test_what_is_no_batch_is_found(text: str) -> None:
    """Something else than an array of objects is no batch for the checker."""
    assert cloudevents_rules.findings(text)
