"""A load that every meter is told of, and a record of what it was told, which is the truth to check against."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping

from tests.meters_live.places import Place, server_w

STEP_S = 4.0
FLICKER_S = 0.5
FLICKER = 0.01
"""A real load is never still: each half second it is up to one per cent away."""


Setter = Callable[[float], None]


class Load(threading.Thread):
    """Sets all meters anew each half second until stopped. `told`: for each kind the times (UTC, ns) and watts of its first flow.

    `gain`, `wired`: factors on what the BMC and the meters of the cords are told, while `told` keeps the truth: what a mutation breaks.
    """

    def __init__(
        self,
        rng: random.Random,
        places: Mapping[str, Place],
        setters: Mapping[str, Callable[[float], None]],
        *,
        gain: float = 1.0,
        wired: float = 1.0,
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.told: dict[str, list[tuple[int, float]]] = {kind: [] for kind in setters}
        self.idle = True
        self._rng, self._places, self._setters = rng, places, setters
        self._gain, self._wired = gain, wired
        self._ended = threading.Event()
        self.error: BaseException | None = None

    def stop(self) -> None:
        """End, and raise what went wrong on the way."""
        self._ended.set()
        self.join()
        if self.error is not None:
            raise self.error

    def run(self) -> None:
        try:
            level, until_s = 0.1, 0.0
            while not self._ended.is_set():
                if time.monotonic() >= until_s:
                    level, until_s = self._rng.uniform(0.3, 1.0), time.monotonic() + STEP_S * self._rng.uniform(0.7, 1.3)
                self.tell((0.1 if self.idle else level) * (1.0 + FLICKER * self._rng.uniform(-1.0, 1.0)))
                self._ended.wait(FLICKER_S)
        except Exception as error:  # noqa: BLE001  # told by stop(): a thread cannot raise
            self.error = error

    def tell(self, load: float) -> None:
        """Tell every meter what flows through its place at `load`."""
        taken_w = server_w(self._places, load)
        for kind, set_power_w in self._setters.items():
            place = self._places[kind]
            told_w = place.told_w(load, taken_w)
            set_power_w(told_w * (self._gain if kind == "ipmi" else self._wired if place.level == "cord" else 1.0))
            self.told[kind].append((time.time_ns(), place.flow_w(told_w)))
