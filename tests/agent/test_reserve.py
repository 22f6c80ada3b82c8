from __future__ import annotations

import os
from pathlib import Path

from joulemark.agent.reserve import LARGEST_BYTES, Reserve


def test_reserve_takes_real_blocks_and_lends_them(tmp_path: Path) -> None:
    """The space is allocated on the disk, given back while it is lent, and taken again."""
    reserve = Reserve(tmp_path / "spool.db", 1024 * 1024)
    assert reserve.hold()
    assert os.stat(reserve.path).st_blocks * 512 >= reserve.size_bytes == 128 * 1024
    with reserve.lent():
        assert not reserve.path.exists()
    assert reserve.path.stat().st_size == reserve.size_bytes


def test_reserve_of_a_large_spool_is_small() -> None:
    """It never takes more than 1 MiB."""
    assert Reserve(Path("spool.db"), 512 * 1024 * 1024).size_bytes == LARGEST_BYTES


def test_disk_without_room_is_no_error(tmp_path: Path) -> None:
    """Where nothing can be held the agent goes on without a reserve."""
    assert not Reserve(tmp_path / "missing" / "spool.db", 1024 * 1024).hold()


def test_disk_that_was_made_read_only_is_no_error(tmp_path: Path) -> None:
    """A reserve that can neither be removed nor taken (a disk remounted read-only after an error) stops nobody."""
    reserve = Reserve(tmp_path / "spool.db", 1024 * 1024)
    reserve.path.mkdir()
    with reserve.lent():
        assert reserve.path.exists()
    assert not reserve.hold()


def test_descriptor_that_refuses_everything_is_no_error(tmp_path: Path) -> None:
    """Neither allocated nor emptied: the reserve is not held, and nothing is raised."""
    reserve = Reserve(tmp_path / "spool.db", 1024 * 1024)
    reserve.path.symlink_to("/dev/null")
    assert not reserve.hold()
