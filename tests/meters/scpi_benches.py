"""Meters of the kind `scpi`, each open on a simulated analyser of its own, for the tests of the driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from joulemark.meters.scpi import ScpiConfig, ScpiMeter
from joulemark.readings import MeterInfo, Sample
from joulemark.timebase import SystemClock
from tests.standins.scpi_bench import Bench, bench
from tests.standins.scpi_standin import Analyser

CLOCK = SystemClock()
DEADLINE_S = 1.0
PERIOD_S = 0.02
"""Update interval of the simulated instruments, short so that tests need not wait."""

Opened = Callable[..., tuple[ScpiMeter, Bench]]


@contextmanager
def benches() -> Iterator[Opened]:
    """Opens a meter on a new analyser of a model; keys of the table by name. Witnesses are read where a test asks for them."""
    with ExitStack() as stack:

        def build(model: str = "WT310E", *, analyser: Analyser | None = None, **options: Any) -> tuple[ScpiMeter, Bench]:
            standin = stack.enter_context(bench(analyser or Analyser(model, period_s=PERIOD_S)))
            keys = {"deadline_s": DEADLINE_S, "witnesses": False, **options}
            meter = ScpiMeter(ScpiConfig(standin.socket_resource, **keys), host="node1")
            stack.callback(meter.close)
            meter.open()
            return meter, standin

        yield build


def one(meter: ScpiMeter) -> Sample:
    (sample,) = meter.read(CLOCK)
    return sample


def infos(meter: ScpiMeter) -> dict[str, MeterInfo]:
    (device,) = meter.info
    return {info.channel: info for info in device.meters}


def updated(standin: Bench) -> None:
    """Wait until the analyser has brought its values up to date."""
    time.sleep(2 * standin.analyser.rate)


def read_w(meter: ScpiMeter) -> dict[str, float | None]:
    sample = one(meter)
    (device,) = meter.info
    return {m.channel: None if v is None else m.si(v) for m, v in zip(device.meters, sample.values, strict=True)}
