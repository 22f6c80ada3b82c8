from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.meters_live.__main__ import execute
from tests.meters_live.checker import told_j, trapezoid_j
from tests.meters_live.places import PLACES, server_w

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

S = 10**9
SECONDS = 30.0


def verdict(work: Path) -> tuple[int, dict[str, Any], str]:
    """Status, figures and complaints of the checker."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.meters_live.checker", str(work)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of all kinds, as it left its files."""
    folder = tmp_path_factory.mktemp("live")
    execute(folder, 5, SECONDS, "")
    return folder


def test_every_kind_is_read_at_once_and_comes_out_as_told(work: Path) -> None:
    """Half a minute of fourteen kinds, a hung BMC and a PDU that reboots among them: the separate checker finds nothing wrong."""
    status, figures, complaints = verdict(work)
    assert (status, complaints) == (0, "")
    assert figures["kinds"] == len(PLACES)
    assert figures["closure"] == "ok"
    assert 0.0 <= figures["hung_bmc_recovered_s"] < 15.0
    assert 0.0 < figures["coverage"] <= 1.0


def silent(left: dict[str, Any]) -> None:
    left["readings"] = [one for one in left["readings"] if not one["meter_id"].startswith("shelly:")]


def inflated(left: dict[str, Any]) -> None:
    left["told"]["redfish"] = [[t, watts * 0.88] for t, watts in left["told"]["redfish"]]


def unreasoned(left: dict[str, Any]) -> None:
    for one in left["readings"]:
        one["reasons"] = {}


def unbroken(left: dict[str, Any]) -> None:
    for one in left["card"]["closure"]:
        one["inner_j"], one["holds"] = one["outer_j"] * 1.5, True


def not_compared(left: dict[str, Any]) -> None:
    left["card"]["closure"] = left["card"]["closure"][:1]


@pytest.mark.parametrize("spoil", [silent, inflated, unreasoned, unbroken, not_compared])
def test_the_checker_sees_what_is_spoilt(work: Path, tmp_path: Path, spoil: Callable[[dict[str, Any]], None]) -> None:
    """No readings of a kind, energy that nobody told, gaps without reasons, levels that do not close or are not compared: each is red."""
    left = {path.stem: json.loads(path.read_text()) for path in work.glob("*.json")}
    spoil(left)
    for name, value in left.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    status, _, complaints = verdict(tmp_path)
    assert status == 1
    assert complaints
    shutil.rmtree(tmp_path)


def test_the_arithmetic_of_the_checker() -> None:
    """A step of 100 W to 300 W after 2 s gives 800 J in 4 s, and a line from 0 to 400 W in 4 s too."""
    assert told_j([[0, 100.0], [2 * S, 300.0]], 0, 4 * S) == pytest.approx(800.0)
    assert trapezoid_j([(0, 0.0), (4 * S, 400.0)], 0, 4 * S) == pytest.approx(800.0)


def test_each_level_takes_what_is_inside_it() -> None:
    """At any load the server takes more than its meters see, and its cords more than the server."""
    for load in (0.1, 1.0):
        inner = sum(place.flow_w(place.watts * load) for place in PLACES.values() if place.watts)
        taken = server_w(PLACES, load)
        assert inner < taken < PLACES["ptdaemon"].told_w(load, taken) < PLACES["modbus"].told_w(load, taken)
