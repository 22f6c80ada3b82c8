"""Recorded power logs as series: one file per format, pure readers, the format told by the first line."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import Final

from joulemark.energy.series import Series
from joulemark.errors import FormatError
from joulemark.readings import Accuracy, Boundary
from joulemark.traces import aiperf_telemetry, bundle, mllog_power, nvidia_smi, plain, spl, system_log
from joulemark.traces.recording import Recording

READERS: Final = (spl, mllog_power, aiperf_telemetry, nvidia_smi, bundle, system_log, plain)
"""In the order they are asked; each has `matches(head)` and `read(recording)`."""


def read(path: Path, *, tz: tzinfo | None, accuracy: Accuracy | None = None, boundary: Boundary | None = None) -> list[Series]:
    """The series of the power log at `path`, plain or gzip, times in UTC.

    `tz`: zone of times that carry none. `accuracy`: of the meter, where the file does not say. `boundary`: where a plain CSV
    was measured; the other formats tell it. Raises FormatError when it is no known power log or holds no reading,
    NaiveTimeError when a zone is needed and `tz` is None.
    """
    recording = Recording.load(path, tz=tz, accuracy=accuracy, boundary=boundary)
    reader = next((reader for reader in READERS if reader.matches(recording.head)), None)
    if reader is None:
        raise FormatError(
            f"{path} is not a power log known here; its first line is {recording.head[:60]!r}",
            "give a PTDaemon spl.txt, nvidia-smi CSV, AIPerf gpu_telemetry_export.jsonl, or a CSV with columns timestamp,power_w",
        )
    series = [one for one in reader.read(recording) if len(one)]
    if not series:
        raise FormatError(f"{path} holds no reading", "check that the recorder wrote to it")
    return series
