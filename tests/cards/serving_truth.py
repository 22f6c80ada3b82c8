"""Series of a small service whose energy and tokens are known: 400 W at each GPU, engines that count at a steady rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from joulemark.energy.series import Series
from joulemark.readings import Averaging, Boundary, MeterInfo, Quality, Quantity

S = 1_000_000_000
T0 = 1_790_000_000 * S
LENGTH_S = 200

Q = Quantity


def series_of(meter: MeterInfo, values: list[int], step_s: float = 1.0) -> Series:
    t_ns = T0 + (np.arange(len(values)) * step_s * S).astype(np.int64)
    quality = np.full(len(values), Quality.OK, dtype=np.uint8)
    half = S // 1000
    one = Series.plain(meter, t_ns, np.array(values, dtype=np.int64), quality)
    return replace(one, t_read0_ns=t_ns - half, t_read1_ns=t_ns + half)


def gpu(host: str = "node1", power_w: int = 400, number: int = 0) -> Series:
    meter = MeterInfo(
        f"nvml:{host}:GPU-{number}:power",
        "nvml",
        Q.POWER,
        -3,
        Boundary.GPU,
        averaging=Averaging.INSTANT,
        averaging_window_s=0.0,
        covers=(f"GPU-{host}-{number}",),
    )
    return series_of(meter, [power_w * 1000] * (10 * LENGTH_S), 0.1)


def counter(
    quantity: Quantity,
    per_s: int,
    *,
    model: str = "m",
    host: str = "node1",
    server: str = "8000",
    engine: str = "vllm",
    name: str = "",
    **more: object,
) -> Series:
    meter = MeterInfo(
        f"serving:{host}:127.0.0.1-{server}-{model}:{quantity}",
        "serving",
        quantity,
        -3 if quantity is Q.UPTIME else 0,
        Boundary.SERVER_INPUT,
        vendor=engine,
        model=model,
        covers=(f"{host}:{server}/{model}",),
        note=f"about; {name}" if name else "about",
    )
    values = [per_s] * LENGTH_S if quantity is Q.RUNNING_REQUESTS else [1000 + per_s * i for i in range(LENGTH_S)]
    return series_of(replace(meter, **more), values)  # type: ignore[arg-type]  # fields of the description


def engine(*, output: int = 100, requests: int = 2, running: int = 3, **of: str) -> list[Series]:
    """What one server of a model counts: input is thrice the output."""
    return [
        counter(Q.OUTPUT_TOKENS, output, name="vllm:generation_tokens_total", **of),
        counter(Q.INPUT_TOKENS, 3 * output, name="vllm:prompt_tokens_total", **of),
        counter(Q.REQUESTS, requests, name="vllm:request_success_total", **of),
        counter(Q.FAILED_REQUESTS, 0, name="vllm:request_success_total", **of),
        counter(Q.RUNNING_REQUESTS, running, name="vllm:num_requests_running", **of),
    ]
