"""One phase shared out: which requests take part, and what becomes of a phase that cannot be shared out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from joulemark.cards.attribution_asked import Asked, Told
from joulemark.cards.attribution_phase import COPIED, PARTS, Phase, unknown
from joulemark.energy.phase import measure
from tests.cards.attribution_truth import GPU, PHASES, Served, counter, flights

DECODE = PHASES[1]


def made(*served: Served, because: str = "", requests: int | None = None) -> tuple[Phase, dict[str, Any]]:
    series = counter(served)
    window = replace(DECODE, requests=requests)
    energy = measure(window, [series])
    phase = Phase.of(window, energy, {GPU.meter_id: series}, Told(flights(served)), Asked(), cuts=(), because=because)
    return phase, phase.to_json(energy.to_json(), [])


def test_claims_know_whose_they_are() -> None:
    """Two claims of a streamed request of this phase, one of a request of another."""
    phase, _ = made(Served(0, 5000, 10_000), Served(0, None, 10_000, phase="other"))
    assert phase.own.tolist() == [True, True, False]


def test_a_reason_takes_everything() -> None:
    """Where there is a reason not to share out, all of the energy is unattributed, and every other part is null."""
    _, found = made(Served(0, 5000, 10_000), because="the GPU is divided")
    assert found["unattributed_j"] == pytest.approx(found["energy_j"], rel=1e-12)
    assert [found[name] for name in ("requests_j", "others_j", "idle_j", "requests")] == [None] * 4
    assert found["unattributed_because"] == found["reason"] == found["split"]["reason"] == "the GPU is divided"


def test_an_unknown_phase_has_the_same_keys() -> None:
    """A phase without energy is the same object, null where nothing is known."""
    _, found = made(Served(0, 5000, 10_000))
    bare = unknown(dict.fromkeys(COPIED))
    assert set(bare) == set(found)
    assert {bare[name] for name in PARTS} == {None}


def test_time_without_a_request_is_idle_only_where_all_are_known() -> None:
    """Where a request is missing on record, the time without one is not idle but unattributed; requests keep their shares."""
    _, all_known = made(Served(0, 5000, 10_000), requests=1)
    _, found = made(Served(0, 5000, 10_000), requests=2)
    assert (all_known["unattributed_j"], all_known["unattributed_because"]) == (0.0, "")
    assert (found["idle_j"], found["idle_s"]) == (None, None)
    assert found["unattributed_j"] == pytest.approx(all_known["idle_j"], rel=1e-12)
    assert found["requests_j"] == all_known["requests_j"]
    assert "1 of 2 completed requests" in found["unattributed_because"]
    _, busy = made(Served(-1000, 5000, 61_000), requests=2)
    assert (busy["unattributed_j"], busy["unattributed_because"]) == (0.0, "")


def test_a_phase_without_records_is_not_shared_out() -> None:
    """Requests of another phase alone say nothing of this one."""
    _, found = made(Served(0, 5000, 10_000, phase="other"))
    assert found["unattributed_j"] == pytest.approx(found["energy_j"], rel=1e-12)
    assert "no record" in found["reason"]
