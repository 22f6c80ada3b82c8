"""What else goes on where an alignment shall be made: foreign work, other monitors, and how the meters do."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from joulemark.agent.processes import Processes
from joulemark.timebase import Clock

LOOK_S: Final = 1.0
"""Between the two looks at the processes' CPU time."""
ANSWER_S: Final = 10.0
MONITORS: Final = (
    (re.compile(r"^nvidia-smi\b.*( -l| --loop| -lms| dmon| pmon| daemon)"), "nvidia-smi in a loop"),
    (re.compile(r"^(nv-hostengine|dcgm-exporter|dcgmi)\b"), "DCGM"),
    (re.compile(r"^(nvtop|turbostat|powertop|scaphandre|alumet-agent|kepler|s-tui)\b"), "a power monitor"),
    (re.compile(r"^watch\b.*(nvidia-smi|ipmitool|rocm-smi|amd-smi)"), "a reader in a loop"),
    (re.compile(r"\bjoulemark agent run\b|\bjoulemark\b.* agent run\b"), "joulemark agent"),
)
"""What the command line of a monitor looks like, and its name."""
OWN_AGENTS: Final = 1
"""One agent is ours."""


def foreign(clock: Clock, sleep: Callable[[float], object]) -> tuple[str, ...] | None:
    """Processes that work on this machine and are not ours, None where /proc does not tell."""
    processes = Processes()
    processes.foreign(clock.utc_ns(), None)
    sleep(LOOK_S)
    return processes.foreign(clock.utc_ns(), computing())


def computing() -> list[int] | None:
    """Ids of the processes that compute on an NVIDIA GPU, None where no driver tells."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return None
    command = [tool, "--query-compute-apps=pid", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return [int(line) for line in done.stdout.split() if line.isdecimal()] if done.returncode == 0 else None


def monitors(proc: Path = Path("/proc")) -> tuple[str, ...] | None:
    """Programs that read the same meters, as `name (pid)`, None where /proc does not tell; one agent of ours is none of them."""
    if not proc.is_dir():
        return None
    found = [(name, pid) for pid, line in commands(proc) for pattern, name in MONITORS if pattern.search(line)]
    ours = [pid for name, pid in found if name == "joulemark agent"]
    return tuple(f"{name} ({pid})" for name, pid in found if pid not in ours[:OWN_AGENTS])


def commands(proc: Path) -> Sequence[tuple[int, str]]:
    """(pid, command line) of every process, the program without its folder, oldest number first."""
    found = []
    for folder in sorted((p for p in proc.iterdir() if p.name.isdecimal()), key=lambda p: int(p.name)):
        try:
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
        except OSError:
            continue
        found.append((int(folder.name), " ".join([words[0].rpartition("/")[2], *words[1:]])))
    return found
