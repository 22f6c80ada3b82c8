"""The units of `deploy/systemd`, judged by systemd itself: `python -m tests.units`, behind `make units`.

`systemd-analyze verify` must have nothing to say, and its exposure must not be above LIMIT. Each unit is judged with the command of this
environment in place of `/opt/joulemark/bin/joulemark`, which need not be installed. The last line holds both scores; exit 0 only when all
is well. `MUTATE=open` takes the filter of system calls and the closed file system out, which must end red.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from joulemark.errors import EnvironmentFailed

LIMIT: Final = 2.5
FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
NAMES: Final = {"agent": "joulemark-agent.service", "collector": "joulemark-collector.service"}
INSTALLED: Final = "/opt/joulemark/bin/joulemark"
OPENED: Final = re.compile(r"^(SystemCallFilter|ProtectSystem|ProtectHome|ProtectKernelModules)=.*\n", re.MULTILINE)
"""What `MUTATE=open` takes out."""
OVERALL: Final = re.compile(r"Overall exposure level for \S+: (\d+(?:\.\d+)?) ")


def analyze(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze ARGS`. Raises EnvironmentFailed where there is none."""
    program = shutil.which("systemd-analyze")
    if program is None:
        raise EnvironmentFailed("systemd-analyze is not installed", "run scripts/debian, or as root: apt-get install systemd")
    env = {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    return subprocess.run([program, *args], capture_output=True, text=True, timeout=60, check=False, env=env)


def placed(folder: Path, *, mutate: str = "") -> dict[str, Path]:
    """Both units in `folder`, with a command that is there."""
    units = {}
    for name, file in NAMES.items():
        text = (FOLDER / file).read_text(encoding="utf-8").replace(INSTALLED, str(Path(sys.executable).with_name("joulemark")))
        units[name] = folder / file
        units[name].write_text(OPENED.sub("", text) if mutate == "open" else text, encoding="utf-8")
    return units


def unclean(unit: Path) -> str:
    """What `verify` has to say against a unit; empty when nothing."""
    done = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    said = (done.stdout + done.stderr).strip()
    return said or ("" if done.returncode == 0 else f"verify ends with {done.returncode}")


def exposure(unit: Path) -> tuple[float, bool]:
    """(score from 0, closed, to 10; whether systemd itself finds it at most LIMIT)."""
    done = analyze("security", "--offline=true", f"--threshold={round(LIMIT * 10)}", unit)
    found = OVERALL.search(done.stdout)
    if found is None:
        raise EnvironmentFailed(f"systemd-analyze security gives {unit.name} no score: {done.stderr.strip()}", "use systemd 250 or later")
    return float(found[1]), done.returncode == 0


def judged(*, mutate: str = "") -> tuple[dict[str, object], bool]:
    """(the last line, whether all is well)."""
    with tempfile.TemporaryDirectory(prefix="units") as folder:
        units = placed(Path(folder), mutate=mutate)
        faults = [fault for unit in units.values() if (fault := unclean(unit))]
        scores = {name: exposure(unit) for name, unit in units.items()}
    line: dict[str, object] = {f"{name}_score": score for name, (score, _) in scores.items()}
    line["verify"] = "clean" if not faults else "; ".join(faults)
    return line, not faults and all(score <= LIMIT and below for score, below in scores.values())


if __name__ == "__main__":
    try:
        told, well = judged(mutate=os.environ.get("MUTATE", ""))
    except EnvironmentFailed as error:
        print(f"{error.what}; {error.next_step}", file=sys.stderr)
        raise SystemExit(5) from None
    print(json.dumps(told))
    raise SystemExit(0 if well else 1)
