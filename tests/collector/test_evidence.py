"""From the store's knowledge of a run to the evidence of its card."""

from __future__ import annotations

from pathlib import Path

from joulemark.collector.evidence import known_prices
from joulemark.config import CollectorConfig, Config
from joulemark.pricing.price import BUNDLED
from joulemark.pricing.snapshot import Snapshot
from joulemark.pricing.sources import manual
from joulemark.runs import Run
from tests.conftest import ManualClock
from tests.pricing.records import price, tariff


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
