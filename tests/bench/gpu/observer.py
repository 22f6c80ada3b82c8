"""The observer effect: how much slower a load runs, and how much more it draws, while an agent reads the GPU, in interleaved pairs."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Turn:
    """One stretch of the load: iterations per second, and mean power of the GPU in W, by its own counter read before and after."""

    rate: float
    power_w: float


def pairs(
    load: Load, watched: Callable[[], AbstractContextManager[None]], counter_j: Callable[[], float], *, count: int, seconds: float
) -> list[tuple[Turn, Turn]]:
    """`count` pairs of turns without and with what `watched` starts, in an order that changes from pair to pair.

    `counter_j` is asked twice a turn, of both kinds: what that costs is in both.
    """
    found = []
    for i in range(count):
        turns = {}
        for with_agent in (bool(i % 2), not i % 2):
            with watched() if with_agent else nullcontext():
                load.rate(SETTLE_S)
                begin_s, begin_j = time.perf_counter(), counter_j()
                rate = load.rate(seconds)
                turns[with_agent] = Turn(rate, (counter_j() - begin_j) / (time.perf_counter() - begin_s))
        found.append((turns[False], turns[True]))
    return found


def effect(found: Sequence[tuple[Turn, Turn]]) -> dict[str, float | None]:
    """Mean slowdown of the pairs (0.01: one per cent slower with the agent) and mean rise of power (0.01: one per cent more), each with the
    half-width of its 95 % interval; None for one pair.
    """
    slower = [1.0 - watched.rate / alone.rate for alone, watched in found]
    more = [watched.power_w / alone.power_w - 1.0 for alone, watched in found]
    means = {"slowdown": statistics.fmean(slower), "power_rise": statistics.fmean(more)}
    return {"pairs": len(found), **means, "u95": half_width(slower), "power_u95": half_width(more)}


def half_width(values: Sequence[float]) -> float | None:
    """Of the 95 % interval of their mean, by Student's t; None for one value."""
    n = len(values)
    return float(stats.t.ppf(0.975, n - 1)) * statistics.stdev(values) / math.sqrt(n) if n > 1 else None
