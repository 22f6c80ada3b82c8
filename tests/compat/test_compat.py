"""What older versions wrote is understood, without starting them; real processes of both: `make compat`. Old stores: test_golden.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from joulemark.proto import convert
from joulemark.proto.messages import PROTOCOL_VERSION, ClockProbe, Hello
from tests.collector.golden import FOLDER
from tests.compat.recorded import recorded, understood
from tests.compat.trees import PREVIOUS, previous
from tests.conftest import ROOT

WIRES = sorted(FOLDER.glob("wire-*.json"))


def known(then: Any, now: Any) -> bool:
    """Whether `now` says all that `then` said: keys may be added, values stay."""
    if isinstance(then, dict):
        return all(key in now and known(value, now[key]) for key, value in then.items())
    return bool(then == now)


@pytest.mark.parametrize("wire", WIRES, ids=lambda path: path.stem)
def test_recorded_bytes_mean_what_they_meant(wire: Path) -> None:
    """Greeting, probe and batches of an older agent, to the last value; a batch keeps its bytes, so its hash is that of then."""
    then = json.loads(wire.read_text())
    assert then["protocol_version"] == PROTOCOL_VERSION
    hello = convert.parse_request(bytes.fromhex(then["hello"]))
    assert isinstance(hello, Hello)
    assert (hello.agent_id, hello.epoch_ns, hello.boot_id, hello.instance_id) == ("host", 17, "boot", "00112233")
    assert convert.parse_request(bytes.fromhex(then["probe"])) == ClockProbe(3, 5)
    for body, meant in zip(then["bodies"], then["understood"], strict=True):
        assert known(meant, json.loads(json.dumps(understood(bytes.fromhex(body)))))


def test_what_is_recorded_now_is_understood() -> None:
    """The recorder's own file passes the test that later versions will hold it against."""
    now = json.loads(json.dumps(recorded()))
    assert known(now["understood"], [json.loads(json.dumps(understood(bytes.fromhex(body)))) for body in now["bodies"]])
    assert not known({"a": 1}, {"a": 2})
    assert not known({"a": 1}, {})


def test_the_previous_version_has_its_recorded_bytes(tmp_path: Path) -> None:
    """The commit of the matrix is named in one place, is one of this history where that is whole, and its wire is in the suite."""
    assert re.fullmatch(r"[0-9a-f]{7,40}|v\d+\.\d+\.\d+", PREVIOUS["commit"])
    assert FOLDER / f"wire-{PREVIOUS['commit']}.json" in WIRES
    if (ROOT / ".git").exists() and not (ROOT / ".git" / "shallow").exists():
        assert (previous(tmp_path).source / "joulemark" / "__init__.py").exists()
