"""What is given to others, as far as it is cheap to look at; all of it is built and installed by `make packages`."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from joulemark.cli.installation import AGENT, COLLECTOR
from tests.packages import extras


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=repository, check=True, capture_output=True, timeout=120)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_carries_what_the_commands_write_and_the_shells_look_for(wheel: zipfile.ZipFile, repository: Path) -> None:
    """Units, man page and completions, byte for byte; beside the package nothing else."""
    data = next(name.partition("/")[0] for name in wheel.namelist() if ".data/" in name)
    for service in (AGENT, COLLECTOR):
        for name in service.files:
            assert wheel.read(f"joulemark/systemd/{name}") == (repository / "deploy/systemd" / name).read_bytes()
    for path in (repository / "deploy/share").rglob("*"):
        if path.is_file():
            place = path.relative_to(repository / "deploy").as_posix()
            assert wheel.read(f"{data}/data/{place}") == path.read_bytes()
    assert {name.split("/")[0].partition("-")[0] for name in wheel.namelist()} == {"joulemark"}
    assert "joulemark/py.typed" in wheel.namelist()


def test_an_agent_asks_for_four_libraries(wheel: zipfile.ZipFile) -> None:
    """Whoever adds one has to come here: `make packages` counts what they bring, at most eight distributions of 15 MB."""
    metadata = email.message_from_bytes(wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))))
    wanted = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    assert {one.name for one in wanted if one.marker is None} == {"grpcio", "protobuf", "nvidia-ml-py", "click"}
    assert metadata["Requires-Python"] == ">=3.11"


def test_every_extra_is_called() -> None:
    """`make packages` installs each extra alone and calls what it is for; a new one has its line."""
    assert set(extras.CALLS) == extras.named() | {""}


def test_locks_are_of_what_is_asked_for(repository: Path) -> None:
    """Pyproject.toml is that of the day on which the locks were made; every requirement is met by what is pinned, with a hash."""
    command = [sys.executable, repository / "scripts/locks.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extra = [text for texts in project["optional-dependencies"].values() for text in texts if not text.startswith("joulemark[")]
    pinned = locked(repository / "requirements/all.lock")
    for wanted in map(Requirement, [*project["dependencies"], *extra]):
        name = canonicalize_name(wanted.name)
        if name in pinned:
            assert pinned[name] in wanted.specifier, wanted
    agent = locked(repository / "requirements/agent.lock")
    assert {canonicalize_name(Requirement(text).name) for text in project["dependencies"]} < set(agent)


def locked(path: Path) -> dict[str, str]:
    """Name and version of every line, each of which has a hash."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"([a-z0-9.-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(found), lines
    return {match[1]: match[2] for match in found if match}


def test_scripts_of_the_debian_package_are_shell(repository: Path) -> None:
    """Dash takes them, they stop at the first error, and what touches the machine is left when another tree is unpacked."""
    for name in ("postinst", "prerm", "postrm"):
        path = repository / "deploy/debian" / name
        assert subprocess.run(["sh", "-n", path], check=False).returncode == 0
        assert path.read_text().startswith("#!/bin/sh\nset -e\n")
        assert "DPKG_ROOT" in path.read_text()


def test_the_debian_package_brings_the_units_of_the_agent(repository: Path) -> None:
    """Its builder names every file that `joulemark agent install` writes."""
    text = (repository / "scripts/deb_package.py").read_text()
    assert [name for name in AGENT.files if f'"{name}": ' not in text] == []
