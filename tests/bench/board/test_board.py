"""The checker of the board's bench sees what is missing, twice, sent again, or slow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.board import checker
from tests.bench.board.cards import cards

PATHS = ("/healthz", "/v1/board", "/v1/board/feed.json")
IDS = [entry.entry_id for entry, _ in cards(20, seed=1)]
GOOD: dict[str, Any] = {"count": 20, "real": 2, "filled_s": 1.0, "rss_mb": 100.0, "listed": IDS, "fed": IDS[::-1]}


def asked(**slower: float) -> list[dict[str, Any]]:
    """A hundred questions of each path, a millisecond each, the tagged ones answered with 304."""
    found = []
    for path in PATHS:
        taken_ns = round(1e6 * slower.get(path.rpartition("/")[2].partition(".")[0], 1.0))
        found += [{"path": path, "tag": False, "status": 200, "taken_ns": taken_ns, "bytes": 9}] * 100
    return found + [{"path": PATHS[1], "tag": True, "status": 304, "taken_ns": 10, "bytes": 0}] * 100


def judged(folder: Path, seen: dict[str, Any], questions: list[dict[str, Any]]) -> int:
    """The exit status of the checker."""
    (folder / "seen.json").write_text(json.dumps(seen))
    (folder / "asked.jsonl").write_text("".join(json.dumps(one) + "\n" for one in questions))
    return checker.main(folder)


def test_a_good_run_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures stand in the line."""
    assert judged(tmp_path, GOOD, asked(board=3.0)) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["passed"], line["listed"], line["fed"], line["not_modified_rate"]) == (True, 20, 20, 1.0)
    assert line["routes"]["/v1/board"] == {"p50_ms": 3.0, "p99_ms": 3.0, "p50_ratio": 3.0, "p99_ratio": 3.0}


@pytest.mark.parametrize(
    ("seen", "questions", "said"),
    [
        ({"listed": IDS[1:]}, asked(), "missing on the list"),
        ({"fed": IDS[1:]}, asked(), "missing in the feed"),
        ({"fed": [*IDS, IDS[0]]}, asked(), "stands twice"),
        ({"real": 0}, asked(), "no bundle was judged"),
        ({}, asked(board=11.0), "the list takes more"),
        ({}, asked(feed=11.0), "the feed takes more"),
        ({}, [*asked(), {"path": PATHS[1], "tag": True, "status": 200, "taken_ns": 1, "bytes": 9}], "sent again"),
        ({}, [*asked(), {"path": PATHS[1], "tag": False, "status": 500, "taken_ns": 1, "bytes": 9}], "a question failed"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seen: dict[str, Any], questions: list[dict[str, Any]], said: str
) -> None:
    """Each fault alone turns the run red."""
    assert judged(tmp_path, GOOD | seen, questions) == 1
    assert said in capsys.readouterr().err
