"""What is given to others, built and installed as they would: `python -m tests.packages`, behind `make packages`.

Wheel and source distribution; what an agent brings onto a host, counted and weighed; the Debian package, judged by lintian, installed and
purged by dpkg, and where systemd can be booted (as root) started by it; each extra installed alone in a clean environment and called.
`ONLY=deb` or `ONLY=extras` does one part. The last line holds the figures; exit 0 only when all is well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed
from tests.conftest import ROOT
from tests.packages import extras

MOST_DISTRIBUTIONS: Final = 8
MOST_MB: Final = 15.0
MB: Final = 1e6
OUT: Final = ROOT / "build" / "packages"


def built(folder: Path) -> tuple[Path, list[str]]:
    """(the wheel, what is wrong): both distributions, and whether the source one makes the same wheel."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True, stdout=sys.stderr)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    again = folder / "again"
    with tarfile.open(source) as archive:
        archive.extractall(again, filter="data")
    (unpacked,) = again.iterdir()
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", again], cwd=unpacked, check=True, stdout=sys.stderr)
    same = listed(wheel) == listed(next(again.glob("*.whl")))
    shutil.rmtree(again)
    print(
        f"{wheel.name}: {len(listed(wheel))} files, {wheel.stat().st_size / MB:.1f} MB; {source.name}: {source.stat().st_size / MB:.1f} MB"
    )
    return wheel, [] if same else ["the source distribution makes another wheel"]


def listed(wheel: Path) -> dict[str, int]:
    """Name and checksum of every file in a wheel, but for the list of them."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: info.CRC for info in archive.infolist() if not info.filename.endswith("RECORD")}


def agent_wheels(wheel: Path, folder: Path) -> tuple[int, float]:
    """(how many distributions an agent is, megabytes of their wheels)."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--wheel-dir", folder, wheel]
    subprocess.run(pip, check=True)
    found = sorted(folder.glob("*.whl"))
    for path in found:
        print(f"agent: {path.name} {path.stat().st_size / MB:.2f} MB")
    return len(found), sum(path.stat().st_size for path in found) / MB


def debian(wheel: Path, folder: Path) -> tuple[Path, list[str]]:
    """(the Debian package, what is wrong with it)."""
    done = subprocess.run([sys.executable, ROOT / "scripts/deb_package.py", wheel, folder], check=True, stdout=subprocess.PIPE, text=True)
    package = Path(done.stdout.strip())
    faults = [f"deb: {line}" for line in linted(package)]
    tree, admin = folder / "root", folder / "root/var/lib/dpkg"
    (admin / "info").mkdir(parents=True)
    (admin / "updates").mkdir()
    (admin / "status").touch()
    dpkg = ["dpkg", f"--instdir={tree}", f"--admindir={admin}", "--log=/dev/null"]
    dpkg += ["--force-depends", "--force-script-chrootless", "--force-not-root"]
    if os.geteuid() != 0:
        dpkg.insert(0, "fakeroot")
    before = files(tree)
    subprocess.run([*dpkg, "--install", package], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    there = files(tree) - before
    print(f"deb: {len(there)} files below {', '.join(sorted({name.split('/')[0] for name in there}))}")
    (tree / "var/lib/joulemark-agent").mkdir(parents=True)
    (tree / "etc/joulemark/agent.toml").write_text("[agent]\n")
    subprocess.run([*dpkg, "--remove", "joulemark-agent"], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    if not (tree / "etc/joulemark/agent.toml").exists() or (tree / "usr/bin/joulemark").exists():
        faults.append("deb: remove does not leave the configuration alone")
    subprocess.run([*dpkg, "--purge", "joulemark-agent"], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)
    if left := files(tree) - before:
        faults.append(f"deb: purge leaves {sorted(left)}")
    shutil.rmtree(tree)
    return package, faults


def files(tree: Path) -> set[str]:
    """Everything but dpkg's own, and folders that have something in them."""
    found = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if not path.is_dir() or not any(path.iterdir())}
    return {name for name in found if not name.startswith("var/lib/dpkg")}


def linted(package: Path) -> list[str]:
    """Errors by lintian, where it is installed."""
    if shutil.which("lintian") is None:
        print("deb: lintian is not installed")
        return []
    done = subprocess.run(["lintian", "--allow-root", package], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    print(
        f"deb: lintian has {sum(line.startswith('E:') for line in lines)} errors, {sum(line.startswith('W:') for line in lines)} warnings"
    )
    return [line for line in lines if line.startswith("E:")]


def started(package: Path) -> list[str]:
    """What is wrong when dpkg installs the package on a machine that systemd runs."""
    from tests.units.box import Box
    from tests.units.live import METER, written

    try:
        with Box() as box:
            box.copy(package, "/run/agent.deb")
            status, said = box.run("dpkg", "--install", "/run/agent.deb")
            if status:
                return [f"deb: {said[-300:]}"]
            written(box, "/etc/joulemark/agent.toml", METER)
            status, said = box.run("systemctl", "restart", "joulemark-agent")
            state = [box.shows("joulemark-agent", name) for name in ("ActiveState", "StatusText", "UnitFileState")]
            print(f"deb: installed by dpkg under systemd: {', '.join(state)}")
            box.run("dpkg", "--purge", "joulemark-agent")
            left = box.run("sh", "-c", "ls -d /usr/lib/joulemark /etc/joulemark /var/lib/private/joulemark-agent 2>/dev/null")[1]
            good = state[0] == "active" and state[2] == "enabled" and not left
            return [] if good else [f"deb: {state} {said} {left}"]
    except EnvironmentFailed as error:
        print(f"deb: not started: {error.what}")
        return []


def main(only: str) -> int:
    """Build and install everything that `only` asks for, and print the figures."""
    shutil.rmtree(OUT, ignore_errors=True)
    for name in ("agent", "extras"):
        (OUT / name).mkdir(parents=True)
    wheel, faults = built(OUT)
    count, size_mb = agent_wheels(wheel, OUT / "agent")
    if count > MOST_DISTRIBUTIONS or size_mb > MOST_MB:
        faults.append(f"an agent is {count} distributions of {size_mb:.1f} MB, above {MOST_DISTRIBUTIONS} or {MOST_MB:g} MB")
    line: dict[str, object] = {"agent_distributions": count, "agent_wheels_mb": round(size_mb, 2), "extras": None, "deb_mb": None}
    if only in ("", "deb"):
        package, wrong = debian(wheel, OUT)
        faults += wrong + started(package)
        line["deb_mb"] = round(package.stat().st_size / MB, 2)
    if only in ("", "extras"):
        for extra in ("", *sorted(extras.named())):
            wrong = extras.faults(wheel, extra, OUT / "extras")
            print(f"extra {extra or '(none)'}: {wrong or 'works'}")
            shutil.rmtree(OUT / "extras" / f"with-{extra or 'nothing'}", ignore_errors=True)
            faults += wrong
        line["extras"] = len(extras.named())
    for fault in faults:
        print(f"FAULT {fault}")
    print(json.dumps(line))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main(os.environ.get("ONLY", "")))
