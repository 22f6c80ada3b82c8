"""What makes a service of systemd out of a daemon: its unit, rules for devices, a first configuration. Written, and taken away again.

What was written stands with its hashes in a record beside the configuration, so that exactly that is taken away. A file that somebody
changed since is neither written over nor removed. The files themselves are those of `deploy/systemd`, which a wheel carries.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import joulemark
from joulemark import __version__
from joulemark.errors import EnvironmentFailed, UsageError

SCHEMA: Final = "joulemark.installed/1"
PROGRAM: Final = "/opt/joulemark/bin/joulemark"
"""The command that the units of `deploy/systemd` start."""
HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")
"""Folders that the units see empty, by ProtectHome and PrivateTmp."""
PLAIN: Final = re.compile(r"/[A-Za-z0-9/._+-]+")
"""Paths that stand in a unit as they are: no space, quote or specifier."""
UNITS: Final = "/etc/systemd/system"
FOLDER: Final = "/etc/joulemark"
"""The only folder that goes with the last file in it: the others belong to the system, also those that had to be made."""


@dataclass(frozen=True, slots=True)
class Service:
    """A daemon as systemd knows it. `files`: name in `deploy/systemd` -> place; `states`: folders of its data; places are absolute."""

    name: str
    files: Mapping[str, str]
    config: str
    first_config: str
    states: tuple[str, ...]
    reload: tuple[tuple[str, ...], ...] = ()
    """Commands that make the files besides the unit count."""

    @property
    def record(self) -> str:
        """Place of the list of what was written."""
        return f"{FOLDER}/{self.name}.installed.json"

    @property
    def link(self) -> tuple[str, str]:
        """(place, target) of the link that has the unit started with the machine: what `systemctl enable` makes."""
        return f"{UNITS}/multi-user.target.wants/{self.name}.service", f"{UNITS}/{self.name}.service"


AGENT: Final = Service(
    "joulemark-agent",
    {
        "joulemark-agent.service": f"{UNITS}/joulemark-agent.service",
        "joulemark.sysusers": "/etc/sysusers.d/joulemark.conf",
        "joulemark.tmpfiles": "/etc/tmpfiles.d/joulemark.conf",
        "70-joulemark.rules": "/etc/udev/rules.d/70-joulemark.rules",
    },
    f"{FOLDER}/agent.toml",
    '# Every key: joulemark config default\n[agent]\ncollector = "127.0.0.1:7470"\n',
    ("/var/lib/joulemark-agent", "/var/lib/private/joulemark-agent"),
    (("systemd-sysusers",), ("udevadm", "control", "--reload"), ("systemd-tmpfiles", "--create", "joulemark.conf")),
)
COLLECTOR: Final = Service(
    "joulemark-collector",
    {"joulemark-collector.service": f"{UNITS}/joulemark-collector.service"},
    f"{FOLDER}/collector.toml",
    "# Every key: joulemark config default\n[collector]\n",
    ("/var/lib/joulemark", "/var/lib/private/joulemark"),
)


@dataclass(slots=True)
class Done:
    """What was done, or would be: absolute places, seen from `root`."""

    wrote: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


def sources() -> Path:
    """The folder `deploy/systemd`: inside the package where that was installed from a wheel, else that of the checkout."""
    package = Path(joulemark.__file__).parent
    carried = package / "systemd"
    return carried if carried.is_dir() else package.parents[1] / "deploy" / "systemd"


def checked_program(program: Path) -> str:
    """`program` as a unit may name it. Raises UsageError for one that the service would not see."""
    text = str(program)
    if not PLAIN.fullmatch(text):
        raise UsageError(f"a unit cannot name the program {text!r}", f"install Joulemark below a plain absolute path, as {PROGRAM}")
    seen = [program, *([] if (runs := interpreter(program)) is None else [runs])]
    if unseen := [str(path) for path in seen if any(path.is_relative_to(folder) for folder in HIDDEN)]:
        what = f"the units do not see {unseen[0]}: homes and temporary folders are hidden from them"
        raise UsageError(what, "install it in /opt by a Python of the system: /usr/bin/python3 -m venv /opt/joulemark")
    return text


def interpreter(program: Path) -> Path | None:
    """What runs a script that is here, as its first line says, with links followed."""
    try:
        with program.open("rb") as file:
            first = file.readline(4096)
    except OSError:
        return None
    return Path(os.fsdecode(first[2:].split()[0])).resolve() if first[:2] == b"#!" and first[2:].split() else None


@dataclass(frozen=True, slots=True)
class Tree:
    """A machine's files below `root`; with `dry` nothing changes. Raises EnvironmentFailed where a link leads out of `root`."""

    root: Path
    dry: bool = False

    def at(self, place: str) -> Path:
        """Where an absolute place of the machine lies."""
        path = self.root / place.lstrip("/")
        if not path.parent.resolve().is_relative_to(self.root.resolve()):
            raise EnvironmentFailed(f"{path.parent} leads out of {self.root}", "make it a folder, or a relative link")
        return path

    def sha256(self, place: str) -> str | None:
        """Hash of what lies there, None where nothing does."""
        path = self.at(place)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    def write(self, place: str, text: str) -> None:
        """Write a file that everybody may read, in one step, and the folders that it needs."""
        path = self.at(place)
        if not self.dry:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o644)
            fresh.replace(path)

    def link(self, place: str, target: str) -> None:
        """Make the link; as `write`."""
        path = self.at(place)
        if not self.dry and not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            path.symlink_to(target)

    def remove(self, place: str) -> bool:
        """Remove a file, a link, or a folder with all in it; whether one was there."""
        path = self.at(place)
        if not path.is_symlink() and not path.exists():
            return False
        if not self.dry:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        return True

    def remove_empty(self, place: str) -> bool:
        """Remove a folder when nothing lies in it."""
        path = self.at(place)
        if path.is_symlink() or not path.is_dir() or any(path.iterdir()):
            return False
        path.rmdir()
        return True


