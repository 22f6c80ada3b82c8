"""The desk, with real processes that judge: published, refused, and gone on with after a crash."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from joulemark.board.desk import Desk
from joulemark.board.submission import MOST_TRIES, State, Submission
from joulemark.chain import Chain
from joulemark.config import BoardConfig, CollectorConfig, Config
from tests.board import archives
from tests.conftest import ManualClock
from tests.kit.lab import Lab, write

NOT_A_BUNDLE = archives.zipped({"readme.txt": b"nothing of ours"})


@pytest.fixture
def desk(tmp_path: Path, manual_clock: ManualClock) -> Iterator[Desk]:
    made = Desk.of(Config(collector=CollectorConfig(data_dir=tmp_path), board=BoardConfig(kit=True)), manual_clock)
    yield made
    made.close()


def hand_in(desk: Desk, archive: bytes, *, level: str = "ES0", submitter: str = "lab") -> Submission:
    """The submission of an archive that arrived."""
    path = desk.lock.with_name("arrived")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive)
    one = Submission(archives.sha256(archive), submitter, desk.clock.utc_ns(), len(archive), level=level)
    return asyncio.run(desk.receive(one, path))


def test_a_bundle_is_published_with_its_archive_and_its_card(desk: Desk) -> None:
    """From the archive to an entry of the level that was asked for; handed in again it is the same submission, and judged once."""
    archive = archives.kit("ES1")
    assert hand_in(desk, archive, level="ES1").state is State.RECEIVED
    (done,) = asyncio.run(desk.work_off())
    assert (done.state, done.reached, done.tries) == (State.PUBLISHED, "ES1", 1)
    (entry,) = desk.store.entries()
    assert (entry.entry_id, entry.submitter) == (done.entry_id, "lab")
    assert desk.archives.path(entry.bundle_sha256).read_bytes() == archive
    assert archives.sha256(desk.archives.card(entry.bundle_sha256).read_bytes()) == entry.card_sha256
    assert hand_in(desk, archive, submitter="somebody") == done
    assert asyncio.run(desk.work_off()) == []


def test_a_refused_archive_is_not_kept(desk: Desk) -> None:
    """What is no bundle is refused with its reason, and its bytes go."""
    hand_in(desk, NOT_A_BUNDLE)
    (done,) = asyncio.run(desk.work_off())
    assert (done.state, [reason.rule for reason in done.reasons]) == (State.REFUSED, ["ENTRY"])
    assert desk.archives.size() == 0
    assert not list(desk.judge.place.iterdir())


def test_a_bundle_that_kills_its_judge_is_refused_after_some_tries(desk: Desk) -> None:
    """A judge that never answers is ended; the bundle waits for another try, and after the last one it is refused and may come again."""
    hopeless = replace(desk, judge=replace(desk.judge, within_s=0.05))
    hand_in(desk, NOT_A_BUNDLE)
    first = asyncio.run(hopeless.settle(desk.store.next() or pytest.fail("nothing waits")))
    assert (first.state, first.tries) == (State.VALIDATING, 1)
    (done,) = asyncio.run(hopeless.work_off())
    assert (done.state, done.tries, done.reasons[0].rule) == (State.REFUSED, MOST_TRIES, "EXAMINED")
    assert "not judged within 0.05 s, 3 times" in done.reasons[0].why
    assert hand_in(desk, NOT_A_BUNDLE).state is State.RECEIVED


def test_a_crash_while_judging_counts_as_a_try(desk: Desk) -> None:
    """A submission whose judging was broken off so often by the end of the whole process is not tried for ever."""
    waiting = hand_in(desk, NOT_A_BUNDLE)
    for _ in range(MOST_TRIES):
        waiting = desk.store.begin(waiting, now_ns=1)
    (done,) = asyncio.run(desk.work_off())
    assert (done.state, done.tries, done.reasons[0].rule) == (State.REFUSED, MOST_TRIES, "EXAMINED")


def test_one_process_judges_at_a_time(desk: Desk) -> None:
    """Whoever comes second is told so, until the first has gone."""
    with desk.alone() as first, desk.alone() as second:
        assert (first, second) == (True, False)
    with desk.alone() as again:
        assert again


def test_what_a_dead_process_left_is_removed(desk: Desk) -> None:
    """Archives that belong to nothing, and folders of judges that were ended, go when the next one begins."""
    hand_in(desk, NOT_A_BUNDLE)
    stray = desk.archives.path("ab" * 32)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    (desk.judge.place / "judging-x/energy").mkdir(parents=True)
    (desk.incoming / "following-x").mkdir(parents=True)
    (desk.incoming / "arriving-x").write_bytes(b"x")
    for left in (stray, *desk.incoming.iterdir()):
        os.utime(left, (0, 0))
    (desk.incoming / "arriving-y").write_bytes(b"y")
    os.utime(desk.incoming / "arriving-y", ns=(desk.clock.utc_ns(),) * 2)
    desk.sweep()
    assert [left.name for left in desk.incoming.iterdir()] == ["arriving-y"]
    assert not stray.exists()
    assert not list(desk.judge.place.iterdir())
    assert desk.archives.sound(archives.sha256(NOT_A_BUNDLE))


def test_what_goes_while_it_is_swept_is_no_harm(desk: Desk) -> None:
    """A name without a file, as when an arriving one goes between two looks, ends nothing; what is left from long ago goes."""
    old = desk.incoming / "arriving-old"
    (desk.incoming / "following-old").mkdir(parents=True)
    old.write_bytes(b"left")
    for folder in (desk.incoming, desk.archives.folder / "ab"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "gone").symlink_to("nowhere")
    for path in (old, desk.incoming / "following-old"):
        os.utime(path, (1, 1))
    desk.sweep()
    assert [path.name for path in desk.incoming.iterdir()] == ["gone"]
    assert desk.archives.size() == 0


def test_an_archive_that_is_gone_may_come_again(desk: Desk) -> None:
    """A submission whose archive is not here any more is nobody's verdict on the bundle: the same bytes are taken again."""
    archive = archives.kit("ES1")
    one = hand_in(desk, archive)
    desk.archives.drop(one.bundle_sha256)
    (done,) = asyncio.run(desk.work_off())
    assert (done.state, [reason.rule for reason in done.reasons]) == (State.REFUSED, ["EXAMINED"])
    assert hand_in(desk, archive).state is State.RECEIVED
    (done,) = asyncio.run(desk.work_off())
    assert done.state is State.PUBLISHED


def test_the_same_evidence_under_another_manifest_does_not_stand_twice(desk: Desk, tmp_path: Path) -> None:
    """A run without an id, attached twice in two ways, is one entry: its card tells."""
    found = Lab.of("ES1").evidence()
    folder = write(tmp_path / "bundle", replace(found, run=replace(found.run, run_id=""), chain=Chain()))
    for more in ("", "\n"):
        manifest = folder / "energy/manifest.json"
        manifest.write_text(manifest.read_text() + more)
        hand_in(desk, archives.zipped(archives.folder_of(folder)))
    first, second = asyncio.run(desk.work_off())
    assert first.state is State.PUBLISHED, first.reasons
    assert (second.state, [reason.rule for reason in second.reasons]) == (State.REFUSED, ["RUN"])
