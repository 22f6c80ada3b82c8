"""What else goes on where an alignment shall be made."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from joulemark.cli import surroundings
from joulemark.timebase import SystemClock


def proc(folder: Path, *lines: str) -> Path:
    """A /proc in which these commands run, numbered from 10 on."""
    for number, line in enumerate(lines, start=10):
        (folder / str(number)).mkdir()
        (folder / str(number) / "cmdline").write_bytes(b"\0".join(line.encode().split()) + b"\0")
    (folder / "self").mkdir()
    return folder


def test_monitors_are_known_by_their_command_lines(tmp_path: Path) -> None:
    """Loops of nvidia-smi, DCGM, power monitors and a second agent are named; one question of nvidia-smi and one agent are none."""
    found = surroundings.monitors(
        proc(
            tmp_path,
            "/usr/bin/nvidia-smi -l 1",
            "/usr/bin/nvidia-smi",
            "nvidia-smi dmon",
            "/usr/bin/nv-hostengine -n",
            "turbostat",
            "watch -n1 ipmitool sensor",
            "/opt/venv/bin/python -m joulemark agent run",
            "/opt/venv/bin/python -m joulemark agent run --config x",
            "python -m joulemark collector run",
            "vim nvidia-smi.md",
        )
    )
    assert found == (
        "nvidia-smi in a loop (10)",
        "nvidia-smi in a loop (12)",
        "DCGM (13)",
        "a power monitor (14)",
        "a reader in a loop (15)",
        "joulemark agent (17)",
    )


def test_without_proc_nothing_can_be_told(tmp_path: Path) -> None:
    """None is not an empty list."""
    assert surroundings.monitors(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("script", "told"), [("echo 812; echo 913", [812, 913]), ("exit 0", []), ("exit 9", None), ("echo No devices were found; exit 6", None)]
)
def test_who_computes_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: list[int] | None) -> None:
    """As nvidia-smi says; one that fails, and one that is not there, tells nothing."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    assert surroundings.computing() == told
    tool.unlink()
    assert surroundings.computing() is None


def test_a_process_at_work_is_foreign() -> None:
    """One that takes a processor and was not started by us is named with its number; our own children are not foreign."""
    script = f"{sys.executable} -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    stranger = int(subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout)
    child = psutil.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = surroundings.foreign(SystemClock(), time.sleep)
    finally:
        psutil.Process(stranger).kill()
        child.kill()
        child.wait()
    assert found is not None
    assert [name for name in found if f"({stranger})" in name] != []
    assert [name for name in found if f"({child.pid})" in name] == []
