"""Zeus over the windows of a plan, of .venv-peers.

Says `ready`, reads the plan, a JSON list of [name, begin_ns, end_ns] in UTC, from its input, and writes at the end a JSON list of what it
found in each window, with the moments at which it was asked. `window`: ZeusMonitor as its documentation shows it, two looks at the
counter. `power`: PowerMonitor.get_energy afterwards, polled each 0.1 s, the slowest that it lets itself be (left alone, version 0.16
infers 0 s and polls without pause), and at 20 Hz.
"""

import json
import sys
import time

from zeus.monitor import PowerMonitor, ZeusMonitor

PERIODS_S = {"default": 0.1, "20 Hz": 0.05}


def wait_until(utc_ns: int) -> int:
    """Sleep until a moment; when it is over."""
    time.sleep(max(0.0, (utc_ns - time.time_ns()) / 1e9))
    return time.time_ns()


def measure() -> None:
    """Every window, one after another."""
    monitor = ZeusMonitor(gpu_indices=[0], cpu_indices=[])
    powers = {name: PowerMonitor([0], period_s, power_domains=["device_instant"]) for name, period_s in PERIODS_S.items()}
    print("ready", flush=True)
    found = []
    for name, begin_ns, end_ns in json.loads(sys.stdin.readline()):
        began_ns = wait_until(begin_ns)
        monitor.begin_window(name, sync_execution=False)
        ended_ns = wait_until(end_ns)
        window_j = monitor.end_window(name, sync_execution=False).gpu_energy[0]
        found.append({"name": name, "begin_ns": began_ns, "end_ns": ended_ns, "window": window_j})
    time.sleep(1.0)
    for one in found:
        for name, power in powers.items():
            one[f"power, {name}"] = power.get_energy(one["begin_ns"] / 1e9, one["end_ns"] / 1e9)[0]
    print(json.dumps(found), flush=True)
    for power in powers.values():
        power.stop()


if __name__ == "__main__":
    measure()
