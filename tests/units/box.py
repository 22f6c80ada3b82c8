"""A machine that nobody keeps, run by systemd: namespaces and an overlay over this machine's files. Needs root."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed
from tests.conftest import ROOT
from tests.waiting import eventually

NAMESPACES: Final = ("--mount", "--pid", "--fork", "--cgroup", "--uts", "--ipc", "--net")
PROGRAM: Final = "/opt/joulemark/bin/joulemark"


class Box:
    """systemd as the first process of namespaces; leaving the block ends all of it. Raises EnvironmentFailed where that is not allowed."""

    def __init__(self) -> None:
        if os.geteuid() != 0 or not shutil.which("unshare") or not Path("/lib/systemd/systemd").exists():
            raise EnvironmentFailed(
                "only root can boot systemd in namespaces", "run it as root, where systemd and util-linux are installed"
            )
        self._folder = tempfile.mkdtemp(prefix="box")
        self._console, theirs = pty.openpty()
        self._said = b""
        place = [self._folder, os.ttyname(theirs), str(ROOT), sys.base_prefix, sysconfig.get_path("purelib")]
        command = ["unshare", *NAMESPACES, "bash", str(Path(__file__).with_name("box.sh")), *place]
        self._outer = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL)
        os.close(theirs)
        threading.Thread(target=self._listen, daemon=True).start()
        self._first = ""

    def __enter__(self) -> Box:
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children")
        try:
            eventually(lambda: self._outer.poll() is not None or children.read_text().strip(), "the first process is there", within_s=10)
            if self._outer.poll() is None:
                self._first = children.read_text().split()[0]
                eventually(lambda: self._outer.poll() is not None or self._boots(), "systemd runs")
        except (AssertionError, OSError, IndexError):
            self._outer.kill()
            self._outer.wait()
        if self._outer.poll() is not None:
            self.__exit__()
            raise EnvironmentFailed(f"systemd does not boot in namespaces here: {self.said()[-500:]}", "try it on another machine")
        return self

    def _boots(self) -> bool:
        return self.run("systemctl", "is-active", "box.target")[0] == 0

    def __exit__(self, *exc_info: object) -> None:
        if self._first and self._outer.poll() is None:
            os.kill(int(self._first), 9)
        self._outer.kill()
        self._outer.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *command: str, within_s: float = 120) -> tuple[int, str]:
        """(status, what it said) of a command in there."""
        inside = ["nsenter", "-t", self._first, "-m", "-p", "-u", "-i", "-n", "-r", "-w", *command]
        done = subprocess.run(
            inside,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
        return done.returncode, done.stdout.strip()

    def copy(self, path: Path, place: str) -> None:
        """Bring a file in."""
        inside = ["nsenter", "-t", self._first, "-m", "-r", "-w", "sh", "-c", 'cat >"$1"', "sh", place]
        with path.open("rb") as file:
            subprocess.run(inside, stdin=file, check=True, timeout=60)

    def shows(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit)[1]

    def said(self) -> str:
        """The console so far: systemd's own lines and those of services."""
        return self._said.decode(errors="replace")

    def _listen(self) -> None:
        while True:
            try:
                self._said += os.read(self._console, 65_536)
            except OSError:
                return
