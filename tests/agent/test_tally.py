from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.agent.tally import SIZE, Tally, TallyFile
from joulemark.proto.messages import Loss

TALLY = Tally("ab" * 16, 10, 7, 70, 4, 40, 14, 20, 3, 30, 2, 20, 5)


def test_tally_is_read_as_written(tmp_path: Path) -> None:
    """The file always has one size, and gives back what was written last."""
    file = TallyFile(tmp_path / "spool.db")
    for tally in (Tally("", *[2**62] * 12), TALLY):
        file.write(tally, before=None)
        assert file.path.stat().st_size == SIZE
        assert file.read() == tally


@pytest.mark.parametrize("text", ["", "zz", "00000000 {}", "\x00" * SIZE, "\xff"])
def test_spoilt_tally_says_nothing(tmp_path: Path, text: str) -> None:
    """A file that cannot be trusted is as good as none."""
    file = TallyFile(tmp_path / "spool.db")
    assert file.read() is None
    file.path.write_text(text, encoding="latin-1")
    assert file.read() is None


def test_no_flip_goes_unseen(tmp_path: Path) -> None:
    """One changed byte anywhere in the line makes the tally void, never another tally."""
    file = TallyFile(tmp_path / "spool.db")
    file.write(TALLY, before=None)
    whole = file.path.read_bytes()
    for place in range(len(whole.rstrip())):
        file.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert file.read() in (None, TALLY)


def test_what_is_missing_is_dated_behind_the_last_acknowledgement() -> None:
    """Fewer batches of the own epoch are lost since its newest acknowledged sample; of older ones since their first."""
    found = TALLY.with_added(10, -2, -15)
    assert TALLY.missing_in(found) == (2, Loss("", 15, 14, 20, ""))
    assert TALLY.missing_in(found.with_added(9, -1, -10)) == (3, Loss("", 25, 5, 20, ""))


def test_a_removal_is_on_disk_before_it_is_committed(tmp_path: Path) -> None:
    """What a power loss leaves of the tally never claims batches that were removed since; to be behind on new ones costs nothing."""
    opened: list[int] = []
    file = TallyFile(tmp_path / "spool.db")
    sys.addaudithook(lambda event, args: opened.append(args[2]) if event == "open" and args[0] == str(file.path) else None)
    file.write(TALLY, before=None)
    for less in (TALLY.with_added(10, -1, 0), TALLY.with_added(9, 0, -1), TALLY.with_added(9, -1, -1)):
        file.write(less, before=TALLY)
    file.write(TALLY.with_added(10, 1, 5), before=TALLY)
    assert [bool(flags & os.O_DSYNC) for flags in opened] == [False, True, True, True, False]


def test_more_than_was_counted_is_no_loss() -> None:
    """A tally that is behind its database, as after a kill, knows of no loss."""
    assert TALLY.missing_in(TALLY.with_added(10, 1, 10)) == (0, None)


def test_thinning_that_is_undone_hides_no_loss() -> None:
    """A log that lost its tail brings thinned samples back: the newest batch found tells what vanished, not the sum."""
    found = replace(TALLY, written_seq=5, written_count=50, sample_count=500, batch_count=30)
    assert TALLY.missing_in(found) == (2, Loss("", 20, 14, 20, ""))


def test_acknowledged_batches_that_came_back_hide_no_loss_of_the_epoch() -> None:
    """What returned of an older epoch does not stand in for what the newest one lost."""
    assert TALLY.missing_in(TALLY.with_added(9, 5, 50).with_added(10, -1, -10)) == (1, Loss("", 10, 14, 20, ""))
