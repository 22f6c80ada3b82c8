"""An alignment by command: a real collector and agent, two meters under one load that the command drives, and the run after it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import joulemark
from joulemark import cli
from joulemark.calibration import lag
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from joulemark.errors import InsufficientData
from tests.waiting import eventually

GAIN, OFFSET_W = 1.05, 12.0
IDLE_W, SPAN_W = 200.0, 400.0
LOAD = """
import os, pathlib, sys, time
pathlib.Path(__file__).with_name("level").write_text(sys.argv[1] + " " + str(os.getpid()))
time.sleep(600)
"""
METER = """
set -- $(cat {folder}/level 2>/dev/null || echo 0 0) $1
[ -d /proc/$2 ] || set -- 0 $2 $3
awk -v level=$1 -v who=$3 -v seed=$$ 'BEGIN {{
    srand(seed); true_w = {idle} + {span} * level + rand() - 0.5
    printf "%.1f\\n", who == "reference" ? true_w : (true_w - {offset}) / {gain}
}}'
"""
CONFIG = """
[agent]
agent_id = "node1"
collector = "127.0.0.1:{grpc}"
interval_ms = 100
batch_period_ms = 200

[spool]
path = "{folder}/spool.db"

[collector]
grpc_listen = "127.0.0.1:{grpc}"
rest_listen = "127.0.0.1:{rest}"
data_dir = "{folder}/collector"

[[meter]]
kind = "exec"
argv = ["sh", "{folder}/meter.sh", "sensor"]
pattern = '^(?P<value>[0-9.]+)$'
unit = "W"
boundary = "server_input"
serial = "bmc"

