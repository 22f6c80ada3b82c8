"""Zeus's PowerMonitor on the GPUs of this process: `zeus_power.py PERIOD_S`, of .venv-peers. Says `ready`, ends when its input ends."""

import multiprocessing.synchronize
import sys
from typing import Any

from zeus.monitor import PowerMonitor

START_S = 120.0
waiting = multiprocessing.synchronize.Event.wait


def patient(event: Any, timeout: float | None = None) -> bool:
    """It gives its processes ten seconds to start, in which a busy machine does not import what they need."""
    return waiting(event, None if timeout is None else max(timeout, START_S))


if __name__ == "__main__":
    multiprocessing.synchronize.Event.wait = patient
    monitor = PowerMonitor(update_period=float(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.read()
    timeline = monitor.get_power_timeline("device_instant")
    print(sum(map(len, timeline.values())), flush=True)
    monitor.stop()
