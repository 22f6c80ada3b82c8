"""Route of two runs held against each other, and how what lists and pages show of several is computed: one run at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from joulemark.cards.comparison import compared
from joulemark.cards.measured import Measured
from joulemark.collector import reckoning
from joulemark.collector.api import runs, traces
from joulemark.collector.api.problems import described
from joulemark.collector.api.state import Served, State
from joulemark.collector.reckoning import Reckoned
from joulemark.collector.summaries import Pair, Summary
from joulemark.errors import InsufficientData, JoulemarkError, UsageError

router = APIRouter(prefix="/v1/compare", tags=["runs"], responses=described(409))

RunId = Annotated[str, Query(min_length=1, max_length=64)]


@router.get("")
async def compare(state: Served, a: RunId, b: RunId) -> Mapping[str, Any]:
    """Run `b` against run `a`: `joulemark.comparison/1`, as `joulemark compare A B --json` prints it. Nobody is judged."""
    if (found := (await against(state, a, [b]))[b]) is not None:
        return found
    bare = next(one for one in [await summary(state, run_id) for run_id in (a, b)] if one.card is None)
    raise InsufficientData(bare.why, bare.next_step)


async def against(state: State, baseline: str, others: Sequence[str], *, drawn: bool = False) -> dict[str, Mapping[str, Any] | None]:
    """The comparison of each of `others` with `baseline`, None where one of the two has no card; summaries of all are kept, and with
    `drawn` the lines of their power.

    The evidence of two runs is held at once, however many there are. Raises NotFound.
    """
    keys = {run_id: await traces.key_of(state, run_id) for run_id in (baseline, *others)}
    found: dict[str, Mapping[str, Any] | None] = {}
    first: Measured | None = None
    tried = False
    for run_id in others:
        both = keys[baseline], keys[run_id]
        async with state.reckoning.busy:
            if (known := state.summaries.pair(both, state.clock.mono_ns())) is not None:
                found[run_id] = known
                continue
            if not tried:
                first, tried = await measured(state, baseline, keys[baseline], drawn=drawn), True
            second = first if run_id == baseline else await measured(state, run_id, keys[run_id], drawn=drawn)
            found[run_id] = None
            if first is not None and second is not None:
                made = await asyncio.to_thread(compared, first, second)
                found[run_id] = made
                kept = [state.summaries.kept.get(one) for one in (baseline, run_id)]
                settled = all(one is not None and one.found.settled for one in kept)
                state.summaries.keep_pair(both, Pair(state.clock.mono_ns(), settled, made))
    return found


async def measured(state: State, run_id: str, key: str, *, drawn: bool = False) -> Measured | None:
    """A run with its card, None where it has none; its summary is kept. For who holds `state.reckoning.busy`."""
    try:
        known = await runs.gathered(state, run_id)
        evidence = await runs.evidence_from(state, known)
        found = await asyncio.to_thread(reckoning.measured, evidence)
        short = await asyncio.to_thread(lambda: Summary.of(found, settled=known.settled))
        lines = await asyncio.to_thread(lambda: Reckoned.made(found, settled=known.settled)) if drawn else None
    except (InsufficientData, UsageError) as error:
        state.summaries.keep(run_id, key, state.clock.mono_ns(), without_card(error))
        return None
    state.summaries.keep(run_id, key, state.clock.mono_ns(), short)
    if lines is not None:
        state.reckoning.keep(run_id, key, state.clock.mono_ns(), lines)
    return found


def without_card(error: JoulemarkError) -> Summary:
    """Why a run has no card."""
    return Summary(None, why=error.what, next_step=error.next_step)


async def summary(state: State, run_id: str) -> Summary:
    """The summary of a run, computed where it is not known. Raises NotFound."""
    key = await traces.key_of(state, run_id)
    async with state.reckoning.busy:
        if (known := state.summaries.known(run_id, key, state.clock.mono_ns())) is None:
            await measured(state, run_id, key)
            return state.summaries.kept[run_id].found
        return known
