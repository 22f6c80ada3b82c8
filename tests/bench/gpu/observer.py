"""The observer effect: how much slower a load runs while an agent reads the GPU, in interleaved pairs."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scipy import stats

SETTLE_S = 1.0


class Load:
    """The load process; `rate(seconds)` lets it run so long and says its iterations per second."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.bench.gpu.load"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.name = self._line().removeprefix("ready ")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate(timeout=60)

    def rate(self, seconds: float) -> float:
        """Iterations per second over `seconds`."""
        assert self._process.stdin
        self._process.stdin.write(f"{seconds}\n")
        count, elapsed_s = self._line().split()
        return int(count) / float(elapsed_s)

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@contextmanager
def agent(folder: Path, interval_ms: int, options: dict[str, Any]) -> Iterator[None]:
    """An agent that reads the GPUs every `interval_ms`; nobody takes its readings, so they go to its spool."""
    lines = [f'[agent]\nagent_id = "bench"\ncollector = "127.0.0.1:9"\ninterval_ms = {interval_ms}']
    spool = folder / f"spool-{interval_ms}.db"
    spool.unlink(missing_ok=True)
    lines += [f'[spool]\npath = "{spool}"', '[[meter]]\nkind = "nvml"']
    lines += [f'{key} = "{value}"' for key, value in options.items()]
    config = folder / f"agent-{interval_ms}.toml"
    config.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "joulemark", "agent", "run", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while not spool.exists() and process.poll() is None:
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        if process.wait(timeout=30) != 0:
            raise RuntimeError(f"the agent ended with {process.returncode}; run: {' '.join(command)}")


def pairs(load: Load, watched: Callable[[], AbstractContextManager[None]], *, count: int, seconds: float) -> list[tuple[float, float]]:
    """`count` pairs of rates without and with what `watched` starts, in turns that begin with either."""
    found = []
    for i in range(count):
        rates = {}
        for with_agent in (bool(i % 2), not i % 2):
            with watched() if with_agent else nullcontext():
                load.rate(SETTLE_S)
                rates[with_agent] = load.rate(seconds)
        found.append((rates[False], rates[True]))
    return found


def effect(found: Sequence[tuple[float, float]]) -> dict[str, float | None]:
    """Mean slowdown of the pairs (0.01: one per cent slower with the agent), and the half-width of its 95 % interval; None for one pair."""
    slower = [1.0 - watched / alone for alone, watched in found]
    n = len(slower)
    half = stats.t.ppf(0.975, n - 1) * statistics.stdev(slower) / math.sqrt(n) if n > 1 else None
    return {"pairs": n, "slowdown": statistics.fmean(slower), "u95": half}
