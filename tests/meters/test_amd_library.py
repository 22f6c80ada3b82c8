"""How the library is found and loaded, in fresh processes: the Python package keeps the first library that it loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from joulemark.meters import amd_library
from joulemark.meters.amd_library import GONE, LACKS, NEXT_STEP, places, rocm_home
from tests.standins import amd_standin
from tests.standins.amd_standin import AmdWave

FRESH = """
import sys
from joulemark.config import MeterTable
from joulemark.errors import MeterUnavailable
from joulemark.meters.amd import DRIVER
from joulemark.timebase import SystemClock
assert "amdsmi" not in sys.modules
found = DRIVER.discover()
assert found == ([{}] if "ROCM_HOME" in __import__("os").environ else []), found
meter = DRIVER.build(MeterTable("amd", {"library": sys.argv[1]} if len(sys.argv) > 1 else {}), host="node1")
try:
    meter.open()
    print("read", meter.read(SystemClock())[0].values[0])
except MeterUnavailable as error:
    print("amdsmi" in sys.modules, error)
"""


def run(*arguments: str, **environment: str) -> str:
    """What a new process prints that opens the meter and reads once; it must print nothing else, and nothing on the error stream."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FRESH, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **AmdWave(low_w=123, high_w=123).env(), **environment},
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_library_that_is_named() -> None:
    """The file that `library` names is used, though the package takes no path; the environment is left as it was."""
    assert run(str(amd_standin.library())) == "read 123"


def test_library_below_rocm_home() -> None:
    """Without `library` the one below ROCM_HOME is found, and discovered."""
    assert run(ROCM_HOME=str(amd_standin.library().parent.parent)) == "read 123"


def test_no_library_on_the_machine() -> None:
    """Without AMD's library the package is not imported, nothing is printed, and the next step is told."""
    said = run()
    assert said.startswith("False AMD's library is not there:")
    assert "install ROCm's package amd-smi-lib" in said
    assert len(said.splitlines()) == 1


def test_library_of_another_release(tmp_path: Path) -> None:
    """A library that lacks a function which the package looks up is told as a difference of releases."""
    said = run(str(amd_standin.build(tmp_path, without="amdsmi_get_gpu_vram_info")))
    assert "are of different releases" in said
    assert "pip install amdsmi==RELEASE" in said


def test_places_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library is looked for where the package does: below ROCM_HOME, by the loader, beside the package, in /opt/rocm."""
    monkeypatch.delenv("ROCM_PATH", raising=False)
    monkeypatch.setenv("ROCM_HOME", "/opt/rocm-7.0.2")
    below = ["/opt/rocm-7.0.2/lib/libamd_smi.so", "libamd_smi.so", f"{tmp_path}/libamd_smi.so", "/opt/rocm/lib/libamd_smi.so"]
    assert list(places(None, tmp_path)) == below
    assert list(places(Path("/a/lib/libamd_smi.so"), tmp_path)) == ["/a/lib/libamd_smi.so"]


@pytest.mark.parametrize("before", [None, "/opt/rocm"])
def test_environment_is_given_back(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    """ROCM_HOME is what it was, or absent as it was, after the package was led to a library."""
    monkeypatch.delenv("ROCM_HOME", raising=False)
    if before is not None:
        monkeypatch.setenv("ROCM_HOME", before)
    with rocm_home(Path("/x/lib/libamd_smi.so")):
        assert os.environ["ROCM_HOME"] == "/x"
    assert os.environ.get("ROCM_HOME") == before


def test_package_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the Python package the extra that brings it is named."""
    monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(amd_library.MeterUnavailable) as caught:
        amd_library.loaded(None)
    assert "pip install 'joulemark[amd]'" in caught.value.next_step


def test_codes_are_those_of_the_package() -> None:
    """Every status that means something here has the number that the installed package gives it."""
    wrapper = amd_standin.wrapper()
    for status in amd_library.Status:
        assert f"AMDSMI_STATUS_{status.name} = {status.value}\n" in wrapper
    assert not LACKS & GONE
    assert set(NEXT_STEP) <= set(amd_library.Status)
