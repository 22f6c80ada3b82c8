"""A rack PDU on loopback: the SNMP simulator snmpsim in its own environment, its values set from here.

Why its variation module `live`: the modules that come with it move values by a formula of the time, not by what a test sets.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.standins.ipmi_standin import StandinError, free_udp_port

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".venv-snmpsim" / "bin" / "snmpsim-command-responder"
MODULES = Path(__file__).parent / "snmp"
COMMUNITY = "rack-reader"
USER, AUTH_KEY, PRIVACY_KEY = "joulemark", "authpass12", "privpass12"
SIGNER = "joulemark-signer"
"""A second user: SHA256 and no privacy."""
ENGINE_ID, OTHER_ENGINE_ID = "80004fb805636c6f75644dab22cc", "80004fb805636c6f75644dab22dd"


def records(lines: Mapping[str, str]) -> str:
    """A data file: objects with `tag|value`, in the order of their numbers, as the simulator wants them."""
    ordered = sorted(lines, key=lambda oid: [int(part) for part in oid.split(".")])
    return "".join(f"{oid}|{lines[oid]}\n" for oid in ordered)


class Pdu:
    """A simulated SNMP agent that lives in `folder` and serves `data`. `start` and `stop` may alternate; port and accounts stay.

    It answers v2c with `COMMUNITY`, and v3 with the user and no context name. `others`: what it serves to other communities.
    """

    def __init__(self, folder: Path, data: str, *, others: Mapping[str, str] | None = None) -> None:
        subprocess.run([ROOT / "scripts" / "snmpsim"], check=True)
        self.folder = folder
        self.port = free_udp_port()
        self.engine_id = ENGINE_ID
        (folder / "data").mkdir(parents=True)
        for name, served in {COMMUNITY: data, "self": data, **(others or {})}.items():
            (folder / "data" / f"{name}.snmprec").write_text(served)
        self.auth_file = self._secret("auth", AUTH_KEY)
        self.priv_file = self._secret("priv", PRIVACY_KEY)
        self._values: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.set()

    def set(self, **values: Any) -> None:
        """What the `live` objects say from now on: see `tests/standins/snmp/live.py`. The file is replaced whole."""
        self._values |= values
        fresh = self.folder / "live.new"
        fresh.write_text(json.dumps(self._values))
        fresh.replace(self.folder / "live.json")

    def set_load(self, name: str, watts: float) -> None:
        """Power `name`_w of a load, and its counter `name`_j, which goes on from what it has counted at the power until now."""
        now_s = time.monotonic()
        old = self._values.get(f"{name}_j", {"watts": 0.0, "joules": 0.0, "since": now_s})
        joules = old["joules"] + old["watts"] * (now_s - old["since"])
        self.set(**{f"{name}_w": watts, f"{name}_j": {"watts": watts, "joules": joules, "since": now_s}})

    def start(self, timeout_s: float = 30.0) -> None:
        """Start it and wait until it listens. Raises StandinError when it ends at once or never listens."""
        argv = [str(PROGRAM), "--logging-method", f"file:{self.folder / 'log'}", "--log-level", "error"]
        argv += ["--variation-modules-dir", str(MODULES), "--cache-dir", str(self.folder / "cache")]
        if os.getuid() == 0:
            argv += ["--process-user", "root", "--process-group", "root"]
        argv += ["--v3-engine-id", self.engine_id, "--v3-user", USER, "--v3-auth-key", AUTH_KEY, "--v3-auth-proto", "SHA"]
        argv += ["--v3-priv-key", PRIVACY_KEY, "--v3-priv-proto", "AES"]
        argv += ["--v3-user", SIGNER, "--v3-auth-key", AUTH_KEY, "--v3-auth-proto", "SHA256"]
        argv += ["--data-dir", str(self.folder / "data"), "--agent-udpv4-endpoint", f"127.0.0.1:{self.port}"]
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder, process_group=0)
        deadline_s = time.monotonic() + timeout_s
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise StandinError(f"snmpsim did not start: {(self.folder / 'output').read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Kill it, as pulling its plug would. Safe when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Hang it: the port stays, nothing answers."""
        assert self._process is not None, "the PDU does not run"
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused one go on."""
        assert self._process is not None, "the PDU does not run"
        os.kill(self._process.pid, signal.SIGCONT)

    def v2c(self, community: str = COMMUNITY, **others: Any) -> dict[str, Any]:
        """Options of a meter that reads by v2c what `community` is served."""
        return {"host": "127.0.0.1", "port": self.port, "community_file": str(self._secret(community, community)), **others}

    def v3(self, **others: Any) -> dict[str, Any]:
        """Options of a meter that reads it by v3."""
        account = {"user": USER, "auth": "SHA", "auth_file": str(self.auth_file), "priv_file": str(self.priv_file)}
        return {"host": "127.0.0.1", "port": self.port, **account, **others}

    def _secret(self, name: str, value: str) -> Path:
        path = self.folder / name
        path.write_text(value + "\n")
        path.chmod(0o600)
        return path

    def _listens(self) -> bool:
        """Whether a UDP socket is bound to the port, as the kernel lists it."""
        wanted = f"0100007F:{self.port:04X}"
        return any(line.split()[1] == wanted for line in Path("/proc/net/udp").read_text().splitlines()[1:])
