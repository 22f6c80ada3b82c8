"""The simulated node of the live proof: a BMC and an analyser on loopback, both showing one true power at the hastened time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.kit.lab import Lab
from tests.kit.sensors import BMC_GAIN, BMC_LAG_S, BMC_OFFSET_W, SHARES
from tests.kit.truth import Float64, running
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave
from tests.standins.redfish_standin import RedfishServer
from tests.standins.scpi_bench import Bench
from tests.standins.scpi_standin import Analyser
from tests.standins.switches import Switches

HOST = "node-1"
CORDS = ("A", "B")
MODEL = "WT332E"
ELEMENTS = (1, 3)
UPDATE_S, AVERAGED = 0.1, 16
RANGE_V, RANGE_A = 300.0, 10.0
INLET_C = 22.4
GPU_STEP_W = 15.0
LIE = 1.05
"""What MUTATE=analyser makes of the analyser's power."""


CHRONYC = "#!/bin/sh\necho C0A80001,192.168.0.1,2,0,-0.000001,0.000002,0.00001,1.0,0.0,0.01,0.0004,0.0001,64.0,Normal\n"
"""A time daemon that is in order: what `chronyc -c tracking` prints (chronyc(1))."""


def time_daemon(folder: Path) -> Path:
    """A folder for PATH with nothing but that program."""
    folder.mkdir()
    (folder / "chronyc").write_text(CHRONYC)
    (folder / "chronyc").chmod(0o755)
    return folder


@dataclass
class Hastened:
    """The clock of the proof: `rate` times as fast as the true one since its begin. `session_ns`: when the laboratory's session begins."""

    rate: int
    began_mono_ns: int
    began_utc_ns: int
    session_ns: int | None = None

    @classmethod
    def now(cls, rate: int) -> Hastened:
        return cls(rate, time.clock_gettime_ns(time.CLOCK_BOOTTIME), time.time_ns())

    @property
    def since_ns(self) -> int:
        """Hastened nanoseconds since the begin."""
        return (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - self.began_mono_ns) * self.rate

    @property
    def utc_ns(self) -> int:
        return self.began_utc_ns + self.since_ns

    def wait_until(self, utc_ns: int) -> None:
        """Sleep until a hastened moment."""
        time.sleep(max(0.0, (utc_ns - self.utc_ns) / self.rate / 1e9))


class Curve:
    """A true signal of the laboratory, at hastened times; before its session it stands still at its first value."""

    def __init__(self, signal: Float64, t_s: Float64, clock: Hastened) -> None:
        self._total, self._t_s, self._clock = running(signal), t_s, clock
        self._first_w, self._last_w = float(signal[0]), float(signal[-1])

    def mean_w(self, *, window_s: float, lag_s: float = 0.0, update_s: float = 1.0) -> float:
        """Mean over the window before the last update of the instrument, which shows it `lag_s` late."""
        now_ns, session_ns = self._clock.utc_ns, self._clock.session_ns
        now_s = -1e6 if session_ns is None else (now_ns - session_ns) / 1e9
        end_s = np.floor(now_s / update_s) * update_s - lag_s
        late, early = (self._energy_j(second) for second in (end_s, end_s - window_s))
        return float(late - early) / window_s

    def _energy_j(self, second: float) -> float:
        within = float(np.interp(second, self._t_s, self._total))
        return within + min(0.0, second) * self._first_w + max(0.0, second - float(self._t_s[-1])) * self._last_w


class LiveAnalyser(Analyser):
    """An analyser whose elements measure the cords, within its limits: moving means of 16 updates, so that reads each second see all of
    the time, and are hardly late.
    """

    def __init__(self, curve: Curve, *, gain: float) -> None:
        super().__init__(MODEL, period_s=UPDATE_S)
        self.averaging = (True, "LIN", AVERAGED)
        self.amps = dict.fromkeys(ELEMENTS, RANGE_A)
        self._curve, self._gain = curve, gain

    def _power(self, element: int) -> str:
        watts = self._curve.mean_w(window_s=AVERAGED * UPDATE_S, update_s=UPDATE_S) * SHARES[ELEMENTS.index(element)] * self._gain
        return f"{watts:.4E}"


