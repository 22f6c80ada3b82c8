"""A host with a clock of its own: libfaketime gives its UTC an offset and steps, `clock/crystal.c` a crystal that is off.

The environment of `Host.env` is for one process; `set_utc` steps its UTC while it runs. Its monotonic time is known in closed form.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.standins.nvml_standin import compiler

SOURCE = Path(__file__).parent / "clock" / "crystal.c"


def libfaketime() -> Path:
    """The library for programs with threads. Raises RuntimeError where it is not installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise RuntimeError("no libfaketime for clocks that lie: run apt-get install -y faketime")
    return found[0]


def build(folder: Path) -> Path:
    """Compile the crystal into `folder`. Raises RuntimeError when there is no C compiler or the source does not compile."""
    library = folder / "crystal.so"
    flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"]
    done = subprocess.run([compiler(), *flags, "-o", str(library), str(SOURCE)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{SOURCE.name} does not compile:\n{done.stderr}")
    return library


@dataclass(frozen=True)
class Host:
    """A host whose crystal gains `ppm` since `since_ns` (CLOCK_BOOTTIME); `folder` holds the file that tells libfaketime the offset."""

    name: str
    folder: Path
    ppm: int
    since_ns: int

    @property
    def told(self) -> Path:
        return self.folder / f"{self.name}.faketime"

    def set_utc(self, offset_s: float) -> None:
        """Let the UTC of the host be so far ahead; on a running host that is a step."""
        part = self.told.with_suffix(".part")
        part.write_text(f"{offset_s:+.3f}s\n")
        part.rename(self.told)

    def env(self, crystal: Path) -> dict[str, str]:
        """What its processes see more."""
        return {
            "LD_PRELOAD": f"{crystal} {libfaketime()}",
            "CRYSTAL_PPM": str(self.ppm),
            "CRYSTAL_SINCE_NS": str(self.since_ns),
            "FAKETIME_TIMESTAMP_FILE": str(self.told),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def mono_ns(self, true_ns: float) -> float:
        """Its monotonic time when CLOCK_BOOTTIME is really `true_ns`."""
        return true_ns + (true_ns - self.since_ns) * self.ppm / 1e6

    def true_ns(self, mono_ns: float) -> float:
        """Inverse of `mono_ns`."""
        return (mono_ns + self.since_ns * self.ppm / 1e6) / (1 + self.ppm / 1e6)
