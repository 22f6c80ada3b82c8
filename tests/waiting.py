"""Waits for what another thread or process does: as short as it takes, and on a busy machine as long as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

LONGEST_S = 60.0
"""Ten times what anything here takes on a machine with nothing else to do; below the limit of one test."""
LOOK_S = 0.01


def eventually(condition: Callable[[], object], what: str, *, within_s: float = LONGEST_S) -> None:
    """Wait until `condition` holds; fail with `what` when it does not `within_s`."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_s, f"not within {within_s:g} s: {what}"
        time.sleep(LOOK_S)


def unchanged(count: Callable[[], int], what: str, *, for_s: float, within_s: float = LONGEST_S) -> int:
    """Wait until `count` has been the same `for_s`, and give it; fail with `what` when it goes on."""
    give_up_s = time.monotonic() + within_s
    last, since_s = count(), time.monotonic()
    while time.monotonic() - since_s < for_s:
        assert time.monotonic() < give_up_s, f"goes on for {within_s:g} s: {what}"
        time.sleep(LOOK_S)
        if (now := count()) != last:
            last, since_s = now, time.monotonic()
    return last
