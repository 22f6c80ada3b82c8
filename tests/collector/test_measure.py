"""Whose meters count, where the marks lie, when a run is settled, and what has no energy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulemark.collector.measure import Gathered, agents_of, energy_json, newest, pending, settled, unread
from joulemark.collector.recorded import Edge, Mark, Recorded
from joulemark.collector.store.base import HostState, Stream
from joulemark.energy.phase import measure
from joulemark.energy.series import Series
from joulemark.errors import InsufficientData
from joulemark.proto.messages import ClockState, Loss, MeterCost, Overhead
from joulemark.readings import Boundary, MeterInfo, Quantity
from joulemark.runs import PhaseKind, Run, Window

S = 1_000_000_000
T0 = 1_790_000_000 * S


def stream(agent_id: str, boot_id: str, epoch_ns: int = T0) -> Stream:
    return Stream(agent_id, epoch_ns, boot_id, False, 0, 1, 10, 0, T0, T0, T0)


def mark(boot_id: str) -> Mark:
    return Mark(Edge.BEGIN, "p", PhaseKind.MEASURED, T0, 0, boot_id, T0 + 5 * S)


def power(meter_id: str, boundary: Boundary, watts: int, *, begin_s: int = -2, end_s: int = 12) -> Series:
    """A constant power, read each second."""
    at_s = np.arange(begin_s, end_s + 1)
    return Series.plain(MeterInfo(meter_id, "fake", Quantity.POWER, 0, boundary), T0 + at_s * S, np.full(len(at_s), watts))


def test_whose_meters_count() -> None:
    """The agents that were named, else those on the hosts that set the marks, else all."""
    streams = [stream("a", "boot-a"), stream("b", "boot-b"), stream("c", "boot-b")]
    local = Recorded("r", marks=(mark("boot-b"),))
    assert agents_of(replace(local, agents=("a", "z")), streams) == {"a", "z"}
    assert agents_of(local, streams) == {"b", "c"}
    assert agents_of(Recorded("r", marks=(mark("elsewhere"), mark(""))), streams) == {"a", "b", "c"}


def test_the_latest_start_of_each_agent_is_its_present() -> None:
    """Of two starts of an agent the later epoch is kept, in whatever order they come."""
    earlier, later, other = stream("a", "x", T0), stream("a", "y", T0 + 1), stream("b", "z")
    assert {s.boot_id for s in newest([later, other, earlier])} == {"y", "z"}


def test_readings_are_pending_until_the_agent_has_caught_up() -> None:
    """Nothing heard, nothing beyond the end, or readings two minutes old when they came: something may follow. Then nothing."""
    end_ns = T0 + 10 * S
    caught_up = replace(stream("a", "x"), last_ns=end_ns + S, last_rx_ns=end_ns + 3 * S)
    late = replace(caught_up, last_rx_ns=end_ns + 120 * S)
    assert "not arrived" in pending([], end_ns)
    assert "not arrived" in pending([replace(caught_up, last_ns=end_ns)], end_ns)
    assert "still being delivered" in pending([late], end_ns)
    assert pending([late, replace(late, epoch_ns=T0 + S, last_ns=end_ns + 119 * S)], end_ns) == ""
    assert pending([caught_up], end_ns) == ""


def test_a_run_is_settled_when_every_meter_has_spoken() -> None:
    """One meter that is a second short keeps the run open; two series of one meter count together."""
    node, gpu = power("fake:h:0:node", Boundary.SERVER_INPUT, 300), power("fake:h:1:gpu", Boundary.GPU, 200)
    early = power("fake:h:1:gpu", Boundary.GPU, 200, end_s=9)
    assert settled([node, gpu], T0 + 12 * S)
    assert not settled([node, early], T0 + 10 * S)
    assert settled([node, early, power("fake:h:1:gpu", Boundary.GPU, 200, begin_s=10)], T0 + 10 * S)


def test_a_meter_that_never_opened_is_missing() -> None:
    """An agent's word that a meter was never read counts as a loss until a later one says that it was."""

    def state(at_s: int, reads: int, errors: int) -> HostState:
        costs = MeterCost("ipmi", reads, errors, 0), MeterCost("nvml", 9, 0, 0)
        return HostState("a", T0, T0 + at_s * S, True, ClockState(), Overhead(meters=costs))

    ((agent_id, loss),) = unread([state(0, 0, 1), state(10, 0, 4)], T0, T0 + 10 * S)
    assert (agent_id, loss.device_id, loss.sample_count, "ipmi" in loss.reason) == ("a", "", 0, True)
    assert unread([state(0, 0, 1), state(10, 3, 1)], T0, T0 + 10 * S) == []
    assert unread([state(0, 0, 0)], T0, T0 + 10 * S) == []


