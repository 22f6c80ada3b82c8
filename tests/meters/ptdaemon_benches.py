"""Running stand-ins of PTDaemon, and meters of the kind `ptdaemon` open on them, for the tests of the driver."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from joulemark.errors import MeterError
from joulemark.meters.ptdaemon import PtdaemonConfig, PtdaemonMeter
from joulemark.readings import Sample
from joulemark.timebase import SystemClock
from tests.standins.ptdaemon_standin import PtDaemon

CLOCK = SystemClock()
DEADLINE_S = 0.6
SAMPLE_S = 0.1

Open = Callable[..., PtdaemonMeter]
Serve = Callable[..., PtDaemon]


@contextmanager
def daemons() -> Iterator[Serve]:
    """Makes running daemons; they end with the test."""
    with ExitStack() as stack:

        def serving(**about: Any) -> PtDaemon:
            daemon = PtDaemon(**about)
            stack.callback(daemon.stop)
            daemon.start()
            return daemon

        yield serving


@contextmanager
def meters() -> Iterator[Open]:
    """Opens a meter on a daemon; closed with the test."""
    with ExitStack() as stack:

        def open_(daemon: PtDaemon, **keys: Any) -> PtdaemonMeter:
            keys = {"sample_ms": round(SAMPLE_S * 1000), "deadline_s": DEADLINE_S, **keys}
            meter = PtdaemonMeter(PtdaemonConfig("127.0.0.1", daemon.port, **keys), host="node1")
            stack.callback(meter.close)
            meter.open()
            return meter

        yield open_


def one(meter: PtdaemonMeter) -> Sample:
    (sample,) = meter.read(CLOCK)
    return sample


def later(meter: PtdaemonMeter, samples: float = 1.5) -> Sample:
    """The newest sample, some sample periods on."""
    time.sleep(samples * SAMPLE_S)
    one(meter)
    return one(meter)


def only(meter: PtdaemonMeter, daemon: PtDaemon, row: str) -> Sample:
    """What a read makes of `row`, with nothing waiting before it."""
    daemon.rows = []
    one(meter)
    one(meter)
    daemon.rows = [row]
    return one(meter)


def returned(meter: PtdaemonMeter, timeout_s: float = 5.0) -> Sample:
    """Poll as the runner does, opening what asked for it, until a value comes."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            meter.open()
            sample = one(meter)
            if sample.values[0] is not None:
                return sample
        except MeterError:
            meter.close()
        time.sleep(0.05)
    raise AssertionError("no value came back")
