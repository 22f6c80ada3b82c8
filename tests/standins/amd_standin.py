"""The stand-in AMD library: compiles `amd/fakeamdsmi.c` and knows, without asking it, the energy of its wave.

The real Python package amdsmi reads it. It looks up every function of the library when it is imported, so the many that no meter calls
are written here, each answering that it is not supported.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.standins.nvml_standin import compiler

SOURCE = Path(__file__).parent / "amd" / "fakeamdsmi.c"
SONAME = "libamd_smi.so"
PREFIX = "STANDIN_AMD_"
LOOKED_UP = re.compile(r"_libraries\['libamd_smi\.so'\]\.(\w+)")
WRITTEN = re.compile(r"^Status (amdsmi_\w+)\(", re.MULTILINE)


def wrapper() -> str:
    """Source of the part of the installed amdsmi that looks up the functions of the library."""
    spec = importlib.util.find_spec("amdsmi")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("amdsmi_wrapper.py").read_text(encoding="utf-8")


def build(folder: Path, *, without: str = "") -> Path:
    """Compile the library to `folder/lib` and return its path; the function `without` is left out, as in an older release of ROCm.

    Raises RuntimeError when there is no C compiler or the source does not compile.
    """
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    written = set(WRITTEN.findall(SOURCE.read_text(encoding="utf-8")))
    stubs = folder / "stubs.c"
    missing = [name for name in sorted(set(LOOKED_UP.findall(wrapper()))) if name not in written and name != without]
    stubs.write_text("".join(f"unsigned {name}(void);\nunsigned {name}(void) {{ return 2; }}\n" for name in missing))
    library = folder / "lib" / SONAME
    flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-Wl,-soname,{SONAME}", "-pthread"]
    command = [compiler(), *flags, "-o", str(library), str(SOURCE), str(stubs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{SOURCE.name} does not compile:\n{done.stderr}")
    return library


@functools.cache
def library() -> Path:
    """The library, compiled once: amdsmi keeps the first one that it loaded in a process."""
    folder = Path(tempfile.mkdtemp(prefix="standin-amd-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(folder)


@dataclass(frozen=True)
class AmdWave:
    """A square wave on every GPU: low for one half-period, then high. `settings`: any other `STANDIN_AMD_*` of the C file."""

    gpus: int = 1
    low_w: float = 90.0
    high_w: float = 500.0
    half_period_ns: int = 1_000_000_000
    origin_ns: int = 1_780_000_000_000_000_000
    settings: Mapping[str, str | int] = field(default_factory=dict)

    def energy_j(self, t0_ns: int, t1_ns: int) -> float:
        """Exact energy of one GPU between two UTC times: integers up to the last step."""
        high_ns = self._high_ns(t1_ns) - self._high_ns(t0_ns)
        return (self.low_w * (t1_ns - t0_ns - high_ns) + self.high_w * high_ns) / 1e9

    def env(self) -> dict[str, str]:
        """The environment that makes the stand-in this wave."""
        values: dict[str, str | int] = {
            "GPUS": self.gpus,
            "LOW_MW": round(self.low_w * 1000),
            "HIGH_MW": round(self.high_w * 1000),
            "HALF_PERIOD_NS": self.half_period_ns,
            "ORIGIN_NS": self.origin_ns,
            **self.settings,
        }
        return {PREFIX + name: str(value) for name, value in values.items()}

    def _high_ns(self, t_ns: int) -> int:
        whole, rest = divmod(t_ns, 2 * self.half_period_ns)
        return whole * self.half_period_ns + max(0, rest - self.half_period_ns)
