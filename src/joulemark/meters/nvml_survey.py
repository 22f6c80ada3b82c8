"""What NVIDIA's library tells of the GPUs beside their power: who they are, how they are set, and whose processes use them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pynvml

from joulemark.node import Gpu

MILLI = 1000.0


@dataclass(frozen=True, slots=True)
class GpuSurvey:
    """All GPUs of the host. `processes`: ids of those that compute on one, None where the library does not tell."""

    gpus: tuple[Gpu, ...]
    driver: str = ""
    cuda: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    processes: frozenset[int] | None = None


def look() -> GpuSurvey | None:
    """The GPUs as they are now, None where no meter has loaded the library: to load it only for this could set counters back."""
    if pynvml.nvmlLib is None:
        return None
    try:
        pynvml.nvmlInit()  # counted by the library: one more holder, for a moment
    except pynvml.NVMLError:
        return None
    try:
        return seen()
    except pynvml.NVMLError:
        return None
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def seen() -> GpuSurvey:
    """What the open library tells. Raises pynvml.NVMLError where it does not even count its GPUs."""
    gpus: list[Gpu] = []
    settings: dict[str, str] = {}
    processes: set[int] = set()
    told = True
    for handle in handles():
        uuid = answer(pynvml.nvmlDeviceGetUUID, handle) or ""
        gpus.append(
            Gpu(
                uuid,
                model=answer(pynvml.nvmlDeviceGetName, handle) or "",
                vbios=answer(pynvml.nvmlDeviceGetVbiosVersion, handle) or "",
                serial=answer(pynvml.nvmlDeviceGetSerial, handle) or "",
            )
        )
        if (cap_mw := answer(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)) is not None:
            settings[f"power_cap_w.{uuid}"] = f"{cap_mw / MILLI:g}"
        clocks = [answer(pynvml.nvmlDeviceGetApplicationsClock, handle, kind) for kind in (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM)]
        if None not in clocks:
            settings[f"clocks.{uuid}"] = "/".join(map(str, clocks)) + " MHz"
        found = answer(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
        told = told and found is not None
        processes.update(one.pid for one in found or ())
    return GpuSurvey(
        tuple(gpus),
        driver=answer(pynvml.nvmlSystemGetDriverVersion) or "",
        cuda=version(answer(pynvml.nvmlSystemGetCudaDriverVersion)),
        settings=settings,
        processes=frozenset(processes) if told else None,
    )


def handles() -> Iterator[Any]:
    """Every GPU that answers."""
    for index in range(pynvml.nvmlDeviceGetCount()):
        with contextlib.suppress(pynvml.NVMLError):
            yield pynvml.nvmlDeviceGetHandleByIndex(index)


def answer(call: Callable[..., Any], *arguments: Any) -> Any:
    """What the library says, None where it does not know, or is of another version than its interface."""
    try:
        return call(*arguments)
    except (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError):
        return None


def version(number: int | None) -> str:
    """12060 as 12.6, empty where it is not told."""
    return "" if number is None else f"{number // 1000}.{number % 1000 // 10}"
