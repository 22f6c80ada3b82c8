"""Where a newcomer stands: an empty folder, or the root of a bare Debian. Nothing of this machine's environment gets in but how pip
reaches its index, and a program finds nothing but what Debian installs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGES: Final = ("python3", "python3-venv", "git", "make", "ca-certificates")
"""What the tutorial asks for, and the authorities by which pip knows its index."""
KEPT: Final = (
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "NO_PROXY",
)
AUTHORITIES: Final = "etc/ssl/certs/ca-certificates.crt"
ENTER: Final = 'mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" "$@"'
"""Into a root whose /proc and /dev are mounted for this shell alone: nobody else sees them, and nothing has to be unmounted."""
SHELL: Final = ("env", "--default-signal=INT", "bash", "-euo", "pipefail", "-c")
"""Ctrl-C ends what it runs, also where we were started in the background, which ignores it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """`command` before every shell; `home`: its folder as the shell sees it, `seen_from_here` as we do."""

    name: str
    command: tuple[str, ...]
    home: str
    seen_from_here: Path
    repository: str
    """What `git clone` is told."""

    def environment(self) -> dict[str, str]:
        """All that the shell inherits."""
        own = {"HOME": self.home, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "TMPDIR": f"{self.home}/tmp"}
        return {**{name: os.environ[name] for name in KEPT if name in os.environ}, **own, "REPOSITORY": self.repository}

    def argv(self, script: str) -> list[str]:
        """The command line that runs `script` there."""
        return [*self.command, *SHELL, script]


def cloned(checkout: Path, into: Path) -> Path:
    """The commits of `checkout` as a bare repository, so that nothing uncommitted can help."""
    subprocess.run(["git", "clone", "--quiet", "--bare", "--no-hardlinks", checkout, into], check=True)
    return into


def folder(checkout: Path, place: Path) -> Ground:
    """An empty home on this machine."""
    home = place / "home"
    (home / "tmp").mkdir(parents=True)
    return Ground("an empty folder", (), str(home), home, str(cloned(checkout, place / "joulemark.git")))


def debian(checkout: Path, place: Path) -> Ground:
    """A bare Debian 12, made by debootstrap; needs root."""
    root = place / "debian"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", root], check=True, stdout=sys.stderr)
    shutil.copyfile("/etc/resolv.conf", root / "etc/resolv.conf")
    if Path("/", AUTHORITIES).exists():
        shutil.copyfile(Path("/", AUTHORITIES), root / AUTHORITIES)
    (root / "root/tmp").mkdir()
    cloned(checkout, root / "srv/joulemark.git")
    return Ground("a bare Debian 12", ("unshare", "--mount", "sh", "-euc", ENTER, str(root)), "/root", root / "root", "/srv/joulemark.git")
