"""`python -m joulemark.load.burn_gpu LEVEL`: every GPU multiplies matrices for the share LEVEL of the time, until killed.

With torch, else with cupy: neither is needed to install joulemark.
"""

from __future__ import annotations

import importlib
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from joulemark.errors import EnvironmentFailed
from joulemark.load.duty import cycle
from joulemark.timebase import SystemClock

LARGEST: Final = 16_384
"""Rows of a matrix: 0.5 GB in half precision, beyond which the power does not grow."""
MEMORY_SHARE: Final = 0.25
"""Of the free memory, for the three matrices."""
HALF_BYTES: Final = 2
TILE: Final = 256
Step = Callable[[], None]


def rows(free_bytes: int) -> int:
    """Rows of square matrices in half precision of which three fit into the share of `free_bytes`: whole tiles, at most LARGEST."""
    fit = math.isqrt(int(free_bytes * MEMORY_SHARE) // (3 * HALF_BYTES))
    return min(LARGEST, max(TILE, fit // TILE * TILE))


def torch_steps(torch: Any) -> list[Step]:
    """For each GPU that torch sees, one product of matrices, done when it returns."""
    return [torch_step(torch, number) for number in range(torch.cuda.device_count())]


def torch_step(torch: Any, number: int) -> Step:
    """One product on GPU `number`."""
    device = f"cuda:{number}"
    n = rows(torch.cuda.mem_get_info(number)[0])
    left, right = (torch.randn(n, n, device=device, dtype=torch.float16) for _ in range(2))
    product = torch.empty(n, n, device=device, dtype=torch.float16)

    def step() -> None:
        torch.matmul(left, right, out=product)
        torch.cuda.synchronize(number)

    return step


def cupy_steps(cupy: Any) -> list[Step]:
    """The same with cupy."""
    return [cupy_step(cupy, number) for number in range(cupy.cuda.runtime.getDeviceCount())]


def cupy_step(cupy: Any, number: int) -> Step:
    """One product on GPU `number`."""
    with cupy.cuda.Device(number) as device:
        n = rows(device.mem_info[0])
        left, right = (cupy.random.standard_normal((n, n), dtype=cupy.float32).astype(cupy.float16) for _ in range(2))
        product = cupy.empty((n, n), dtype=cupy.float16)

    def step() -> None:
        with cupy.cuda.Device(number) as device:
            cupy.matmul(left, right, out=product)
            device.synchronize()

    return step


LIBRARIES: Final[dict[str, Callable[[Any], list[Step]]]] = {"torch": torch_steps, "cupy": cupy_steps}


def steps() -> list[Step]:
    """One step for each GPU, of the first library that is there and sees one. Raises EnvironmentFailed."""
    for name, made in LIBRARIES.items():
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        if found := made(library):
            return found
    raise EnvironmentFailed("neither torch nor cupy sees a GPU", "install one of them, or give your own command with --load")


def main(level: float) -> None:
    """One thread for each GPU: a product waits outside of the interpreter's lock."""
    for step in steps():
        threading.Thread(target=cycle, args=(level, step), kwargs={"clock": SystemClock(), "sleep": time.sleep}).start()


if __name__ == "__main__":
    try:
        main(float(sys.argv[1]))
    except EnvironmentFailed as failed:
        sys.exit(str(failed))
