from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from joulemark.errors import EnvironmentFailed
from tests.units.__main__ import LIMIT, analyze, placed, unclean
from tests.units.box import Box


def ended(**environ: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.units`."""
    command = [sys.executable, "-m", "tests.units"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ})


def test_both_units_are_clean_and_closed() -> None:
    """Systemd has nothing to say against them, and scores each at most 2.5."""
    done = ended()
    line = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, line["verify"]) == (0, "clean"), done.stdout
    assert max(line["agent_score"], line["collector_score"]) <= LIMIT


def test_units_that_were_opened_are_told() -> None:
    """Without the filter of system calls and the closed file system the scores are above the limit, and the exit status is 1."""
    done = ended(MUTATE="open")
    line = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert min(line["agent_score"], line["collector_score"]) > LIMIT


@pytest.mark.parametrize(
    ("line", "said"),
    [("StartLimitIntervalSec=9", "StartLimitIntervalSec"), ("WatchDogSec=30", "WatchDogSec"), ("ExecStartPre=/none", "/none")],
)
def test_a_line_that_systemd_would_pass_over_is_told(tmp_path: Path, line: str, said: str) -> None:
    """A key in the wrong section, a misspelt one and a command that is not there are no clean unit."""
    unit = placed(tmp_path)["agent"]
    unit.write_text(unit.read_text().replace("Type=notify\n", f"Type=notify\n{line}\n"))
    assert said in unclean(unit)


def test_without_systemd_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program is missing the message says what to install."""
    monkeypatch.setenv("PATH", "/none")
    with pytest.raises(EnvironmentFailed, match="systemd-analyze is not installed") as error:
        analyze("verify")
    assert "scripts/debian" in error.value.next_step


def test_without_root_no_box_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where systemd cannot be booted in namespaces the reason and the next step are told."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentFailed, match="only root") as error:
        Box()
    assert "as root" in error.value.next_step
