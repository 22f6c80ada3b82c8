"""The how-to on certificates, followed to the letter: its commands and its files, on one machine."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line

pytestmark = pytest.mark.slow

OWN = {"agent": "collector", "collector": "port"}
"""What a side's doctor looks at besides its certificates: the way to the collector, the ports of the collector."""

PAGE = Path("docs/how-to/secure-the-wire.md")


@pytest.fixture
def page(repository: Path, tmp_path: Path) -> str:
    """The page with this test's folder and ports, and loopback for the collector's address."""
    text = (repository / PAGE).read_text(encoding="utf-8")
    for written, here in (("192.0.2.10", "127.0.0.1"), ("/etc/joulemark", f"{tmp_path}/etc")):
        text = text.replace(written, here)
    for port in ("7470", "7471"):
        text = text.replace(f":{port}", f":{free_port()}")
    return text


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, without the indentation of a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    """What was started; stopped at the end."""
    started: list[Daemon] = []
    yield started
    for daemon in started:
        daemon.stop()


def wait_for(text: str, log: Path) -> None:
    """Until a log says so."""
    give_up = time.monotonic() + 60
    while not log.exists() or text not in log.read_text():
        assert time.monotonic() < give_up, log.read_text() if log.exists() else f"no {log}"
        time.sleep(0.1)


def doctor(folder: Path, side: str) -> dict[str, dict[str, str]]:
    """What `joulemark doctor` finds on a machine, by name."""
    command = command_line("doctor", "--config", f"{side}.toml", "--json")
    env = {**os.environ, "STATE_DIRECTORY": str(folder / side)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)
    return {finding["name"]: finding for finding in json.loads(done.stdout)}


def test_the_page_works_as_it_is_written(page: str, tmp_path: Path, daemons: list[Daemon]) -> None:
    """Its commands make the files, its tables are taken, the agent connects; renewing and revoking do what the page says."""
    commands = [shlex.split(line)[1:] for block in blocks(page, "sh") for line in block.splitlines()]
    assert [command[:2] for command in commands] == [
        ["pki", "init"],
        ["pki", "issue"],
        ["pki", "issue"],
        ["collector", "run"],
        ["agent", "run"],
        ["pki", "renew"],
        ["pki", "revoke"],
    ]
    etc = tmp_path / "etc"

    def call(command: list[str]) -> None:
        subprocess.run(command_line(*command), cwd=tmp_path, check=True, capture_output=True, timeout=60)
        etc.mkdir(exist_ok=True)
        for file in (tmp_path / "pki").glob("*.*"):
            subprocess.run(["install", "-m", "600", file, etc], check=True, timeout=60)

    def start(command: list[str]) -> Daemon:
        log = tmp_path / f"{command[0]}.log"
        env = {"STATE_DIRECTORY": str(tmp_path / command[0])}
        daemons.append(Daemon(["env", "-C", str(tmp_path), *command_line(*command)], log, env))
        daemons[-1].start()
        return daemons[-1]

    for command in commands[:3]:
        call(command)
    (tmp_path / "agent").mkdir()
    tables = blocks(page, "toml")
    (tmp_path / "collector.toml").write_text(tables[0])
    (tmp_path / "agent.toml").write_text(tables[1] + '[[meter]]\nkind = "fake"\n')
    collector, agent = start(commands[3]), start(commands[4])
    wait_for("agent node-7 connected", collector.log)
    for side in ("agent", "collector"):
        found = doctor(tmp_path, side)
        mine = [finding for name, finding in found.items() if name.startswith(("certificate", "revoked", OWN[side]))]
        assert [finding["status"] for finding in mine] == ["ok"] * len(mine), mine
        assert {"certificates", "certificate ca_file", "certificate cert_file"} < set(found)
    call(commands[5])
    wait_for("the files of [tls] changed", agent.log)
    call(commands[6])
    wait_for("was revoked", agent.log)
