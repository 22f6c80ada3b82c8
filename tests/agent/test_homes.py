"""Each agent keeps to one collector, and each collector hears only of its own batches."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from joulemark.agent.homes import Share, home_of
from joulemark.agent.spool import Spool, Stored
from joulemark.proto.messages import Ack, FrozenBatch

NAMES = [f"host-{number:05}" for number in range(10_000)]
ADDRESSES = [f"10.0.0.{number}:7470" for number in range(1, 5)]


def test_one_more_collector_moves_its_share_and_no_other_agent() -> None:
    """Of 10,000 agents about a fifth go to the fifth address, nobody else moves; every address has its part, in any order of the list."""
    before = [home_of(name, ADDRESSES) for name in NAMES]
    after = [home_of(name, [*ADDRESSES, "10.0.0.5:7470"]) for name in NAMES]
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {"10.0.0.5:7470"}
    assert 1850 < len(moved) < 2150, "a fifth, give or take four standard deviations"
    assert all(2300 < count < 2700 for count in Counter(before).values())
    shuffled = random.Random(3).sample(ADDRESSES, len(ADDRESSES))
    assert [home_of(name, shuffled) for name in NAMES[:200]] == before[:200]


def test_one_that_goes_gives_its_agents_to_the_others() -> None:
    """Only the agents of the address that was removed move, and not all to the same one."""
    for name in NAMES[:2000]:
        before, after = home_of(name, ADDRESSES), home_of(name, ADDRESSES[1:])
        assert before == after or before == ADDRESSES[0]


def test_a_home_has_a_known_hash() -> None:
    """What stands in the files of running agents stays true in later versions."""
    assert [home_of(name, ADDRESSES) for name in ("a", "b", "host-00000")] == KNOWN


KNOWN = ["10.0.0.2:7470", "10.0.0.2:7470", "10.0.0.4:7470"]


def put(spool: Spool, home: str, count: int) -> int:
    """A new start at `home` with so many batches; its epoch."""
    epoch_ns = spool.new_epoch(home)
    for seq in range(count):
        body = f"{epoch_ns} {seq}".encode()
        spool.append(Stored(epoch_ns, seq, FrozenBatch(body, hashlib.sha256(body).digest()), 1, epoch_ns, epoch_ns))
    return epoch_ns


def test_a_share_is_what_belongs_to_one_home(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    """Starts at two homes: each claims, counts and deletes its own, and what the other says of its epoch deletes nothing, also later."""
    spool = opened(tmp_path / "spool.db")
    first, second, third = put(spool, "a:1", 2), put(spool, "b:1", 3), put(spool, "a:1", 1)
    a, b = Share(spool, "a:1"), Share(spool, "b:1")
    assert [one.key for one in a.claim((-1, -1), 9)] == [(first, 0), (first, 1), (third, 0)]
    assert [one.key for one in b.claim((second, 0), 1)] == [(second, 1)]
    assert (a.batch_count(), b.batch_count(), spool.batch_count()) == (3, 3, 6)
    assert b.acknowledge([Ack(first, 1), Ack(second, 1)]) == 2
    assert (a.batch_count(), b.batch_count()) == (3, 1)
    assert a.acknowledge([Ack(first, 1)]) == 2
    spool.close()
    again = opened(tmp_path / "spool.db")
    assert again.homes.waiting == {"a:1": (1, 1), "b:1": (1, 0)}
    assert Share(again, "c:1").claim((-1, -1), 9) == []
    put(again, "c:1", 0)
    assert [(home, again.batch_count(home=home)) for home in again.homes.addresses()] == [("a:1", 1), ("b:1", 1), ("c:1", 0)]


def test_homes_survive_a_damaged_file(tmp_path: Path, opened: Callable[..., Spool]) -> None:
    """A file that goes while it is used is replaced with what could be read, and every batch still belongs where it did."""
    spool = opened(tmp_path / "spool.db")
    first = put(spool, "a:1", 2)
    (tmp_path / "spool.db").unlink()
    second = put(spool, "b:1", 1)
    assert [one.key for one in Share(spool, "a:1").claim((-1, -1), 9)] == [(first, 0), (first, 1)]
    spool.close()
    assert opened(tmp_path / "spool.db").homes.waiting == {"a:1": (2, 2), "b:1": (1, 0)}
    assert first < second
