"""A real BMC simulator on loopback: Debian's `ipmi_sim` with our DCMI module, its watts and the air of its inlet set from here."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

MODULE_SOURCE = Path(__file__).parent / "ipmi" / "dcmi_module.c"
USER = "admin"
PASSWORD = "secret12"

LAN_CONF = """\
name "standin"
loadlib "{module}" "{watts}"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 {port}
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid {guid}
  endlan
  user 2 true "{user}" "{password}" admin 10 none md2 md5 straight
"""

EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


class StandinError(RuntimeError):
    """The stand-in could not be built or started; the text says what to install."""


def tool(name: str, package: str) -> str:
    """Path of the program `name`. Raises StandinError naming its Debian package when it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise StandinError(f"{name} is not installed: apt-get install {package}")
    return found


def build_module(folder: Path) -> Path:
    """Compile the DCMI module into `folder`. Raises StandinError with the compiler's words when that fails."""
    module = folder / "dcmi_module.so"
    done = subprocess.run(
        [tool("cc", "gcc"), "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o", str(module), str(MODULE_SOURCE), "-lm"],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise StandinError(f"{MODULE_SOURCE.name} does not compile (headers: apt-get install libopenipmi-dev):\n{done.stderr}")
    return module


def free_udp_port() -> int:
    """A UDP port of the loopback interface that nothing listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Bmc:
    """One simulated BMC that lives in `folder`. `start` and `stop` may alternate; the port and the account stay."""

    def __init__(self, folder: Path, *, guid: str = "6a6f756c656d61726b0000000000b3c1", watts: float = 512.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_udp_port()
        self.guid = guid
        self.user = USER
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        self.set_watts(watts)
        module = build_module(folder)
        text = LAN_CONF.format(module=module, watts=folder / "watts", port=self.port, guid=guid, user=USER, password=PASSWORD)
        (folder / "lan.conf").write_text(text)
        (folder / "sim.emu").write_text(EMULATION)
        self._process: subprocess.Popen[bytes] | None = None

    def set_watts(self, watts: float, *, active: bool = True) -> None:
        """What the next power reading says. The file is replaced whole, so a reading never sees half of it."""
        fresh = self.folder / "watts.new"
        fresh.write_text(f"{watts} {'' if active else 'inactive'}\n")
        fresh.replace(self.folder / "watts")

    def set_inlet(self, celsius: int | str, *, entity: int = 0x40) -> None:
        """What its air inlet is told to be from now on, under `entity`; text that is no number makes it refuse."""
        fresh = self.folder / "inlet.new"
        fresh.write_text(f"{celsius} {entity}\n")
        fresh.replace(self.folder / "watts.inlet")

    def start(self, timeout_s: float = 5.0) -> None:
        """Start it and wait until it listens. Raises StandinError when it ends at once or never listens."""
        argv = [tool("ipmi_sim", "openipmi"), "-c", str(self.folder / "lan.conf"), "-f", str(self.folder / "sim.emu")]
        state = self.folder / "state"
        state.mkdir(exist_ok=True)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*argv, "-s", str(state), "-n"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )
        deadline = time.monotonic() + timeout_s
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StandinError(f"ipmi_sim did not start: {(self.folder / 'log').read_text(errors='replace')}")
            time.sleep(0.01)

    def pause(self) -> None:
        """Hang it: the port stays, nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """Kill it, as pulling its plug would. Safe when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the BMC does not run"
        os.kill(self._process.pid, number)

    def _listens(self) -> bool:
        """Whether a UDP socket is bound to the port, as the kernel lists it."""
        wanted = f"0100007F:{self.port:04X}"
        return any(line.split()[1] == wanted for line in Path("/proc/net/udp").read_text().splitlines()[1:])
