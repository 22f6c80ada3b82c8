"""What runs came to is computed once, and again when something that it depends on changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from joulemark.cards.trace import Trace
from joulemark.collector import reckoning
from joulemark.collector.reckoning import GOING_ON_NS, Highest, Reckoned, Reckoning, coarsened
from joulemark.collector.showing import MOST_KEPT, Shown
from joulemark.errors import InsufficientData
from tests.cards import pages

SMALL = Reckoned({"run_id": "r"}, {}, (Trace("gpu", 1, np.arange(1000, dtype=np.int64), np.ones(1000)),), (), (), (0,), settled=True)


class Asked:
    """Runs that are asked for; `made`: how often one was computed."""

    def __init__(self, found: Reckoned = SMALL) -> None:
        self.here, self.found, self.made = Reckoning(), found, 0

    async def make(self) -> Reckoned:
        self.made += 1
        await asyncio.sleep(0)
        return self.found

    async def ask(self, run_id: str = "r", key: str = "k", now_ns: int = 0) -> Reckoned:
        return await self.here.of(run_id, key, now_ns, self.make)


def test_a_settled_run_is_computed_once() -> None:
    """Two readers at once and one later get the same; another key is another computation."""
    asked = Asked()

    async def all_of_them() -> None:
        await asyncio.gather(asked.ask(), asked.ask())
        await asked.ask(now_ns=10**18)
        assert asked.made == 1
        await asked.ask(key="other")
        assert asked.made == 2

    asyncio.run(all_of_them())


def test_a_run_that_goes_on_is_computed_again_after_some_seconds() -> None:
    """As long as readings may arrive, what is shown is at most so old."""
    asked = Asked(replace(SMALL, settled=False))

    async def twice() -> None:
        await asked.ask(now_ns=0)
        await asked.ask(now_ns=GOING_ON_NS)
        assert asked.made == 1
        await asked.ask(now_ns=GOING_ON_NS + 1)
        assert asked.made == 2

    asyncio.run(twice())


def test_what_is_kept_does_not_wait() -> None:
    """While one run is computed, another one that is known is there at once."""
    asked = Asked()

    async def beside() -> None:
        await asked.ask("known")
        async with asked.here.busy:
            await asyncio.wait_for(asked.ask("known"), 1.0)

    asyncio.run(beside())


def test_bounded_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that was looked at longest ago gives way; the newest stays however long its lines are."""
    asked = Asked()

    async def many() -> None:
        for number in range(MOST_KEPT + 3):
            await asked.ask(str(number))
        assert len(asked.here.kept) == MOST_KEPT
        assert "0" not in asked.here.kept
        monkeypatch.setattr(reckoning, "MOST_BYTES", 1)
        await asked.ask("long")
        assert list(asked.here.kept) == ["long"]

    asyncio.run(many())


def test_what_fails_is_not_kept() -> None:
    """A run without readings says so to each reader, and is computed when there are some."""
    asked = Asked()

    async def fail() -> Reckoned:
        raise InsufficientData("no reading", "wait")

    async def both() -> None:
        with pytest.raises(InsufficientData):
            await asked.here.of("r", "k", 0, fail)
        assert await asked.ask() is SMALL

    asyncio.run(both())


def test_verdicts_are_bounded() -> None:
    """Of verdicts the newest are kept."""
    here = Reckoning()
    for number in range(MOST_KEPT + 1):
        here.judge(str(number), Shown(None, None, {}))  # type: ignore[arg-type]  # what is kept does not matter here
    assert len(here.judged) == MOST_KEPT
    assert "0" not in here.judged


def test_the_highest_reading_of_the_phases_that_count() -> None:
    """What lies outside of them is not looked at; without a reading there is none."""
    line = Trace("gpu", 1, np.arange(5, dtype=np.int64), np.array([9.0, 1.0, float("nan"), 3.0, 8.0]))
    assert Highest.of(line, [(1, 3)]) == Highest(3.0, 3)
    assert Highest.of(line, [(2, 2)]) == Highest()


def test_a_long_line_is_coarse_and_keeps_its_spike() -> None:
    """Few rows stand for many, and the highest reading is among them; a short line stays as it is."""
    power_w = np.ones(100_000)
    power_w[54_321] = 77.0
    line = Trace("gpu", 1, np.arange(100_000, dtype=np.int64) * 10**8, power_w)
    found = coarsened(line)
    assert len(found.t_ns) < 10_000
    assert found.power_w.max() == 77.0
    assert coarsened(SMALL.lines[0]) is SMALL.lines[0]


def test_a_run_of_the_laboratory() -> None:
    """Its card is the one that the evidence gives but for the hashes of files, its lines are those that a card's page draws."""
    run = pages.full("ES1")
    found = Reckoned.of(run.evidence, settled=True)
    assert {**found.card, "hashes": None} == {**run.card, "hashes": None}
    assert found.card["hashes"] == {}
    assert [line.boundary for line in found.lines] == ["server_input", "gpu"]
    assert found.size == sum(line.t_ns.nbytes + line.power_w.nbytes for line in found.lines)
    assert found.gaps == tuple(len(list(line.missing())) for line in found.lines)