def recorded(tree: Tree, service: Service) -> dict[str, Any]:
    """What an earlier installation wrote: `files` (place -> hash) and `program`. Raises EnvironmentFailed for a damaged record."""
    path = tree.at(service.record)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {"files": dict(data["files"]), "program": data["program"]}
    except FileNotFoundError:
        return {"files": {}, "program": ""}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentFailed(f"{path} cannot be used: {error}", "remove it, and what it should name, by hand") from error


def install(service: Service, tree: Tree, program: str) -> Done:
    """Write what the service needs and have it started with the machine. Raises EnvironmentFailed for a file that somebody changed."""
    before, done = recorded(tree, service), Done()
    texts = {place: (sources() / name).read_text(encoding="utf-8").replace(PROGRAM, program) for name, place in service.files.items()}
    for place, text in texts.items():
        found, meant = tree.sha256(place), hashlib.sha256(text.encode()).hexdigest()
        if found not in (None, meant, before["files"].get(place)):
            what = f"{tree.at(place)} was not written by this command, or was changed since"
            raise EnvironmentFailed(what, f"keep own settings with: systemctl edit {service.name}; then move that file away")
    for place, text in texts.items():
        tree.write(place, text)
        done.wrote.append(place)
    if tree.sha256(service.config) is None:
        tree.write(service.config, service.first_config)
        done.wrote.append(service.config)
    else:
        done.kept.append(service.config)
    place, target = service.link
    tree.link(place, target)
    done.wrote.append(place)
    files = {place: hashlib.sha256(text.encode()).hexdigest() for place, text in texts.items()}
    gone = {place: sha256 for place, sha256 in before["files"].items() if place not in files}
    data = {
        "schema": SCHEMA,
        "version": __version__,
        "program": program,
        "files": {**gone, **files},
    }
    tree.write(service.record, json.dumps(data, indent=1) + "\n")
    done.wrote.append(service.record)
    return done


def uninstall(service: Service, tree: Tree, *, purge: bool) -> Done:
    """Take away what was written; a file that somebody changed stays. With `purge` also the configuration and all data."""
    before, done = recorded(tree, service), Done()
    if tree.remove(service.link[0]):
        done.removed.append(service.link[0])
    for place, sha256 in before["files"].items():
        found = tree.sha256(place)
        if found == sha256 and tree.remove(place):
            done.removed.append(place)
        elif found is not None:
            done.kept.append(place)
    for place in (service.config, *service.states):
        if not purge and (tree.at(place).exists() or tree.at(place).is_symlink()):
            done.kept.append(place)
        elif purge and tree.remove(place):
            done.removed.append(place)
    if tree.remove(service.record):
        done.removed.append(service.record)
    if not tree.dry and tree.remove_empty(FOLDER):
        done.removed.append(FOLDER)
    return done
