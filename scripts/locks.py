"""The locks: each distribution of an installation with its version and the hash of its file, as `pip install --require-hashes` wants it.
The first line holds the hash of what pyproject.toml asked for.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
LOCKS = {"agent.lock": "", "collector.lock": "collector", "all.lock": "all"}
"""Name of the lock -> extra that it is of."""
PLATFORM = ["--python-version", "3.11", "--implementation", "cp", "--only-binary", ":all:"]
TAGS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def asked() -> str:
    """Hash of what pyproject.toml asks pip for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tables = [project["requires-python"], project["dependencies"], project["optional-dependencies"]]
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()


def requirements(extra: str, seen: frozenset[str] = frozenset()) -> list[str]:
    """What an installation with `extra` asks for, our own extras followed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = list(project["dependencies"]) if not seen else []
    for wanted in project["optional-dependencies"].get(extra, []):
        if wanted.startswith("joulemark["):
            for other in wanted[len("joulemark[") : -1].split(","):
                found += requirements(other, seen | {extra}) if other not in seen else []
        else:
            found.append(wanted)
    return found


def lock(extra: str) -> str:
    """The text of a lock, as pip resolves today."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        tags = [word for tag in TAGS for word in ("--platform", tag)]
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--dry-run", "--ignore-installed"]
        subprocess.run([*command, "--target", "/nowhere", "--report", report.name, *PLATFORM, *tags, *requirements(extra)], check=True)
        data = json.loads(Path(report.name).read_text(encoding="utf-8"))
    pinned = sorted(pin(one) for one in data["install"])
    return "\n".join([f"# asked {asked()}", "# CPython 3.11, x86-64 Linux; made by scripts/lock", *pinned]) + "\n"


def pin(installed: dict[str, Any]) -> str:
    """The line of one distribution in pip's report."""
    name, version = installed["metadata"]["name"].lower().replace("_", "-"), installed["metadata"]["version"]
    return f"{name}=={version} --hash=sha256:{installed['download_info']['archive_info']['hashes']['sha256']}"


def stale() -> list[str]:
    """Locks of what is not asked for any more."""
    first = f"# asked {asked()}\n"
    return [name for name in LOCKS if not (FOLDER / name).exists() or not (FOLDER / name).read_text(encoding="utf-8").startswith(first)]


def main(words: list[str]) -> int:
    if words == ["--check"]:
        if wrong := stale():
            print(f"requirements is out of date ({', '.join(wrong)}): run scripts/lock", file=sys.stderr)
        return 1 if wrong else 0
    FOLDER.mkdir(exist_ok=True)
    for name, extra in LOCKS.items():
        (FOLDER / name).write_text(lock(extra), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
