"""The clocks of a bundle as the validator reads them, whoever wrote the file."""

from __future__ import annotations

from typing import Any

import pytest

from joulemark.standard.clocks import ClockMoment, HostClock, bounds_s, clocks, moments, span_ns
from tests.kit.small import NS, at, case, moving

STATE = {"t_ns": at(5.0), "offset_ns": -3_000_000, "bound_ns": 2_000_000, "probe_count": 8, "discipline_bound_ns": 5_000_000}


def told(**hosts: list[dict[str, Any]]) -> tuple[HostClock, ...]:
    """The clocks of a case in which each host tells its states; the host `collector` is the collector."""
    said = {name: {"role": "collector" if name == "collector" else "agent", "states": states} for name, states in hosts.items()}
    return clocks(case(moving(range(-5, 130)), clocks=said))


@pytest.mark.parametrize(
    ("changes", "known_s"),
    [
        ({}, 0.002),
        ({"probe_count": 0}, 0.008),
        ({"probe_count": 0, "discipline_bound_ns": 0}, None),
        ({"probe_count": 0, "offset_ns": None}, None),
        ({"bound_ns": None}, 0.008),
        ({"probe_count": True}, 0.008),
    ],
)
def test_what_a_state_is_worth(changes: dict[str, Any], known_s: float | None) -> None:
    """The bound of the probes, else offset and daemon together, else nothing; a flag is no count."""
    (one,) = moments([{**STATE, **changes}])
    assert one.known_s == known_s


@pytest.mark.parametrize("states", [None, "x", 7, [7], [{}], [{"t_ns": "soon"}], {"t_ns": 1}])
def test_what_is_no_list_of_states_is_none(states: Any) -> None:
    """Another program may have written the file."""
    assert moments(states) == ()


def test_the_collector_stands_last_and_states_in_order() -> None:
    """Whatever the order of the file."""
    found = told(collector=[STATE], zebra=[{**STATE, "t_ns": at(9.0)}, STATE])
    assert [host.name for host in found] == ["zebra", "collector"]
    assert [one.t_ns for one in found[0].moments] == [at(5.0), at(9.0)]


def host(*times_s: float, counts: tuple[int, ...] = ()) -> HostClock:
    """A clock with states at some seconds."""
    counts = counts or tuple(range(1, len(times_s) + 1))
    found = (ClockMoment(at(s), 0, 0, n, None, "", None) for s, n in zip(times_s, counts, strict=True))
    return HostClock("h", "agent", tuple(found))


def test_states_around_a_span() -> None:
    """Those inside, the last before and the first after; nothing where there is none."""
    one = host(-20.0, -10.0, 5.0, 30.0, 40.0)
    assert [(m.t_ns - at(0.0)) / NS for m in one.around(at(0.0), at(20.0))] == [-10.0, 5.0, 30.0]
    assert one.before(at(-30.0)) is None
    assert one.after(at(50.0)) is None


def test_a_probe_is_told_by_its_count() -> None:
    """States whose count stands prove no probe."""
    assert [(t_ns - at(0.0)) / NS for t_ns in host(0.0, 30.0, 60.0, 90.0, counts=(0, 4, 4, 5)).probed_ns()] == [30.0, 90.0]


def test_bounds_of_the_run() -> None:
    """Of each host but the collector, of the marks and of the readings; None for a host of which one state tells nothing."""
    said = {
        "a": {"role": "agent", "states": [STATE, {**STATE, "bound_ns": 9_000_000}]},
        "b": {"role": "agent", "states": [STATE, {"t_ns": at(6.0)}]},
        "c": {"role": "collector", "states": [STATE]},
    }
    found = case(moving(range(-5, 130)), clocks=said)
    assert bounds_s(found) == {"a": 0.009, "b": None, "marks": 0.0, "readings": 0.002}
    assert span_ns(found) == (at(0.0), at(120.0))
