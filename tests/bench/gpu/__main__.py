"""`make gpu`: what NVML is on the GPUs of this machine, and what it costs to read it. `WRITE=1` puts the figures into the page.

Settles what no stand-in can: whose moment a stamp is, the cost of a call, which scopes and rings exist, counter against integrated power
at idle and under load, and the slowdown and the power of a matmul loop with an agent at 1, 10 and 50 Hz, in PAIRS interleaved pairs, each
turn a fourth of SECONDS_EACH.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pynvml

from joulemark import __version__
from joulemark.energy.device import measure_device
from joulemark.energy.series import Series
from joulemark.meters.nvml import NvmlConfig, NvmlMeter
from joulemark.runs import PhaseKind, Window
from joulemark.timebase import SystemClock
from tests.bench.gpu import fields, observer, page

POLL_S = 0.05
FIELD_CALLS = 1000


def series_of(meter: NvmlMeter, seconds: float) -> list[Series]:
    """Readings of the first GPU at 20 Hz, as the collector would align them."""
    clock, rows = SystemClock(), []
    end_ns = clock.mono_ns() + round(seconds * 1e9)
    while clock.mono_ns() < end_ns:
        rows.append(meter.read(clock)[0])
        time.sleep(POLL_S)
    t_read_ns = np.array([(row.t_read0_ns + row.t_read1_ns) // 2 + row.utc_minus_mono_ns for row in rows])
    bracket_ns = np.array([row.t_read1_ns - row.t_read0_ns for row in rows])
    return [
        Series.from_columns(
            info,
            t_read_ns=t_read_ns,
            bracket_ns=bracket_ns,
            t_device_ns=np.array([row.t_device_ns[i] or 0 for row in rows]),
            value=np.array([row.values[i] or 0 for row in rows]),
            quality=np.array([row.qualities[i] for row in rows], dtype=np.uint8),
        )
        for i, info in enumerate(meter.info[0].meters)
    ]


def energy(meter: NvmlMeter, seconds: float) -> dict[str, Any]:
    """Energy of `seconds` by the counter and from power, through the product's own maths, with two seconds of readings on each side."""
    found = series_of(meter, seconds + 4.0)
    begin_ns = max(int(one.t_ns[0]) for one in found) + 2 * 10**9
    window = Window("load", PhaseKind.MEASURED, begin_ns, begin_ns + round(seconds * 1e9))
    told = measure_device(window, meter.info[0].device_id, found).to_json()
    return {key: told[key] for key in ("energy_counter_j", "energy_trapezoid_j", "disagreement_rel", "mean_of_samples_w", "energy_method")}


def under_load(meter: NvmlMeter, load: observer.Load, seconds: float) -> dict[str, Any]:
    """The same while the load runs."""
    worker = threading.Thread(target=load.rate, args=(seconds + 8.0,))
    worker.start()
    time.sleep(2.0)
    found = energy(meter, seconds)
    worker.join()
    return found


def counter_j(handle: Any) -> float:
    """The energy counter of a GPU, by the plain call."""
    return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000.0


def study(options: dict[str, Any], folder: Path, *, pair_count: int, seconds: float) -> dict[str, Any]:
    """Every figure of the page."""
    meter = NvmlMeter(NvmlConfig(**{key: Path(value) for key, value in options.items()}), host="bench")
    meter.open()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    numbers = list(fields.FIELDS.values())
    info = meter.info[0].meters[0]
    with observer.Load() as load:
        return {
            "joulemark": __version__,
            "product": info.model,
            "driver": info.firmware,
            "simulated": info.simulated,
            "gpus": len(meter.info),
            "load": load.name,
            "scopes": fields.scopes(handle),
            "cost_us": {
                "nvmlDeviceGetFieldValues, three fields": fields.cost_us(
                    lambda: pynvml.nvmlDeviceGetFieldValues(handle, numbers), FIELD_CALLS
                ),
                "nvmlDeviceGetPowerUsage": fields.cost_us(lambda: pynvml.nvmlDeviceGetPowerUsage(handle), FIELD_CALLS),
                "nvmlDeviceGetTotalEnergyConsumption": fields.cost_us(
                    lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(handle), FIELD_CALLS
                ),
            },
            "stamps": {name: fields.judged(polls) for name, polls in fields.polled(handle, min(5.0, seconds)).items()},
            "ring": fields.ring(handle),
            "energy": {"idle": energy(meter, seconds), "load": under_load(meter, load, seconds)},
            "observer": {
                f"{1000 // interval_ms} Hz": observer.effect(
                    observer.pairs(
                        load,
                        lambda ms=interval_ms: observer.agent(folder, ms, options),
                        lambda: counter_j(handle),
                        count=pair_count,
                        seconds=seconds / 4,
                    )
                )
                for interval_ms in (1000, 100, 20)
            },
        }


def main() -> None:
    """Measure, print one JSON object, and fill the page where that is asked for."""
    options = {"library": library} if (library := os.environ.get("LIBRARY")) else {}
    with tempfile.TemporaryDirectory(prefix="joulemark-gpu-") as folder:
        found = study(
            options, Path(folder), pair_count=int(os.environ.get("PAIRS", "10")), seconds=float(os.environ.get("SECONDS_EACH", "20"))
        )
    if os.environ.get("WRITE") == "1":
        page.fill(found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
