"""The end-to-end run as a test: once for real, then its files broken in copies, each of which must turn the checker red."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.__main__ import execute, tamper

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
SEED = 20261121


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that a whole run leaves."""
    folder = tmp_path_factory.mktemp("e2e")
    execute(folder, SEED, "")
    return folder


def verdict(work: Path) -> dict[str, object]:
    """What the separate checker says, in its own process."""
    done = subprocess.run([sys.executable, "-m", "tests.e2e.checker", str(work)], capture_output=True, text=True, check=False)
    result: dict[str, object] = json.loads(done.stdout)
    assert (done.returncode == 0) == (result["red"] == [])
    return result


def copy(work: Path, target: Path) -> Path:
    """A copy of what the checker reads, to break."""
    shutil.copytree(work, target, ignore=shutil.ignore_patterns("*.so*", "bmc", "tokenizer"))
    return target


def test_the_whole_path_is_accurate_and_loses_nothing(work: Path) -> None:
    """Meter to card, with both daemons killed: accurate on every length of window, every reading stored once."""
    result = verdict(work)
    assert result["red"] == []
    assert result["kills_agent"] == result["kills_collector"] == 2
    assert result["readings_stored"] == result["readings_sent"]


@pytest.mark.parametrize("mutation", ["drop", "dup"])
def test_a_store_that_lost_or_doubled_a_batch_is_red(work: Path, tmp_path: Path, mutation: str) -> None:
    """A batch taken out of the store, or put in twice, is seen."""
    broken = copy(work, tmp_path / "broken")
    tamper(broken / "collector" / "readings.db", mutation)
    result = verdict(broken)
    assert result["missing" if mutation == "drop" else "duplicates"]


def test_energies_one_per_cent_high_are_red(work: Path, tmp_path: Path) -> None:
    """A gain error of one per cent anywhere in the energies is seen."""
    broken = copy(work, tmp_path / "broken")
    energies = json.loads((broken / "energy.json").read_text())
    for phase in energies["accuracy"]:
        phase["energy_j"] *= 1.01
    (broken / "energy.json").write_text(json.dumps(energies))
    assert "median" in str(verdict(broken)["red"])


def test_a_card_with_other_tokens_is_red(work: Path, tmp_path: Path) -> None:
    """A card whose token count is not the benchmark's own is seen."""
    broken = copy(work, tmp_path / "broken")
    card = json.loads((broken / "card.json").read_text())
    for phase in card["phases"]:
        phase["tokens"]["output"] = (phase["tokens"]["output"] or 0) + 1
    (broken / "card.json").write_text(json.dumps(card))
    assert "output tokens" in str(verdict(broken)["red"])
