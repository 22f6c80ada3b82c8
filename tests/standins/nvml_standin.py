"""The stand-in NVIDIA driver: compiles `nvml/fakenvml.c` and knows, without asking it, the energy of its wave.

The real nvidia-ml-py reads it: name the compiled file as `library` of a `[[meter]] kind = "nvml"` and set `env()`.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml" / "fakenvml.c"
SONAME = "libnvidia-ml.so.1"
PREFIX = "STANDIN_NVML_"


def compiler() -> str:
    """The C compiler. Raises RuntimeError where there is none."""
    found = shutil.which("cc")
    if found is None:
        raise RuntimeError("no C compiler for the stand-ins: run apt-get install -y gcc libc6-dev")
    return found


def build(folder: Path, *, field_values: bool = True) -> Path:
    """Compile the driver into `folder` and return its path; without `field_values` as a driver older than that call.

    Raises RuntimeError when there is no C compiler or the source does not compile.
    """
    library = folder / SONAME
    flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-Wl,-soname,{SONAME}", "-pthread"]
    macros = [] if field_values else ["-DWITHOUT_FIELD_VALUES"]
    done = subprocess.run([compiler(), *flags, *macros, "-o", str(library), str(SOURCE)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{SOURCE.name} does not compile:\n{done.stderr}")
    return library


@functools.cache
def library() -> Path:
    """The driver, compiled once: nvidia-ml-py keeps the first one that it loaded in a process."""
    folder = Path(tempfile.mkdtemp(prefix="standin-nvml-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(folder)


@dataclass(frozen=True)
class NvmlWave:
    """A square wave per GPU: low for one half-period, then high; `phase_ns[g]` is added to the time that GPU g sees.

    `origin_ns`: when the driver was loaded, where its counters begin. `settings`: any other `STANDIN_NVML_*` of the C file, by the
    name after the prefix, for faults.
    """

    gpus: int = 1
    low_w: float = 100.0
    high_w: float = 650.0
    half_period_ns: int = 1_000_000_000
    phase_ns: tuple[int, ...] = ()
    energy_step_ns: int = 100_000_000
    origin_ns: int = 1_780_000_000_000_000_000
    settings: Mapping[str, str | int] = field(default_factory=dict)

    def power_w(self, t_ns: int, gpu: int = 0) -> float:
        """Power at `t_ns` (UTC)."""
        return self.high_w if (t_ns + self._phase(gpu)) // self.half_period_ns % 2 else self.low_w

    def energy_j(self, t0_ns: int, t1_ns: int, gpu: int = 0) -> float:
        """Exact energy of one GPU between two UTC times: integers up to the last step."""
        high_ns = self._high_ns(t1_ns + self._phase(gpu)) - self._high_ns(t0_ns + self._phase(gpu))
        return (self.low_w * (t1_ns - t0_ns - high_ns) + self.high_w * high_ns) / 1e9

    def env(self) -> dict[str, str]:
        """The environment that makes the stand-in this wave."""
        values: dict[str, str | int] = {
            "GPUS": self.gpus,
            "LOW_MW": round(self.low_w * 1000),
            "HIGH_MW": round(self.high_w * 1000),
            "HALF_PERIOD_NS": self.half_period_ns,
            "PHASE_NS": ",".join(map(str, self.phase_ns)),
            "ENERGY_STEP_NS": self.energy_step_ns,
            "ORIGIN_NS": self.origin_ns,
            **self.settings,
        }
        return {PREFIX + name: str(value) for name, value in values.items()}

    def _phase(self, gpu: int) -> int:
        return self.phase_ns[gpu] if gpu < len(self.phase_ns) else 0

    def _high_ns(self, t_ns: int) -> int:
        whole, rest = divmod(t_ns, 2 * self.half_period_ns)
        return whole * self.half_period_ns + max(0, rest - self.half_period_ns)
