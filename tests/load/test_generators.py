"""Which program holds a machine at a level."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from joulemark.errors import EnvironmentFailed, UsageError
from joulemark.load.generators import Generator, Kind, Load, chosen
from tests.waiting import eventually


def test_what_load_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`cpu` and `hand` are themselves; `gpu` is by hand without torch and cupy, and itself with one; all else is a command with {level}."""
    assert [chosen(name).kind for name in ("cpu", "hand", "gpu")] == [Kind.CPU, Kind.HAND, Kind.HAND]
    (tmp_path / "cupy.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert chosen("gpu").command(0.5) == [sys.executable, "-m", "joulemark.load.burn_gpu", "0.5"]
    assert chosen("mine --rate {level}").command(0.25) == ["sh", "-c", "mine --rate 0.25"]
    assert chosen("mine --rate {level}").name == "mine --rate {level}"
    with pytest.raises(UsageError, match=r"does not hold \{level\}"):
        chosen("mine")


def test_stress_ng_is_used_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It runs on every core at the level; without it our own processes do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chosen("cpu").command(0.5) == [sys.executable, "-m", "joulemark.load.burn_cpu", "0.5"]
    stress = tmp_path / "stress-ng"
    stress.write_text("#!/bin/sh\n")
    stress.chmod(0o755)
    assert chosen("cpu").command(0.5)[:3] == [str(stress), "--cpu", "0"]
    assert chosen("cpu").command(0.5)[-2:] == ["--cpu-load", "50"]


@pytest.mark.parametrize("level", [0.0, -0.1, 1.01, float("nan")])
def test_a_level_lies_between_0_and_1(level: float) -> None:
    """Another is refused before anything runs."""
    with pytest.raises(UsageError, match="no level"):
        chosen("cpu").command(level)


def test_a_load_follows_its_level(tmp_path: Path) -> None:
    """Each level starts the command anew, 0 stops it, and a command that ended by itself is an error, never a quiet machine."""
    seen = tmp_path / "seen"
    with Load(Generator(Kind.COMMAND, f"echo {{level}} >> {seen}; sleep 60"), tmp_path / "log") as load:
        for number, level in enumerate((0.5, 1.0), start=1):
            load.hold(level)
            while not seen.exists() or seen.read_text().count("\n") < number:
                time.sleep(0.02)
            load.require()
        load.hold(0.0)
        load.require()
    assert seen.read_text().split() == ["0.5", "1"]
    with Load(Generator(Kind.COMMAND, "exit 4 {level}"), tmp_path / "log") as load:
        load.hold(1.0)
        eventually(lambda: failed(load), "the command has ended")
        with pytest.raises(EnvironmentFailed, match="status 4"):
            load.require()


def failed(load: Load) -> bool:
    try:
        load.require()
    except EnvironmentFailed:
        return True
    return False
