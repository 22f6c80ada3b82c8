"""`joulemark compare`: two bundles, the difference with its uncertainty, and what differs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from joulemark.cli.compare import command, short
from joulemark.errors import InsufficientData
from tests.kit import spoil
from tests.kit.lab import Lab, write


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False, standalone_mode=False)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two sessions in one laboratory."""
    place = tmp_path_factory.mktemp("kit")
    return spoil.written(place / "a", "ES1"), write(place / "b", Lab.of("ES1", seed=2).evidence())


def test_two_sessions_of_one_machine(bundles: tuple[Path, Path]) -> None:
    """For people one line per figure with the verdict; what both rest on is told; JSON has the same figures."""
    lines = run(*bundles).stdout.splitlines()
    assert lines[0].endswith("[simulated]")
    assert sum("no difference is resolved" in line for line in lines) == 10
    assert any(line.startswith("both rest on meter redfish:node-1") for line in lines)
    found = json.loads(run(*bundles, "--json").stdout)
    assert (found["schema"], found["comparable"], found["differs"]) == ("joulemark.comparison/1", True, [])


def test_the_level_is_compared_when_asked_for(bundles: tuple[Path, Path]) -> None:
    """With --level both are judged; without, the level is null."""
    levels = [json.loads(run(*bundles, "--json", *more).stdout)["a"]["level"] for more in ((), ("--level",))]
    assert levels[0] is None
    assert levels[1] is not None


def test_nothing_in_common_is_exit_4(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    """Another boundary and no price: nothing is compared, the reasons stand there, the exit code is 4."""
    lab = Lab.of("ES2", seed=3)
    evidence = lab.evidence()
    labels = {key: value for key, value in evidence.run.labels.items() if key != "provider"}
    bare = write(tmp_path / "bare", replace(evidence, run=replace(evidence.run, labels=labels)))
    with pytest.raises(InsufficientData, match="boundary differs: server_input and wall_analyzer"):
        run(bundles[0], bare)


def test_facts_are_short() -> None:
    """A long fact is cut, a missing one is called so, text stands without quotes."""
    assert (short("a" * 100), short(None), short([]), short("x"), short(["x"])) == (
        "a" * 60 + "...",
        "not known",
        "not known",
        "x",
        '["x"]',
    )
