"""Submissions: what is decided of a bundle that was examined, and every reason against it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from joulemark.board.entry import Entry
from joulemark.board.submission import Examined, Reason, Standing, State, Submission, decided, entry_id_of
from joulemark.errors import FormatError
from tests.board.entries import PUBLISHED_NS, entry, sha256

NOW_NS = PUBLISHED_NS + 10**15
HANDED_IN = Submission(sha256("bundle 1"), "Example Laboratory", NOW_NS, 1000, level="ES1")


def examined(of: Entry | None = None, **more: Any) -> Examined:
    """A good examination of an entry."""
    one = of or entry(1)
    return Examined(one.level, more.pop("simulated", False), "run-1", one, **more)


def reasons(
    submission: Submission = HANDED_IN, found: Examined | None = None, standing: Standing | None = None, *, kit: bool = False
) -> list[str]:
    """The rules that are named against a bundle; none where it is published."""
    outcome = decided(submission, found or examined(), standing or Standing(), kit=kit, now_ns=NOW_NS)
    return [] if isinstance(outcome, Entry) else [one.rule for one in outcome]


def test_a_good_bundle_becomes_its_entry_now() -> None:
    """What the validator found is published at the moment of the decision, whenever it was examined."""
    outcome = decided(HANDED_IN, examined(), Standing(), kit=False, now_ns=NOW_NS)
    assert outcome == replace(entry(1), published_ns=NOW_NS, modified_ns=NOW_NS)


def test_below_the_level_that_was_asked_for_every_rule_is_named_once() -> None:
    """A bundle below the wanted level is refused with each rule of its column and the lower ones that stands in the way."""
    low = entry(1, level="ES0")
    failing = {"ES1": (Reason("CAL-1", "a", "ES1"),), "ES2": (Reason("CAL-1", "b", "ES2"), Reason("MET-2", "c", "ES2"))}
    found = examined(low, failing=failing)
    assert reasons(found=found) == ["LEVEL", "CAL-1"]
    assert reasons(replace(HANDED_IN, level="ES2"), found) == ["LEVEL", "CAL-1", "MET-2"]
    assert reasons(replace(HANDED_IN, level="ES0"), found) == []


def test_what_contradicts_itself_is_refused_with_what_the_validator_said() -> None:
    """An INVALID bundle has no entry; the reasons of the examination are those of the refusal."""
    assert reasons(found=Examined("INVALID", reasons=(Reason("INT-1", "changed"), Reason("INT-7", "broken")))) == ["INT-1", "INT-7"]


def test_simulated_bundles_are_for_trials_only() -> None:
    """A bundle of the conformance kit is refused unless the board says that it takes them (INT-6)."""
    assert reasons(found=examined(simulated=True)) == ["KIT"]
    assert reasons(found=examined(simulated=True), kit=True) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("level", "ES2"),
        ("joules_per_1k_output_tokens", 250.0 * (1 + 1e-6)),
        ("joules_per_1k_output_tokens", None),
        ("joules_per_1k_output_tokens", True),
        ("idle_w", "472.8"),
        ("scope", "RACK_AC"),
        ("simulated", True),
        ("manifest_sha256", sha256("another")),
        ("labels", {"model": "Other"}),
        ("key", {}),
        ("class_id", None),
    ],
)
def test_a_board_is_not_believed(key: str, said: Any) -> None:
    """A followed board that says of a bundle anything but what its readings bear out is refused, by the name of the figure."""
    claim = {**json.loads(json.dumps(entry(1).energy())), key: said}
    outcome = decided(replace(HANDED_IN, origin="http://a", claim=claim), examined(), Standing(), kit=False, now_ns=NOW_NS)
    assert isinstance(outcome, tuple)
    assert [one.rule for one in outcome] == ["CLAIM"]
    assert outcome[0].why.startswith(f"{key}: the board says")


def test_the_last_digits_of_a_claim_may_differ() -> None:
    """Another machine's arithmetic moves the last digits of a figure; that is no lie."""
    claim = json.loads(json.dumps(entry(1).energy()))
    claim["joules_per_1k_output_tokens"] *= 1 + 1e-12
    assert reasons(replace(HANDED_IN, origin="http://a", claim=claim)) == []


def test_the_same_readings_come_once() -> None:
    """A bundle whose content is on the board, packed again or handed in by somebody else, is refused and linked; withdrawn ones too."""
    assert reasons(standing=Standing(entry(1))) == ["TWICE"]
    assert reasons(standing=Standing(entry(1).withdrawn("wrong", at_ns=NOW_NS))) == ["TWICE"]


def test_a_run_is_replaced_by_its_owner_with_a_better_verdict_only() -> None:
    """Another bundle of a run replaces the first when the same submitter reaches a higher level; no better, or another's, is refused."""
    first, better = entry(1, run_begin_ns=1), entry(2, level="ES2")
    outcome = decided(HANDED_IN, examined(better), Standing(of_run=(first,)), kit=False, now_ns=NOW_NS)
    assert isinstance(outcome, Entry)
    assert outcome.replaces == first.entry_id
    assert reasons(found=examined(entry(2)), standing=Standing(of_run=(first,))) == ["RUN"]
    assert reasons(found=examined(replace(better, submitter="Somebody")), standing=Standing(of_run=(first,))) == ["RUN"]
    gone = first.withdrawn("wrong", at_ns=NOW_NS)
    assert reasons(found=examined(replace(better, submitter="Somebody")), standing=Standing(of_run=(gone,))) == []


def test_the_same_bundle_is_the_same_submission() -> None:
    """The id is the hash of the archive; from a followed board it is another one for each claim."""
    assert HANDED_IN.submission_id == replace(HANDED_IN, submitter="b", received_ns=1, level="ES2").submission_id == sha256("bundle 1")
    told = replace(HANDED_IN, origin="http://a", claim={"level": "ES1"})
    assert len({HANDED_IN.submission_id, told.submission_id, replace(told, claim={"level": "ES2"}).submission_id}) == 3


def test_submissions_and_examinations_come_back_as_they_were() -> None:
    """What is stored, and what one process tells another, is read back whole; another schema is refused."""
    one = replace(HANDED_IN, state=State.REFUSED, reasons=(Reason("INT-1", "x", "ES1"),), claim={"key": {"a": [1.5, None]}}, origin="o")
    assert Submission.from_stored(json.loads(json.dumps(one.stored()))) == one
    found = examined(failing={"ES1": (Reason("CAL-1", "a", "ES1"),)})
    assert Examined.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(FormatError, match="examination says"):
        Examined.from_json({**found.to_json(), "schema": "other"})
    assert {"claim", "version"}.isdisjoint(one.to_json())


def test_one_content_has_one_id() -> None:
    """The id of an entry follows from the manifest alone: the same on every board, however the bundle is packed."""
    assert entry_id_of(sha256("m")) == entry_id_of(sha256("m")) != entry_id_of(sha256("n"))
    assert replace(entry(1), entry_id=entry_id_of(sha256("m")))
