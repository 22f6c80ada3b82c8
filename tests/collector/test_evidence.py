"""From the store's knowledge of a run to the evidence of its card."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulemark.collector.evidence import known_prices, overhead_of
from joulemark.collector.store.base import HostState
from joulemark.config import CollectorConfig, Config
from joulemark.pricing.price import BUNDLED
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from joulemark.proto.messages import ClockState, Overhead
from joulemark.runs import Run
from tests.conftest import ManualClock
from tests.pricing.records import price, tariff

S = 1_000_000_000


def state(t_s: int, *, epoch_ns: int = 1, cpu_ns: int = 0, offset_ns: int = 0, bound_ns: int = 0) -> HostState:
    clock = ClockState(offset_ns=offset_ns, bound_ns=bound_ns, offset_known=True)
    return HostState("h", epoch_ns, t_s * S, False, clock, Overhead(cpu_ns, 1000, 2))


def test_the_share_of_cpu_is_of_one_start_of_the_agent() -> None:
    """0.2 s of CPU in 10 s is 2 %; the counter of an earlier start, which began anew, does not enter."""
    states = [state(0, cpu_ns=9 * S), state(100, epoch_ns=2, cpu_ns=S), state(110, epoch_ns=2, cpu_ns=S + S // 5)]
    assert overhead_of(states)["cpu_share"] == pytest.approx(0.02)
    assert overhead_of(states)["late_tick_count"] == 2


def test_one_state_has_no_share() -> None:
    """Without two states of one start the share is not known, and not 0."""
    assert overhead_of([state(0, cpu_ns=S)])["cpu_share"] is None
    assert overhead_of([state(0), state(10, epoch_ns=2)])["cpu_share"] is None


def test_the_prices_of_the_machine_of_a_run(tmp_path: Path, manual_clock: ManualClock) -> None:
    """Of many machines only those named by the run are asked for, in every region, with all tariffs; before an import only the bundled."""
    config = Config(collector=CollectorConfig(data_dir=tmp_path))
    run = Run((), "r", labels={"instance_type": "P5.48xlarge"})
    bundled = known_prices(config, manual_clock, run)
    assert [(p.instance_type, p.feed) for p in bundled.prices] == [("p5.48xlarge", BUNDLED)]
    assert list(tmp_path.iterdir()) == []
    machines = (price(), price(region="eu-west-1"), price(instance_type="p4d.24xlarge"))
    manual.write(tmp_path / "prices.json", Snapshot(machines, (tariff(),)))
    assert known_prices(config, manual_clock, run) == bundled.joined(Snapshot(machines[:2], (tariff(),)))
    assert known_prices(config, manual_clock, Run((), "r")) == Snapshot((), (tariff(),))
