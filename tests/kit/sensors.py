"""The meters of the simulated laboratory: what each says of itself, and what it shows of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from joulemark.certificate import Certificate
from joulemark.energy.series import Float64, Int64, Series
from joulemark.readings import (
    Accuracy,
    Averaging,
    Boundary,
    Current,
    MeterInfo,
    MeterRange,
    Quantity,
    TimestampSource,
)
from tests.kit.truth import Truth

HOST = "node-1"
GPUS = ("GPU-3f0c6b1e-0001", "GPU-3f0c6b1e-0002")
CORDS = (f"{HOST}/A", f"{HOST}/B")
SHARES = (0.52, 0.48)
BMC_GAIN, BMC_OFFSET_W, BMC_LAG_S = 1.04, 21.0, 1.3
"""True power = gain * shown + offset."""
BRACKET_NS = 2_000_000
ANALYZER = "scpi:bench-1:C2XL24034V"

GPU = MeterInfo(
    meter_id=f"nvml:{HOST}:{GPUS[0]}:power",
    kind="nvml",
    quantity=Quantity.POWER,
    exponent=-3,
    boundary=Boundary.GPU,
    vendor="NVIDIA",
    model="H100",
    serial="1650123000001",
    firmware="96.00.74.00.01",
    averaging=Averaging.BOXCAR,
    averaging_window_s=1.0,
    update_period_s=0.1,
    timestamp_source=TimestampSource.READ_BRACKET,
    covers=(GPUS[0],),
    accuracy=Accuracy(pct_reading=5.0, source="steady-state error of boards, arXiv 2312.02741"),
    interface="NVML",
)
BMC = MeterInfo(
    meter_id=f"redfish:{HOST}:CN0123456789:power",
    kind="redfish",
    quantity=Quantity.POWER,
    exponent=0,
    boundary=Boundary.SERVER_INPUT,
    current=Current.AC,
    vendor="Supermicro",
    model="AS-8125GS",
    serial="CN0123456789",
    firmware="01.05.06",
    averaging=Averaging.BOXCAR,
    averaging_window_s=1.0,
    update_period_s=1.0,
    covers=CORDS,
    cords=CORDS,
    interface="Redfish",
)
WALL = MeterInfo(
    meter_id=f"{ANALYZER}:ch1",
    kind="scpi",
    quantity=Quantity.POWER,
    exponent=-2,
    boundary=Boundary.WALL_ANALYZER,
    current=Current.AC,
    vendor="YOKOGAWA",
    model="WT333E",
    serial="C2XL24034V",
    firmware="F1.04",
    averaging=Averaging.BOXCAR,
    averaging_window_s=1.0,
    update_period_s=1.0,
    covers=CORDS[:1],
    cords=CORDS,
    accuracy=Accuracy(pct_reading=0.1, pct_range=0.05, range_w=3000.0, source="WT300E data sheet, 45 to 66 Hz"),
    certificate=Certificate("C2XL24034V", "2026-03-02", "DAkkS D-K-15070-01-00, Example Calibration GmbH", 0.0005, 2.0, "ab" * 32),
    range=MeterRange(volts=300.0, amps=10.0, auto=False, crest_factor=3.0),
    interface="VXI-11",
    rated_w=3000.0,
)


@dataclass(frozen=True)
class Sensors:
    """What the meters show of `truth`, each second; `begin_ns`: UTC of second 0. `seed`: of noise, gains and phase."""

    truth: Truth
    begin_ns: int
    seed: int = 0

    def rng(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *name.encode()])

    def series(
        self, meter: MeterInfo, watts: Float64, *, every_s: float = 1.0, lag_s: float = 0.0, gain: float = 1.0, noise_w: float = 0.0
    ) -> Series:
        """A power signal as `meter` shows it: averaged, late by `lag_s` beyond the half of its window, noisy, in its steps."""
        rng = self.rng(meter.meter_id)
        window_s = meter.averaging_window_s or every_s
        phase_s = self.rng(meter.device_id).uniform(0, every_s)  # the channels of one device are read together
        at_s = np.arange(window_s + lag_s + phase_s, self.truth.length_s, every_s)
        shown = self.truth.averaged(watts, at_s - lag_s, window_s=window_s) * gain + rng.normal(0, noise_w, len(at_s))
        return dated(meter, self.begin_ns + np.round(at_s * 1e9).astype(np.int64), shown)

    def witness(self, meter: MeterInfo, value: Float64 | float, *, every_s: float = 10.0) -> Series:
        """A quantity that is no energy: the grid's values, or one constant, looked at now and then."""
        at_s = np.arange(every_s / 2, self.truth.length_s, every_s)
        shown = np.full(len(at_s), value) if isinstance(value, float) else np.interp(at_s, self.truth.t_s, value)
        return dated(meter, self.begin_ns + np.round(at_s * 1e9).astype(np.int64), shown)

    def gpus(self) -> list[Series]:
        """Power of each GPU, and what it was like: temperature, utilization, throttling."""
        found = []
        for index, uuid in enumerate(GPUS):
            meter = replace(GPU, meter_id=f"nvml:{HOST}:{uuid}:power", serial=f"165012300000{index + 1}", covers=(uuid,))
            gain = 1.0 + self.rng(uuid).uniform(-0.03, 0.03)
            found.append(self.series(meter, self.truth.gpu_w(index), gain=gain, noise_w=0.4))
            busy = np.maximum(self.truth.level, 0.0)
            for quantity, value, exponent in (
                (Quantity.TEMPERATURE, 38.0 + 30.0 * warmed(busy), 0),
                (Quantity.UTILIZATION, np.minimum(busy, 1.0), -2),
                (Quantity.THROTTLE, 0.0, 0),
            ):
                found.append(self.witness(beside(meter, quantity, exponent), value))
        return found

    def bmc(self) -> Series:
        """The node as its BMC shows it: a gain, an offset, steps of 4 W, and late."""
        meter = replace(BMC, step=4)
        return self.series(meter, (self.truth.node_ac_w - BMC_OFFSET_W) / BMC_GAIN, lag_s=BMC_LAG_S, noise_w=2.0)

    def wall(self) -> list[Series]:
        """Both cords at the analyser, with voltage, current and power factor; errors within its limits."""
        found = []
        for index, cord in enumerate(CORDS):
            meter = replace(WALL, meter_id=f"{ANALYZER}:ch{index + 1}", covers=(cord,))
            watts = self.truth.node_ac_w * SHARES[index]
            # one laboratory, one instrument: the error is the same on both channels
            gain = 1.0 + self.rng(ANALYZER).uniform(-0.001, 0.001)
            offset_w = self.rng(f"{ANALYZER} zero").uniform(-1.5, 1.5) * 0.99
            found.append(self.series(meter, watts + offset_w, gain=gain, noise_w=0.05))
            for quantity, value, exponent in (
                (Quantity.VOLTAGE, 230.4, -1),
                (Quantity.CURRENT, watts / 230.4 / 0.985, -3),
                (Quantity.POWER_FACTOR, 0.985, -3),
            ):
                found.append(self.witness(beside(meter, quantity, exponent), value))
        return found

    def climate(self) -> list[Series]:
        """Temperature at the inlet of the node, and around the analyser."""
        inlet = replace(BMC, meter_id=f"redfish:{HOST}:CN0123456789:inlet", covers=(HOST,), averaging=Averaging.UNKNOWN)
        ambient = replace(WALL, meter_id=f"{ANALYZER}:ambient", covers=(ANALYZER,), averaging=Averaging.UNKNOWN)
        found = []
        for meter, name, shown in ((inlet, "inlet", 22.4), (ambient, "ambient", 23.1)):
            witness = replace(beside(meter, Quantity.TEMPERATURE, -1, channel=name), accuracy=Accuracy(abs_w=1.0, source="data sheet"))
            found.append(self.witness(witness, shown, every_s=30.0))
        return found


