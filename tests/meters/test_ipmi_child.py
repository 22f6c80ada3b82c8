"""The process that talks to one BMC, run by hand: what it reads and writes line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.standins.ipmi_standin import PASSWORD, Bmc


@pytest.fixture
def bmc(tmp_path: Path) -> Iterator[Bmc]:
    standin = Bmc(tmp_path / "bmc", watts=777)
    standin.start()
    yield standin
    standin.stop()


def talk(*requests: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    """Exit status and answers of a child that is sent `requests`, then the end of its input."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "joulemark.meters.ipmi_child"], input=lines, capture_output=True, text=True, timeout=30
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def login(bmc: Bmc, password: str = PASSWORD) -> dict[str, Any]:
    return {"bmc": "127.0.0.1", "port": bmc.port, "userid": bmc.user, "password": password}


def test_one_answer_for_each_line(bmc: Bmc) -> None:
    """It says that it has started, takes the login, answers each request with the BMC's bytes, and ends well with its input."""
    power = {"netfn": 0x2C, "command": 2, "data": [0xDC, 1, 0, 0]}
    status, answers = talk(login(bmc), power, power)
    assert status == 0
    assert answers[:2] == [{"started": True}, {"data": ""}]
    assert [int.from_bytes(bytes.fromhex(a["data"])[1:3], "little") for a in answers[2:]] == [777, 777]


def test_refused_command_is_not_fatal(bmc: Bmc) -> None:
    """A completion code is an error after which the session goes on."""
    status, answers = talk(login(bmc), {"netfn": 0x2C, "command": 0x55, "data": [0xDC]}, {"netfn": 6, "command": 1, "data": []})
    assert status == 0
    assert answers[2]["fatal"] is False
    assert answers[2]["error"]
    assert answers[3]["data"]


def test_wrong_password_is_fatal(bmc: Bmc) -> None:
    """A refused login is one fatal error, and the end."""
    status, answers = talk(login(bmc, "wrong"))
    assert status == 1
    assert answers[-1] == {"error": "Incorrect password provided", "fatal": True}


def test_no_request_at_all() -> None:
    """Without a login it ends well, having said that it had started."""
    assert talk() == (0, [{"started": True}])
