"""Summaries of runs: parts of the card at their own places, and for how long they stand."""

from __future__ import annotations

import asyncio
import functools

import pytest

from joulemark.cards.measured import Measured
from joulemark.collector.summaries import AGAIN_NS, MOST_GOING, MOST_KEPT, MOST_PAIRS, PARTS, Pair, Summaries, Summary
from joulemark.errors import UsageError
from tests.kit import spoil

RUN = Measured.of(spoil.good("ES1"))


def test_a_summary_is_a_part_of_the_card() -> None:
    """What is kept stands under the same names with the same values, beside the latencies and the class of the run."""
    found = Summary.of(RUN, settled=True)
    assert found.card is not None
    assert {name: found.card[name] for name in PARTS} == {name: RUN.card[name] for name in PARTS}
    assert [phase["mean_power_w"] for phase in found.card["phases"]] == [phase["mean_power_w"] for phase in RUN.card["phases"]]
    assert found.key is not None
    assert found.key.scope == RUN.card["scope"]
    assert found.latency("end_to_end", 50) in (*found.latencies, None)
    assert found.latency("ttft", 1) is None


def test_a_settled_run_stands_until_its_key_changes_and_others_for_a_while() -> None:
    """By another key it is not known; one that may change, or has no card, is asked for again after half a minute."""
    kept, settled, open_ = Summaries(), Summary.of(RUN, settled=True), Summary(None, why="no reading")
    kept.keep("a", "k", 0, settled)
    kept.keep("b", "k", 0, open_)
    assert kept.known("a", "k", 10**18) is settled
    assert kept.known("a", "other", 0) is None
    assert kept.known("b", "k", AGAIN_NS) is open_
    assert kept.known("b", "k", AGAIN_NS + 1) is None
    assert kept.known("c", "k", 0) is None


def test_what_nobody_asks_for_goes_first() -> None:
    """The number of summaries and of comparisons is bounded."""
    kept, one = Summaries(), Summary(None)
    for at in range(MOST_KEPT):
        kept.keep(str(at), "k", 0, one)
    kept.known("0", "k", 0)
    kept.keep("new", "k", 0, one)
    assert len(kept.kept) == MOST_KEPT
    assert kept.known("0", "k", 0) is one
    assert kept.known("1", "k", 0) is None
    for at in range(MOST_PAIRS + 1):
        kept.keep_pair((str(at), "b"), Pair(0, True, {}))
    assert len(kept.pairs) == MOST_PAIRS
    assert kept.pair(("0", "b"), 0) is None
    kept.keep_pair(("a", "b"), Pair(0, False, {}))
    assert kept.pair(("a", "b"), AGAIN_NS) == {}
    assert kept.pair(("a", "b"), AGAIN_NS + 1) is None


def test_who_does_not_wait_finds_it_the_next_time() -> None:
    """What takes too long goes on for who asks the same again, and is made once; what it raises reaches who waits."""

    async def asked() -> None:
        kept, made, gate = Summaries(), [], asyncio.Event()

        async def make() -> str:
            made.append(1)
            await gate.wait()
            return "done"

        async def broken() -> str:
            raise UsageError("no", "yes")

        assert await kept.in_time(("a",), make, within_s=0.001) is None
        gate.set()
        assert await kept.in_time(("a",), make, within_s=5.0) == "done"
        assert (len(made), kept.going) == (1, {})
        with pytest.raises(UsageError):
            await kept.in_time(("b",), broken, within_s=5.0)

    asyncio.run(asked())


def test_so_many_go_on_behind_pages() -> None:
    """While as many go on as may, another one is not begun; when one of them has ended, it is."""

    async def asked() -> None:
        kept, gates = Summaries(), [asyncio.Event() for _ in range(MOST_GOING + 1)]

        async def make(number: int) -> bool:
            return await gates[number].wait()

        for number in range(MOST_GOING + 1):
            assert await kept.in_time((str(number),), functools.partial(make, number), within_s=0.001) is None
        assert str(MOST_GOING) not in {name for (name,) in kept.going}
        gates[0].set()
        assert await kept.in_time(("0",), functools.partial(make, 0), within_s=5.0) is True
        gates[-1].set()
        assert await kept.in_time((str(MOST_GOING),), functools.partial(make, MOST_GOING), within_s=5.0) is True
        for gate in gates:
            gate.set()
        await asyncio.gather(*kept.going.values())

    asyncio.run(asked())
