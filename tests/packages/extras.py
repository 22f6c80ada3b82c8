"""Each extra installed alone, and what it is for called: a module that needs something the extra does not name is found out here."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from tests.conftest import ROOT

DRIVER: Final = "from joulemark.meters import registry; registry.driver({kind!r})"
CALLS: Final = {
    "": ["joulemark meters list --json", "joulemark doctor --help", "joulemark collector install --root tree", "joulemark config default"],
    "compute": [
        "joulemark compute --help",
        "joulemark explain SMP-3",
        "python -c 'import joulemark.standard.validator'",
    ],
    "collector": ["python -c 'import joulemark.collector.ingest, joulemark.collector.rest, joulemark.collector.refresh'"],
    "clickhouse": ["python -c 'import joulemark.collector.store.clickhouse.shard'"],
    "ipmi": [DRIVER.format(kind="ipmi")],
    "redfish": [DRIVER.format(kind="redfish")],
    "http": [DRIVER.format(kind="shelly"), DRIVER.format(kind="prometheus"), DRIVER.format(kind="serving")],
    "snmp": [DRIVER.format(kind="snmp")],
    "modbus": [DRIVER.format(kind="modbus")],
    "visa": [DRIVER.format(kind="scpi")],
    "mqtt": [DRIVER.format(kind="tasmota")],
    "amd": [DRIVER.format(kind="amd")],
    "meters": [DRIVER.format(kind=kind) for kind in ("ipmi", "redfish", "snmp", "modbus", "scpi", "tasmota", "shelly", "amd")],
    "tls": ["joulemark pki init authority"],
    "pricing-aws": ["python -c 'import boto3, joulemark.pricing.sources.aws_spot'"],
    "notebook": ["python -c 'import joulemark.notebook, pandas; from joulemark import cards'"],
    "all": ["joulemark board --help", "python -c 'import joulemark.collector.rest'", DRIVER.format(kind="ipmi")],
}
"""What each extra is for, by shell; a line of Python is run by Python. The empty name is the agent."""


def named() -> set[str]:
    """Every extra of pyproject.toml."""
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def faults(wheel: Path, extra: str, folder: Path) -> list[str]:
    """What does not work in a clean environment below `folder` with the wheel and that extra alone."""
    environment = folder / f"with-{extra or 'nothing'}"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    asked = f"{wheel}[{extra}]" if extra else str(wheel)
    pip = [environment / "bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install", asked]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"{extra}: pip: {done.stderr.strip().splitlines()[-1]}"]
    env = {"PATH": f"{environment / 'bin'}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    found = []
    for call in CALLS[extra]:
        command = ["sh", "-c", call] if call.startswith(("joulemark", "python")) else ["python", "-c", call]
        ran = subprocess.run(command, cwd=environment, env=env, capture_output=True, text=True, timeout=120, check=False)
        if ran.returncode:
            found.append(f"{extra or 'agent'}: {call}: {(ran.stderr.strip() or 'no word').splitlines()[-1]}")
    return found
