"""The spool against a model: whatever happens in whatever order, every batch is present, acknowledged, or counted as lost."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from joulemark.agent.spool import Spool, Stored
from joulemark.config import SpoolConfig
from joulemark.proto import convert
from joulemark.proto.messages import Ack, Batch, ClockState, FrozenBatch, Loss
from joulemark.readings import Quality, Sample
from joulemark.timebase import SystemClock

BOUND = 1024 * 1024
DEVICE = "fake:host:0"
FILES = ("", "-wal", ".tally")
BIG = 1000
"""Samples of a batch, so that some twenty fill the spool."""


@functools.cache
def sample(number: int, is_pinned: bool) -> Sample:
    t_ns = number * 1000
    return Sample(DEVICE, t_ns, t_ns + 997, number, (number * 104_729,), (None,), (Quality.OK,), ("",), number, is_pinned)


def batch_of(epoch_ns: int, seq: int, first: int, count: int, losses: tuple[Loss, ...]) -> FrozenBatch:
    """`count` samples from number `first` on; the first one pinned."""
    rows = tuple(sample(number, number == first) for number in range(first, first + count))
    return convert.freeze(Batch(epoch_ns, seq, "boot", 1, ClockState(), {DEVICE: rows}, (), losses))


class SpoolModel(RuleBasedStateMachine):
    """The model knows the numbers of all samples written, in which batch they are, and what the collector has acknowledged."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="joulemark-spool-"))
        self.crashes = 0
        self.written: dict[tuple[int, int], int] = {}
        self.delivered_samples = self.delivered_losses = 0
        self.given: dict[tuple[int, int], FrozenBatch] = {}
        self.next_number = 0
        self.torn = False
        self.open(self.folder / "0" / "spool.db")

    def open(self, path: Path) -> None:
        self.spool = Spool(SpoolConfig(path, BOUND), SystemClock())
        self.spool.open()
        self.epoch_ns, self.next_seq = self.spool.new_epoch(), 0
        self.session: list[Stored] = []

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.folder)

    @rule(count=st.sampled_from([1, 3, BIG]), is_counter=st.booleans())
    def append(self, count: int, is_counter: bool) -> None:
        carried = self.spool.losses()
        frozen = batch_of(self.epoch_ns, self.next_seq, self.next_number, count, carried)
        stored = Stored(self.epoch_ns, self.next_seq, frozen, count, self.next_number, self.next_number + count)
        self.spool.append(stored, carried=carried, counter_devices=frozenset({DEVICE} if is_counter else ()))
        self.written[stored.key] = count
        self.next_seq += 1
        self.next_number += count

    @rule()
    def append_many(self) -> None:
        """Enough to make it thin."""
        for _ in range(8):
            self.append(BIG, True)

    @rule(limit=st.integers(1, 20))
    def claim(self, limit: int) -> None:
        after = self.session[-1].key if self.session else (-1, -1)
        for stored in self.spool.claim(after, limit):
            assert self.given.setdefault(stored.key, stored.frozen) == stored.frozen, "its bytes changed after it was given out"
            self.session.append(stored)

    @precondition(lambda self: self.session)
    @rule(share=st.floats(0.0, 1.0))
    def acknowledge(self, share: float) -> None:
        """The collector has stored the first ones of this stream, in their order."""
        stored_there = self.session[: 1 + int(share * (len(self.session) - 1))]
        acks: dict[int, int] = {}
        for stored in stored_there:
            acks[stored.epoch_ns] = stored.batch_seq
            view = convert.decode(stored.frozen.body)
            self.delivered_samples += sum(block.row_count for block in view.blocks)
            self.delivered_losses += sum(loss.sample_count for loss in view.losses)
            self.given.pop(stored.key)
        self.session = self.session[len(stored_there) :]
        assert self.spool.acknowledge([Ack(*ack) for ack in acks.items()]) == len(stored_there)

    @rule()
    def reconnect(self) -> None:
        """A new stream begins at the oldest batch."""
        self.session = []

    @rule()
    def restart(self) -> None:
        self.spool.close()
        self.open(self.spool.path)

    @rule()
    def crash(self) -> None:
        """The files as they are at this moment, opened by the next start."""
        self.crashes += 1
        folder = self.folder / str(self.crashes)
        folder.mkdir()
        for suffix in FILES:
            if (part := self.spool.path.with_name(self.spool.path.name + suffix)).exists():
                shutil.copy(part, folder / part.name)
        self.spool.close()
        self.open(folder / "spool.db")

    @rule(share=st.floats(0.3, 1.0))
    def crash_and_lose_the_tail(self, share: float) -> None:
        """As `crash`, with a torn write-ahead log."""
        wal = self.spool.path.with_name(self.spool.path.name + "-wal")
        keep = int(wal.stat().st_size * share) if wal.exists() else 0
        whole = self.spool.path.read_bytes(), wal.read_bytes()[:keep] if wal.exists() else b""
        tally = self.spool.path.with_name(self.spool.path.name + ".tally").read_bytes()
        self.crashes += 1
        folder = self.folder / str(self.crashes)
        folder.mkdir()
        (folder / "spool.db").write_bytes(whole[0])
        (folder / "spool.db-wal").write_bytes(whole[1])
        (folder / "spool.db.tally").write_bytes(tally)
        self.spool.close()
        self.open(folder / "spool.db")
        self.torn = True

    def present(self) -> Iterator[Stored]:
        after = (-1, -1)
        while some := self._peek(after):
            yield from some
            after = some[-1].key

    def _peek(self, after: tuple[int, int]) -> list[Stored]:
        """As `claim`, without marking anything as sent."""
        query = "SELECT epoch_ns, batch_seq, body, sha256 FROM batch WHERE (epoch_ns, batch_seq) > (?, ?) ORDER BY 1, 2 LIMIT 99"
        return self.spool._file.durably(
            lambda db: [Stored(row[0], row[1], FrozenBatch(row[2], row[3])) for row in db.execute(query, after)]
        )

    @invariant()
    def every_sample_is_accounted_for(self) -> None:
        """Exactly; after a torn log at least, because a delivered batch may have come back."""
        if not hasattr(self, "spool"):
            return
        views = [convert.decode(stored.frozen.body) for stored in self.present()]
        present = sum(block.row_count for view in views for block in view.blocks)
        counted = sum(x.sample_count for view in views for x in view.losses) + sum(x.sample_count for x in self.spool.losses())
        accounted = present + counted + self.delivered_samples + self.delivered_losses
        assert accounted >= self.next_number if self.torn else accounted == self.next_number

    @invariant()
    def the_bound_holds(self) -> None:
        if hasattr(self, "spool"):
            files = self.spool.path.parent.glob("spool.db*")
            assert sum(p.stat().st_size for p in files if not p.name.endswith("-shm")) <= BOUND


SpoolModel.TestCase.settings = settings(
    max_examples=6, stateful_step_count=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
TestSpoolModel = SpoolModel.TestCase
