"""What the real nvidia-ml-py tells of the stand-in's GPUs beside their power."""

from __future__ import annotations

import subprocess
import sys

from joulemark.meters import nvml_survey
from tests.standins import nvml_standin
from tests.standins.nvml_standin import NvmlWave

SCRIPT = f"""
from joulemark.config import MeterTable
from joulemark.meters import nvml_survey
from joulemark.meters.nvml import DRIVER
print(nvml_survey.look())
meter = DRIVER.build(MeterTable("nvml", {{"library": {str(nvml_standin.library())!r}}}), host="h")
meter.open()
found = nvml_survey.look()
print([(gpu.uuid, gpu.model, bool(gpu.serial)) for gpu in found.gpus], bool(found.driver), sorted(found.settings), found.processes)
print(len(meter.read(__import__("joulemark.timebase").timebase.SystemClock())))
"""


def test_gpus_are_told_once_a_meter_has_loaded_the_library() -> None:
    """Before it nothing is loaded for a look; after it every GPU has its facts and its cap, what the driver lacks stays unknown, and the
    meter reads on.
    """
    env = {**NvmlWave(gpus=2).env(), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stderr
    before, after, count = done.stdout.splitlines()
    assert (before, count) == ("None", "2")
    assert after.count("GPU-") == 4
    assert "power_cap_w.GPU-" in after
    assert after.endswith("None")


def test_versions_of_cuda() -> None:
    """As NVIDIA writes them."""
    assert [nvml_survey.version(number) for number in (12060, 13000, None)] == ["12.6", "13.0", ""]