[[meter]]
kind = "exec"
argv = ["sh", "{folder}/meter.sh", "reference"]
pattern = '^(?P<value>[0-9.]+)$'
unit = "W"
boundary = "server_input"
serial = "wall"
accuracy = {{ pct_reading = 0.1, pct_range = 0.05, range_w = 1000.0, source = "test" }}
"""
SHORT = ["--settle-s", "0.5", "--windows", "2", "--window-s", "0.6"]
HERE = ["--accept", "exclusive", "--accept", "monitors", "--accept", "temperature", "--accept", "steady"]
"""Other tests run on this machine, and it has no thermometer."""


@dataclass
class Site:
    """A collector, an agent, and two meters of one machine whose power `load` sets."""

    folder: Path
    client: joulemark.Client
    sensor: str
    reference: str

    @property
    def load(self) -> str:
        return f"exec {sys.executable} {self.folder}/load.py {{level}}"

    def calibrate(self, *args: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the command in this process."""
        result = CliRunner().invoke(cli.group, ["calibrate", *args, "--url", self.client.url], standalone_mode=False)
        status = result.exception.exit_code if isinstance(result.exception, joulemark.errors.JoulemarkError) else result.return_value or 0
        assert isinstance(status, int), result.exception
        return status, result.stdout, result.stderr + str(result.exception or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """They run; readings of both meters arrive."""
    folder, rest, grpc = tmp_path_factory.mktemp("site"), free_port(), free_port()
    (folder / "load.py").write_text(LOAD)
    (folder / "meter.sh").write_text(METER.format(folder=folder, idle=IDLE_W, span=SPAN_W, gain=GAIN, offset=OFFSET_W))
    config = folder / "joulemark.toml"
    config.write_text(CONFIG.format(folder=folder, rest=rest, grpc=grpc))
    with ExitStack() as stack:
        for name in ("collector", "agent"):
            daemon = Daemon(command_line(name, "run"), folder / f"{name}.log", {"JOULEMARK_CONFIG": str(config)})
            stack.callback(daemon.stop)
            daemon.start()
            if name == "collector":
                daemon.wait_for_port(rest)
        client = joulemark.Client(f"http://127.0.0.1:{rest}")
        eventually(lambda: len(client.meters()) == 2, "two meters")
        sensor, reference = sorted(m["meter_id"] for m in client.meters())
        eventually(
            lambda: all(len(one["t_ns"]) > 6 for one in client.readings([sensor, reference], 0, time.time_ns() + 10**9)), "readings of both"
        )
        yield Site(folder, client, sensor, reference)


def test_an_alignment_from_gates_to_the_next_card(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It finds the gain and the offset, writes and hands in the record; short windows are told as short of CAL-2; the next run uses it."""
    monkeypatch.setattr(lag, "AROUND_S", 1.5)
    monkeypatch.setattr(lag, "SEARCHED_S", 1.0)
    out = tmp_path / "made"
    arguments = ["--sensor", site.sensor, "--reference", site.reference, "--load", site.load, "--out", str(out), *SHORT, *HERE]
    status, stdout, stderr = site.calibrate("align", *arguments, "--json")
    assert status == 3, stderr
    result = json.loads(stdout)
    assert result["gain"] == pytest.approx(GAIN, abs=5 * result["u_gain"] + 0.005)
    assert result["offset_w"] == pytest.approx(OFFSET_W, abs=5 * result["u_offset_w"] + 2.0)
    assert (result["accepted"], result["stored"]) == (False, True)
    assert all("wanted" in fault for fault in result["faults"])
    assert abs(result["held_out_rel"]) < 0.02
    assert "not compliant with CAL-2: settle-s is 0.5" in stderr
    assert "idle 1 of 1: 0.5 s to settle, then 2 windows of 0.6 s" in stderr
    procedure = json.loads((out / "procedure.json").read_text())
    assert [done["name"] for done in procedure["done"]] == ["idle", "mid", "full", "held-out"]
    assert {gate["gate"] for gate in procedure["gates"]} == {"streams", "clocks", "exclusive", "monitors", "temperature", "steady"}
    record = json.loads((out / "calibration.json").read_text())["alignments"][0]
    assert all((out / path).is_file() for path in record["files"])
    status, stdout, _ = site.calibrate("show", "--json")
    (kept,) = json.loads(stdout)["alignments"]
    assert (status, kept["alignment_id"], kept["expired"]) == (0, record["alignment_id"], False)
    assert kept["voided_by_change_of"]["reference_serial"] == "wall"
    assert f"{result['gain']:.5f} x" in site.calibrate("show")[1]
    assert used(site) == record["alignment_id"]


def used(site: Site) -> str:
    """The alignment in the evidence of a run of now."""
    run_id = site.client.start(benchmark="after")
    time.sleep(1.0)
    site.client.stop(run_id)

    def settled() -> bool:
        with suppress(InsufficientData):
            return bool(site.client.energy(run_id)["settled"])
        return False

    eventually(settled, "the run is settled")
    with zipfile.ZipFile(io.BytesIO(site.client.download(f"/v1/runs/{run_id}/bundle"))) as archive:
        return str(json.loads(archive.read("energy/calibration.json"))["alignments"][0]["alignment_id"])


def test_a_shut_gate_ends_it_before_anything_runs(site: Site, tmp_path: Path) -> None:
    """Exit 5; each gate says what it saw, the shut ones how to go on; no load was started and no run."""
    runs = len(site.client.call("GET", "/v1/runs"))
    arguments = ["--sensor", site.sensor, "--reference", site.reference, "--load", site.load, "--out", str(tmp_path)]
    status, _, stderr = site.calibrate("align", *arguments, *SHORT)
    assert status == 5
    assert "gate streams: ok" in stderr
    assert "gate temperature: cannot tell: no meter told a temperature" in stderr
    assert "--accept temperature" in stderr
    assert len(site.client.call("GET", "/v1/runs")) == runs


def default_sigint() -> None:
    """Tests started in the background inherit it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_alignment_goes_on(site: Site, tmp_path: Path) -> None:
    """Ctrl-C in the second plateau keeps the first, stops the load and names the command; with it the first is not measured again."""
    out = tmp_path / "made"
    arguments = ["--sensor", site.sensor, "--reference", site.reference, "--load", site.load, "--out", str(out), *SHORT, *HERE]
    command = command_line("calibrate", "align", *arguments, "--url", site.client.url)
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=default_sigint
    )
    eventually(
        lambda: (out / "procedure.json").is_file() and len(json.loads((out / "procedure.json").read_text())["done"]) >= 1,
        "the first plateau is done",
    )
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    assert f"--resume {out}" in stderr
    before = json.loads((out / "procedure.json").read_text())
    status, _, said = site.calibrate("align", "--resume", str(out), "--load", "exit 7 # {level}", *HERE)
    assert status == 5
    assert "ended with status 7" in said
    after = json.loads((out / "procedure.json").read_text())
    assert (after["run_id"], after["done"]) == (before["run_id"], before["done"])
    assert after["begun"] == before["begun"] + 1


def test_a_plateau_by_itself(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`idle` prints mean, scatter, slope and kind; `full-load` says when the load is steady, and at which power."""
    monkeypatch.chdir(tmp_path)
    _, stdout, stderr = site.calibrate("idle", "--meter", site.reference, "--settle-s", "0.2", "--for-s", "1", "--json", *HERE)
    idle = json.loads(stdout or stderr)
    assert (idle["idle_kind"], idle["mean_power_w"]) == ("idle_ready", pytest.approx(IDLE_W, rel=0.02))
    arguments = ["--meter", site.reference, "--load", site.load, "--settle-s", "1.2", "--for-s", "2.4"]
    _, stdout, stderr = site.calibrate("full-load", *arguments)
    assert stdout.startswith(f"{site.reference}: mean ")
    assert float(stdout.split("mean ")[1].split(" W")[0]) == pytest.approx(IDLE_W + SPAN_W, rel=0.02)


def test_what_cannot_be_aligned_is_told(site: Site) -> None:
    """A meter that there is not is exit 2 with the nearest name; a silent collector is exit 6."""
    status, _, said = site.calibrate("align", "--sensor", site.sensor + "x", "--reference", site.reference, "--load", "cpu")
    assert (status, f"did you mean {site.sensor!r}" in said) == (2, True)
    done = subprocess.run(
        command_line("calibrate", "show", "--url", "http://127.0.0.1:9"), capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 6
    assert textwrap.shorten(done.stderr, 200).startswith("joulemark: the collector at")
