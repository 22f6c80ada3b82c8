"""A short course of the live proof, and what its checker says of one that went wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.price_live.__main__ import execute

SECONDS = 11.0


def verdict(work: Path) -> tuple[int, dict[str, Any], str]:
    """Status, figures and complaints of the checker."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.price_live.checker", str(work)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A short course, as it left its files."""
    assert corpus.is_dir()
    folder = tmp_path_factory.mktemp("price-live")
    execute(folder, 7, SECONDS, "")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_good_feeds_are_read_while_others_fail_hang_and_lie(work: Path) -> None:
    """One feed down, one too slow, three that lie: the checker finds nothing wrong, and no good feed was late."""
    status, figures, complaints = verdict(work)
    assert (status, complaints) == (0, "")
    assert sorted(figures["lies"]) == ["half", "tenfold", "zero"]
    assert all(figures["attempts"][outcome] for outcome in ("ok", "not_modified", "held", "failed"))


def feed_of(left: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in left["feeds"] if one["feed"] == kind)


def dearer(left: dict[str, Any]) -> None:
    left["answers"]["liar azure"]["price"]["amount"] = "0.999"


def younger(left: dict[str, Any]) -> None:
    feed_of(left, "gcp_catalog")["last_good_ns"] = left["asked_ns"]


def silent(left: dict[str, Any]) -> None:
    left["metrics"] = "\n".join(line for line in left["metrics"].splitlines() if "price_fetches_total" not in line)


def better(left: dict[str, Any]) -> None:
    feed_of(left, "lambda_cloud").update(outcome="ok", error="")


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (dearer, "liar azure: 0.0804 was recorded"),
        (younger, "down (down): last good reading"),
        (silent, "-1 in metrics"),
        (better, "liar lambda"),
    ],
)
def test_the_checker_sees_what_is_wrong(work: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None], said: str) -> None:
    """A price that is not the recorded one, an age that got younger, a metric that is missing, a lie that counts as good: each is red."""
    folder = tmp_path / "spoilt"
    shutil.copytree(work, folder)
    left = json.loads((folder / "left.json").read_text())
    spoil(left)
    (folder / "left.json").write_text(json.dumps(left))
    status, figures, complaints = verdict(folder)
    assert (status, figures["ok"]) == (1, False)
    assert said in complaints


@pytest.mark.timeout(400)
def test_a_key_that_is_written_down_is_seen(work: Path, tmp_path: Path) -> None:
    """The key of a provider in any file of the collector, its log among them, is red."""
    folder = tmp_path / "spoilt"
    shutil.copytree(work, folder)
    with (folder / "log").open("a") as log:
        log.write(json.loads((folder / "plan.json").read_text())["key"])
    status, _, complaints = verdict(folder)
    assert (status, complaints) == (1, "the key of a provider stands in log\n")
