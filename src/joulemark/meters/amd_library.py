"""AMD's management library in this process: found before its Python package is imported, initialised while a meter uses it.

The package amdsmi loads `libamd_smi.so` when it is imported, prints where it finds none, and then fails with a KeyError; so the
library is looked for first, in the same places. Its initialisation is not counted: one shut-down ends it for everybody, so users are
counted here. Before ROCm 7 two threads in it could make a counter run backwards (ROCm/amdsmi issue 115): calls go one at a time.

Source: amdsmi.h of ROCm 7 (status codes, amdsmi_init, amdsmi_shut_down).
"""

from __future__ import annotations

import ctypes
import enum
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from joulemark.errors import MeterUnavailable

LIBRARY_NAME: Final = "libamd_smi.so"
INSTALL_LIBRARY: Final = "install ROCm's package amd-smi-lib, or name the file with library = PATH/lib/libamd_smi.so"
INSTALL_PACKAGE: Final = "run pip install 'joulemark[amd]'"


class Status(enum.IntEnum):
    """The answers of the library that mean something of their own here; any other may pass."""

    SUCCESS = 0
    NOT_SUPPORTED = 2
    NOT_YET_IMPLEMENTED = 3
    FAIL_LOAD_MODULE = 4
    FAIL_LOAD_SYMBOL = 5
    NO_PERM = 10
    INIT_ERROR = 18
    DIRECTORY_NOT_FOUND = 20
    NOT_FOUND = 31
    NOT_INIT = 32
    DRIVER_NOT_LOADED = 34
    NO_DRV = 51
    FILE_NOT_FOUND = 52


LACKS: Final = frozenset({Status.NOT_SUPPORTED, Status.NOT_YET_IMPLEMENTED, Status.FAIL_LOAD_SYMBOL})
"""This GPU, or this release, has no such figure."""

GONE: Final = frozenset(
    {Status.NOT_FOUND, Status.NOT_INIT, Status.DRIVER_NOT_LOADED, Status.NO_DRV, Status.FILE_NOT_FOUND, Status.DIRECTORY_NOT_FOUND}
)
"""The GPU, its driver or its files left."""

LOAD_DRIVER: Final = "load the driver: sudo modprobe amdgpu"
NEXT_STEP: Final[dict[int, str]] = {
    Status.NO_PERM: "let the agent's user open /dev/kfd and /dev/dri/renderD*: sudo usermod -aG render,video USER, then start it anew",
    Status.DRIVER_NOT_LOADED: LOAD_DRIVER,
    Status.NO_DRV: LOAD_DRIVER,
    Status.INIT_ERROR: LOAD_DRIVER,
    Status.FAIL_LOAD_MODULE: LOAD_DRIVER,
    Status.NOT_FOUND: "see dmesg for what became of the GPU",
}
OTHERWISE: Final = "see whether amd-smi list shows the GPU"


class Library:
    """amdsmi, shared by the meters of this process. `lock` is held around every call that reads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._users = 0

    def enter(self, library: Path | None) -> Any:
        """The module amdsmi, initialised; to be left again. Raises MeterUnavailable."""
        with self.lock:
            amdsmi = loaded(library)
            if self._users == 0:
                try:
                    amdsmi.amdsmi_init()
                except amdsmi.AmdSmiException as error:
                    raise MeterUnavailable(f"AMD's library cannot be used: {said(error)}", next_step(error)) from error
            self._users += 1
            return amdsmi

    def leave(self, amdsmi: Any) -> None:
        """Stop using it; the last user shuts it down."""
        with self.lock:
            self._users -= 1
            if self._users == 0:
                with suppress(amdsmi.AmdSmiException):  # it is left, whatever it says
                    amdsmi.amdsmi_shut_down()


LIBRARY: Final = Library()


def loaded(library: Path | None) -> Any:
    """The module amdsmi with the library behind it; the first one that was loaded stays. Raises MeterUnavailable."""
    if "amdsmi" in sys.modules:
        return sys.modules["amdsmi"]
    spec = importlib.util.find_spec("amdsmi")
    if spec is None or spec.origin is None:
        raise MeterUnavailable("meter kind 'amd' needs the Python module amdsmi", INSTALL_PACKAGE)
    found = first_loadable(places(library, Path(spec.origin).parent))
    try:
        with rocm_home(library):
            import amdsmi
    except (AttributeError, KeyError, OSError) as error:
        what = f"{found} and the Python package amdsmi are of different releases: {error}"
        raise MeterUnavailable(what, "install the amdsmi of the installed ROCm: pip install amdsmi==RELEASE") from error
    return amdsmi


def places(library: Path | None, package: Path) -> Iterator[str]:
    """Where the package looks for the library, in its order."""
    if library is not None:
        yield str(library)
        return
    if home := os.environ.get("ROCM_HOME", os.environ.get("ROCM_PATH")):
        yield str(Path(home) / "lib" / LIBRARY_NAME)
    yield LIBRARY_NAME
    yield str(package / LIBRARY_NAME)
    yield str(Path(os.environ.get("ROCM_PATH", "/opt/rocm")) / "lib" / LIBRARY_NAME)


def first_loadable(names: Iterator[str]) -> str:
    """The first library that loads. Raises MeterUnavailable with the loader's words on the last."""
    why = ""
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError as error:
            why = str(error)
            continue
        return name
    raise MeterUnavailable(f"AMD's library is not there: {why}", INSTALL_LIBRARY)


@contextmanager
def rocm_home(library: Path | None) -> Iterator[None]:
    """The environment in which the package finds `library`: it takes no path, but looks below ROCM_HOME first."""
    before = os.environ.get("ROCM_HOME")
    if library is not None:
        os.environ["ROCM_HOME"] = str(library.parent.parent)
    try:
        yield
    finally:
        if library is not None and before is None:
            del os.environ["ROCM_HOME"]
        elif before is not None:
            os.environ["ROCM_HOME"] = before


def code_of(error: Exception) -> int:
    """The status code in an error of amdsmi; -1 for those that its Python part raises by itself."""
    code = getattr(error, "err_code", None)
    return -1 if code is None else int(code)


def said(error: Exception) -> str:
    """An error of amdsmi in one line."""
    return str(getattr(error, "err_info", "")) or " ".join(str(error).split())


def next_step(error: Exception) -> str:
    """What to do about an error of amdsmi."""
    return NEXT_STEP.get(code_of(error), OTHERWISE)