def dated(meter: MeterInfo, t_read_ns: Int64, shown: Float64) -> Series:
    """Readings of SI values at the ends of their windows, in the steps of the meter, with the bracket of each read."""
    steps = np.round(shown / 10.0**meter.exponent / meter.step).astype(np.int64) * meter.step
    unc_ns = BRACKET_NS // 2
    half_ns = unc_ns + round((meter.update_period_s or 0.0) * 1e9) // 2
    plain = Series.plain(meter, t_read_ns - meter.lag_ns, steps, t_unc_ns=half_ns)
    return replace(
        plain,
        clock_bound_ns=2_000_000,
        t_read0_ns=t_read_ns - unc_ns,
        t_read1_ns=t_read_ns + unc_ns,
        t_device_ns=np.zeros_like(t_read_ns),
    )


def warmed(busy: Float64) -> Float64:
    """Share of the final warmth, following `busy` with 20 s."""
    out = np.empty_like(busy)
    now = 0.0
    share = 0.05 / 20.0
    for place, target in enumerate(busy):
        now += share * (target - now)
        out[place] = now
    return out


def beside(meter: MeterInfo, quantity: Quantity, exponent: int, *, channel: str = "") -> MeterInfo:
    """A witness at the place of `meter`."""
    name = channel or (f"{meter.channel}-{quantity}" if meter.channel != "power" else str(quantity))
    return replace(
        meter,
        meter_id=f"{meter.device_id}:{name}",
        quantity=quantity,
        exponent=exponent,
        accuracy=None,
        certificate=None,
        averaging=Averaging.INSTANT,
        averaging_window_s=None,
        rated_w=None,
        step=1,
    )


def described(series: list[Series]) -> Mapping[str, Series]:
    """Series by the id of their meter."""
    return {one.meter.meter_id: one for one in series}