class LiveBmc(RedfishServer):
    """A BMC that shows the whole node with a gain, an offset, and late."""

    def __init__(self, folder: Path, curve: Curve) -> None:
        self._curve: Curve | None = None
        super().__init__(folder, tls=False)
        self._curve, self.inlet_c = curve, INLET_C

    @property
    def _power_w(self) -> float:
        if self._curve is None:
            return 500.0
        return (self._curve.mean_w(window_s=1.0, lag_s=BMC_LAG_S, update_s=UPDATE_S) - BMC_OFFSET_W) / BMC_GAIN

    def resources(self) -> dict[str, dict[str, Any]]:
        """Its resources without energies, which would run at the true time."""
        return {path: {key: one for key, one in found.items() if "Energy" not in key} for path, found in super().resources().items()}

    @_power_w.setter
    def _power_w(self, watts: float) -> None:
        pass


def tell_gpus(switches: Switches, lab: Lab, clock: Hastened) -> None:
    """Write down, in true time, what the stand-in driver's GPUs draw in the session that is about to begin."""
    assert clock.session_ns is not None
    lines, told_w = [], -GPU_STEP_W
    for second, watts in zip(lab.truth.t_s.tolist(), lab.truth.gpu_w(0).tolist(), strict=True):
        if abs(watts - told_w) >= GPU_STEP_W:
            t_ns = clock.began_utc_ns + (clock.session_ns + round(second * 1e9) - clock.began_utc_ns) // clock.rate
            lines.append(f"{t_ns} {round(watts * 1000)}\n")
            told_w = watts
    (switches.folder / "steps").write_text("".join(lines))


@contextmanager
def gpus(folder: Path, lab: Lab, clock: Hastened) -> Iterator[tuple[dict[str, Any], dict[str, str], Callable[[], None]]]:
    """Two GPUs of a driver that dates nothing by itself, since its clock is not hastened: their `[[meter]]` table, the environment, and
    what begins their load.
    """
    (folder / "nvml").mkdir()
    library = nvml_standin.build(folder / "nvml", field_values=False)
    switches = Switches(folder / "switches")
    wave = NvmlWave(gpus=2, settings={"SWITCHES": str(switches.folder), "WITNESSES": "1", "AVERAGE_NS": str(10**9 // clock.rate)})
    yield {"kind": "nvml", "library": str(library), "interval_ms": 1000}, wave.env(), lambda: tell_gpus(switches, lab, clock)


@contextmanager
def meters(folder: Path, lab: Lab, clock: Hastened, *, mutate: str) -> Iterator[list[dict[str, Any]]]:
    """The `[[meter]]` tables of the instruments while they run."""
    curve = Curve(lab.truth.node_ac_w, lab.truth.t_s, clock)
    bmc = LiveBmc(folder / "bmc", curve)
    bmc.start()
    analyser = LiveAnalyser(curve, gain=LIE if mutate == "analyser" else 1.0002)
    bench = Bench(analyser)
    bench.start()
    tables = [
        {
            "kind": "redfish",
            "url": bmc.url,
            "user": "admin",
            "password_file": str(bmc.password_file),
            "deadline_s": 2.0,
            "stream": False,
            "interval_ms": 970,
            "covers": list(CORDS),
            "simulated": True,
        }
    ]
    if lab.level == "ES2":
        serial = analyser.identity.split(",")[2]
        tables.append(
            {
                "kind": "scpi",
                "resource": bench.socket_resource,
                "deadline_s": 2.0,
                "interval_ms": 1000,
                "covers": list(CORDS),
                "certificate": {
                    "serial": serial,
                    "date": certified(clock.began_utc_ns),
                    "laboratory": "DAkkS D-K-15070-01-00, Example Calibration GmbH",
                    "u95_rel": 0.0005,
                    "sha256": hashlib.sha256(serial.encode()).hexdigest(),
                },
                "accuracy": {
                    "pct_reading": 0.1,
                    "pct_range": 0.05,
                    "range_w": RANGE_V * RANGE_A,
                    "source": "stated by the operator",
                },
                "simulated": True,
            }
        )
    try:
        yield tables
    finally:
        bench.stop()
        bmc.end()


def certified(begin_ns: int) -> str:
    """A date half a year before the run."""
    return time.strftime("%Y-%m-%d", time.gmtime(begin_ns / 1e9 - 180 * 86400))
