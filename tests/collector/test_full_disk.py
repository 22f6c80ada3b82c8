"""A collector on a disk that is full: a real one, on a device of 24 MiB in a namespace of its own, or with limited files where that is
not allowed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MOUNT = 'mount -t tmpfs -o size=24m tmpfs "$1" && exec "$3" -m tests.collector.full_disk "$1" "$2" device "$4"'


def can_mount() -> bool:
    """Whether this user may mount a device in a namespace of its own."""
    probe = ["unshare", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /tmp"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def played(what: str, how: str, tmp_path: Path, repository: Path) -> dict[str, Any]:
    """What a scene of `full_disk` saw."""
    (tmp_path / "device").mkdir()
    place, work = str(tmp_path / "device"), str(tmp_path / "work")
    command = [sys.executable, "-m", "tests.collector.full_disk", place, work, "limit", what]
    if how == "device" and can_mount():
        command = ["unshare", "--map-root-user", "--mount", "sh", "-c", MOUNT, "sh", place, work, sys.executable, what]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return {**told, "device": command[0] == "unshare"}


@pytest.mark.slow
@pytest.mark.parametrize("how", ["device", "limit"])
def test_a_full_disk_loses_nothing_and_says_what_to_do(how: str, tmp_path: Path, repository: Path) -> None:
    """While the disk takes nothing no batch is acknowledged and the agent spools; every page answers, a mark is refused with the next
    step, and log, metrics and the agent's log name the disk. With room again each reading is stored exactly once, what was sealed is
    sound, its sums are those of the readings, and the runs are there.
    """
    seen = played("filled", how, tmp_path, repository)
    assert seen["stored_after"] == seen["stored_before"]
    assert seen["let_go"] == 0
    assert set(seen["answers"].values()) == {200}
    assert seen["mark"] == [507, "free space in collector.data_dir"]
    assert (seen["free_bytes"] == 0) == seen["device"]
    refused = [line for line in seen["log"] if "refused: the collector cannot store" in line]
    assert refused
    assert all("free space in collector.data_dir" in line for line in refused)
    assert "Traceback" not in "".join(seen["log"])
    assert "free space in collector.data_dir" in seen["agent_log"]
    assert (seen["left"], seen["mark_after"], seen["run_kept"], seen["status"]) == (0, 201, True, 0)
    held = seen["found"]
    for device, numbers in held["numbers"].items():
        assert numbers == list(range(len(numbers))), device
        assert set(seen["spooled"][device]) <= set(numbers)
        assert len(seen["spooled"][device]) >= 30
    assert len(held["numbers"]) == 2
    assert (held["missing"], held["losses"], held["sound"], held["wrong_sums"]) == (0, 0, ["ok", "ok"], [])
    assert held["chunks"] > 0
    assert held["days"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["device", "limit"])
def test_a_start_on_a_full_disk_is_no_damage(how: str, tmp_path: Path, repository: Path) -> None:
    """With any little room left a collector starts, or ends with status 5 and words that name the disk and no other file to be thrown
    away; with room again it starts with all that it had.
    """
    seen = played("starts", how, tmp_path, repository)
    for one in seen["starts"]:
        assert one["status"] in (0, 5), one
        assert "Traceback" not in one["said"], one["said"]
        if one["status"]:
            last = one["said"].strip().splitlines()[-1]
            assert any(words in last for words in ("free space on its disk", "that the disk has room")), last
            assert "move it away" not in last
    assert seen["starts"][0]["status"] == 5
    assert seen["starts"][-1]["status"] == 0 or not seen["device"]
    assert (seen["kept"], seen["sound"], seen["run_kept"]) == (True, ["ok", "ok"], True)
