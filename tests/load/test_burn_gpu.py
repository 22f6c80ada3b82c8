"""The load on GPUs, against stand-ins of torch and cupy: two devices that note each product."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from joulemark.load.burn_gpu import HALF_BYTES, LARGEST, rows

TORCH = """
import os, time
float16 = "half"
class Matrix:
    def __init__(self, n, device): self.n, self.device = n, device
def randn(n, m, device, dtype): return Matrix(n, device)
empty = randn
def matmul(left, right, out):
    assert left.device == right.device == out.device
    time.sleep(0.002)
    with open(os.environ["BURNT"], "a") as out_file: out_file.write(f"{left.device} {left.n}\\n")
class cuda:
    device_count = staticmethod(lambda: DEVICES)
    mem_get_info = staticmethod(lambda number: (6 * 4 * 1024**2, 10**10))
    synchronize = staticmethod(lambda number: None)
"""
CUPY = """
import os, time
float16, float32 = "half", "single"
current = None
class Matrix:
    def __init__(self, n): self.n, self.device = n, current
    def astype(self, dtype): return self
class random:
    standard_normal = staticmethod(lambda shape, dtype: Matrix(shape[0]))
def empty(shape, dtype): return Matrix(shape[0])
def matmul(left, right, out):
    time.sleep(0.002)
    with open(os.environ["BURNT"], "a") as out_file: out_file.write(f"cuda:{left.device} {left.n}\\n")
class cuda:
    class runtime:
        getDeviceCount = staticmethod(lambda: 2)
    class Device:
        mem_info = (6 * 4 * 1024**2, 10**10)
        def __init__(self, number): self.number = number
        def __enter__(self):
            global current
            current = self.number
            return self
        def __exit__(self, *_): pass
        def synchronize(self): pass
"""


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_every_gpu_multiplies_for_its_share(library: str, tmp_path: Path) -> None:
    """Both devices make products of the size that their memory allows, half of the time: cupy where torch sees no GPU."""
    (tmp_path / "torch.py").write_text(TORCH.replace("DEVICES", "2" if library == "torch" else "0"))
    (tmp_path / "cupy.py").write_text(CUPY)
    burnt = tmp_path / "burnt"
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "BURNT": str(burnt)}
    burner = subprocess.Popen([sys.executable, "-m", "joulemark.load.burn_gpu", "0.5"], env=env)
    try:
        while not burnt.exists():
            time.sleep(0.02)
        begin_s, before = time.monotonic(), burnt.read_text().count("\n")
        time.sleep(1.0)
        lines = burnt.read_text().splitlines()
        share = 0.002 * (len(lines) - before) / 2 / (time.monotonic() - begin_s)
    finally:
        burner.kill()
        burner.wait()
    assert set(lines) == {"cuda:0 1024", "cuda:1 1024"}
    assert 0.02 < share < 0.6, "a busy machine makes fewer, never more"


def test_without_a_library_it_says_what_is_missing(tmp_path: Path) -> None:
    """Neither torch nor cupy: it ends with the next step."""
    done = subprocess.run([sys.executable, "-m", "joulemark.load.burn_gpu", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "neither torch nor cupy sees a GPU" in done.stderr


def test_matrices_fit_into_memory() -> None:
    """Three of them take at most a quarter of what is free, in whole tiles, and never more than makes a difference."""
    for free_bytes in (10**9, 2 * 10**9, 80 * 10**9):
        n = rows(free_bytes)
        assert (n % 256, 3 * HALF_BYTES * n * n <= free_bytes / 4) == (0, True)
    assert (rows(80 * 10**9), rows(1)) == (LARGEST, 256)
