"""A program that uses the public names as they are typed: checked by mypy in strict mode, never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

import pandas as pd

import joulemark
from joulemark import Client, Counts, IdleKind, PhaseKind
from joulemark.energy.series import Series
from joulemark.notebook.card import Card
from joulemark.pytest_plugin import Phase


def measured(client: Client) -> float | None:
    """Marks, energies, readings, tables, a card."""
    run_id = assert_type(client.start(benchmark="b", labels={"model": "m"}), str)
    with joulemark.phase("idle", PhaseKind.IDLE_BEFORE, idle_kind=IdleKind.READY, run_id=run_id):
        pass
    with joulemark.phase("decode", run_id=run_id, url=client.url) as counts:
        assert_type(counts, Counts)
        counts.output_tokens, counts.requests = 12, None
    client.stop(run_id, Counts(output_tokens=12))
    assert_type(client.settled_energy(run_id, limit_s=1.0), dict[str, Any])
    assert_type(client.series(["m"], 0, 1), dict[str, Series])
    assert_type(client.frame(["m"], 0, 1, quality=True), pd.DataFrame)
    assert_type(client.runs(limit=3), list[dict[str, Any]])
    assert_type(client.runs_frame(), pd.DataFrame)
    card = assert_type(client.card(run_id), Card)
    as_mapping: Mapping[str, Any] = card
    energy_j: float | None = as_mapping["headline"]["energy_j"]
    return energy_j


@joulemark.phase("decode")
def generate(prompt: str, *, limit: int = 16) -> list[int]:
    """A marked function keeps its type."""
    return [len(prompt), limit]


async def generated(prompt: str) -> Counts:
    """In a coroutine a phase may be waited for."""
    async with joulemark.phase("decode") as counts:
        assert_type(generate(prompt, limit=3), list[int])
    return assert_type(counts, Counts)


def test_of_a_reader(joulemark_phase: Phase) -> None:
    """The fixture is typed too."""
    with joulemark_phase("prefill", PhaseKind.WARMUP) as counts:
        counts.input_tokens = 3
    assert_type(joulemark_phase.energy("prefill", boundary="gpu"), dict[str, Any] | None)


def wrong(client: Client) -> None:
    """What a checker has to refuse; `warn_unused_ignores` turns red where it does not."""
    generate(3)  # type: ignore[arg-type]  # a prompt is text
    Counts(output_tokens="12")  # type: ignore[arg-type]  # counts are whole numbers
    client.series("m", "0", 1)  # type: ignore[arg-type]  # times are integers
