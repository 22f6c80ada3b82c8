from __future__ import annotations

import time

import psutil
import pytest

from joulemark.agent import overhead
from joulemark.agent.overhead import KEPT, Busy


def test_the_process_is_what_another_counter_says() -> None:
    """Processor time and memory agree with psutil, which reads other files of the kernel."""
    process = psutil.Process()
    before = overhead.cpu_ns(), sum(process.cpu_times()[:2])
    end_s = time.thread_time() + 0.2
    while time.thread_time() < end_s:
        pass
    took_s = (overhead.cpu_ns() - before[0]) / 1e9
    assert took_s == pytest.approx(sum(process.cpu_times()[:2]) - before[1], abs=0.05)
    assert took_s >= 0.19
    assert overhead.rss_bytes() == pytest.approx(process.memory_info().rss, rel=0.05)


def test_the_median_is_of_the_last_reads_and_the_longest_of_all() -> None:
    """One read that hung stays the longest for ever, and moves neither the median nor, when it is long past, anything but the sum."""
    busy = Busy()
    assert (busy.total_ns, busy.median_ns, busy.longest_ns) == (0, 0, 0)
    busy.add(5_000_000)
    assert busy.median_ns == 5_000_000
    for took_ns in range(1, KEPT + 1):
        busy.add(took_ns)
    assert (busy.median_ns, busy.longest_ns) == (KEPT // 2 + 1, 5_000_000)
    assert busy.total_ns == 5_000_000 + KEPT * (KEPT + 1) // 2
