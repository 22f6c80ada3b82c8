"""A load for a GPU: `python -m tests.bench.gpu.load` answers each line `SECONDS` with `ITERATIONS ELAPSED_S`, after the line `ready NAME`.

bf16 matrix products on the first GPU where torch is there and sees one; else float32 products of numpy on this host's processor, and the
name says so, so that nobody takes the figures for those of a GPU.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable

SIZE_GPU, SIZE_CPU = 8192, 256


def on_gpu() -> tuple[str, Callable[[], None]] | None:
    """Name and one step of the GPU load; None without torch or without a GPU."""
    if importlib.util.find_spec("torch") is None:
        return None
    torch = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return None
    a = torch.randn(SIZE_GPU, SIZE_GPU, device="cuda", dtype=torch.bfloat16)
    b = torch.randn(SIZE_GPU, SIZE_GPU, device="cuda", dtype=torch.bfloat16)

    def step() -> None:
        torch.matmul(a, b)
        torch.cuda.synchronize()

    return f"bf16 matmul {SIZE_GPU} with torch {torch.__version__}", step


def on_cpu() -> tuple[str, Callable[[], None]]:
    """Name and one step of the stand-in."""
    import numpy as np

    a = np.random.default_rng(0).standard_normal((SIZE_CPU, SIZE_CPU), dtype=np.float32)
    return f"float32 matmul {SIZE_CPU} on the processor, no GPU load", lambda: (a @ a, None)[1]


def main() -> None:
    """Warm up, then serve."""
    name, step = on_gpu() or on_cpu()
    for _ in range(20):
        step()
    print(f"ready {name}", flush=True)
    for line in sys.stdin:
        begin_s, count = time.perf_counter(), 0
        while (elapsed_s := time.perf_counter() - begin_s) < float(line):
            step()
            count += 1
        print(count, elapsed_s, flush=True)


if __name__ == "__main__":
    main()
