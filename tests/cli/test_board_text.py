"""What people read of a board."""

from __future__ import annotations

from joulemark.board.classes import Board
from joulemark.board.submission import Reason, State, Submission
from joulemark.cli.board_text import follow_text, list_text, snapshot_text, submission_text, withdrawal_text
from tests.board.entries import PUBLISHED_NS, entry, figures, sha256

REFUSED = Submission(
    sha256("b"),
    "lab",
    PUBLISHED_NS,
    10,
    state=State.REFUSED,
    reached="INVALID",
    reasons=(Reason("INT-1", "changed"), Reason("INT-7", "cut")),
)


def test_every_reason_has_its_line() -> None:
    """The state with the level reached, and below it each rule with why."""
    lines = submission_text(REFUSED.to_json()).splitlines()
    assert lines == [f"refused, INVALID: submission {sha256('b')}", "  INT-1: changed", "  INT-7: cut"]
    done = Submission(sha256("b"), "lab", PUBLISHED_NS, 10, state=State.PUBLISHED, reached="ES1", entry_id="urn:uuid:x")
    assert submission_text(done.to_json()).splitlines()[1] == "entry urn:uuid:x"


def test_a_list_has_ranks_in_its_classes_alone() -> None:
    """Entries of a class follow each other by rank; the others stand below the name of their list; a withdrawal has its reason."""
    entries = [
        entry(1, figures=figures(300.0)),
        entry(2),
        entry(3, level="ES0"),
        entry(4, figures=figures(None)),
        entry(5).withdrawn("wrong", at_ns=PUBLISHED_NS * 1 + 10**15),
    ]
    board = Board.of(entries).to_json()
    lines = list_text({"total": 5, "page": 1, "pages": 1, "board": board}).splitlines()
    assert lines[0] == "5 entries, page 1 of 1; J per 1k output tokens, less is better"
    assert lines[1] == f"class {entry(1).short_class}"
    assert lines[2].split()[:4] == ["1", "250", "+-", "5"]
    assert lines[3].split()[:4] == ["2", "300", "+-", "5"]
    assert lines[4::2] == ["informative, without rank", "not comparable, without rank", "withdrawn, without rank"]
    assert "not known" in lines[7]
    assert lines[9].endswith("(wrong)")


def test_the_rest_in_a_line_each() -> None:
    """A withdrawal, the hashes of a snapshot as sha256sum writes them, and what a look at another board came to."""
    gone = entry(1).withdrawn("wrong", at_ns=PUBLISHED_NS + 10**15)
    assert withdrawal_text(gone.to_json()) == f"withdrawn: {gone.entry_id} (wrong)"
    assert snapshot_text({"files": {"energy.csv": "ab"}}) == "ab  energy.csv"
    look = {
        "board": "http://a",
        "changed": True,
        "seen": 3,
        "taken": ["x"],
        "linked": 1,
        "submissions": [REFUSED.to_json()],
        "withdrawn": ["urn:uuid:y"],
        "findings": [{"kind": "vanished", "item_id": "urn:uuid:z", "detail": "gone"}],
    }
    lines = follow_text(look).splitlines()
    assert lines[0] == "http://a: 3 entries, 1 fetched, 1 here already"
    assert lines[-2:] == ["withdrawn there and here: urn:uuid:y", "vanished: urn:uuid:z gone"]
    assert follow_text({**look, "changed": False}).startswith("http://a: nothing has changed")