def gathered(*series: Series) -> Gathered:
    window = Window("decode", PhaseKind.MEASURED, T0, T0 + 10 * S)
    return Gathered(Run((window,), run_id="r", findings=("Said before.",)), series, (), (), settled=True)


def test_levels_are_never_summed() -> None:
    """Two GPUs of 200 W are 4000 J at the GPU level in 10 s, and the 500 W wall stands apart with 5000 J."""
    gpus = [power(f"fake:h:{i}:power", Boundary.GPU, 200) for i in range(2)]
    energy = energy_json(gathered(*gpus, power("fake:h:w:power", Boundary.SERVER_INPUT, 500)))
    assert {p["boundary"]: p["energy_j"] for p in energy["phases"]} == pytest.approx({"gpu": 4000.0, "server_input": 5000.0})
    assert energy["findings"] == ["Said before."]


def test_losses_stand_beside_the_energy() -> None:
    """Losses of one agent for one reason are one sentence with their sum; one of unknown size leaves the sum unknown."""
    known = [("a", Loss(f"fake:a:{i}", 5, T0, T0, "spool full")) for i in range(2)]
    one = replace(gathered(power("fake:a:0:power", Boundary.GPU, 200)), losses=(*known, ("b", Loss("", 0, T0, T0, "damaged"))))
    assert energy_json(one)["findings"][1:] == [
        "Agent a lost 10 samples in or near the run: spool full.",
        "Agent b lost an unknown number of samples in or near the run: damaged.",
    ]


def test_a_level_without_readings_around_a_phase_is_a_finding() -> None:
    """Readings that stop inside the phase give no number for their level, and a sentence; alone they are an error."""
    short = power("fake:h:w:power", Boundary.SERVER_INPUT, 500, end_s=4)
    energy = energy_json(gathered(power("fake:h:0:power", Boundary.GPU, 200), short))
    assert [p["boundary"] for p in energy["phases"]] == ["gpu"]
    assert energy["findings"][1].startswith("No energy at server_input")
    with pytest.raises(InsufficientData, match="has no energy"):
        energy_json(gathered(short))


def test_a_clock_bound_counts_once() -> None:
    """The energy route and `energy.phase.measure` give one uncertainty: a series' clock bound is not added a second time."""
    flat = power("fake:h:0:power", Boundary.GPU, 500)
    one = replace(flat, value=flat.value + 100 * (np.arange(len(flat)) % 2), clock_bound_ns=2 * S)
    alone = measure(gathered(one).run.windows[0], [one])
    assert energy_json(gathered(one))["phases"][0]["u95_j"] == alone.u95_j
    assert alone.u95_j != measure(gathered(one).run.windows[0], [one], clock_bound_ns=2 * S).u95_j


def test_power_that_steps_beside_the_phase_is_a_finding() -> None:
    """The machine was loaded 3 s after the phase says: a warning with the offset, and the same energies as without it."""
    flat = power("fake:h:0:power", Boundary.GPU, 100, begin_s=-20, end_s=30)
    late = replace(flat, value=np.where((flat.t_ns >= T0 + 3 * S) & (flat.t_ns < T0 + 13 * S), 500, 100))
    found = energy_json(gathered(late))
    assert "s after the phases do" in found["findings"][1]
    (phase,) = found["phases"]
    assert phase["energy_j"] == measure(gathered(late).run.windows[0], [late]).energy_j
    in_time = replace(flat, value=np.where((flat.t_ns >= T0) & (flat.t_ns < T0 + 10 * S), 500, 100))
    assert energy_json(gathered(in_time))["findings"] == ["Said before."]
