"""The how-to on a server at the wall, followed to the letter: its file, its meters as simulators, and what it says of the card."""

from __future__ import annotations

import re
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import joulemark
from joulemark import config
from joulemark.counts import Counts
from joulemark.demo.processes import Daemon, free_port
from joulemark.demo.processes import joulemark as command_line
from tests.meters.live import LIVE
from tests.standins.ipmi_standin import Bmc
from tests.standins.scpi_bench import bench
from tests.standins.scpi_standin import Analyser
from tests.standins.snmp_pdus import apc
from tests.standins.snmp_standin import Pdu
from tests.waiting import eventually

PAGE = Path("docs/how-to/measure-a-server-at-the-wall.md")
CORD_W, BMC_W = 512.0, 980
DAEMONS = """
[spool]
path = "{folder}/spool.db"

[collector]
grpc_listen = "127.0.0.1:{grpc}"
rest_listen = "127.0.0.1:{rest}"
data_dir = "{folder}/collector"
"""


@pytest.fixture
def written(repository: Path) -> str:
    """The file that the page tells to write."""
    (found,) = re.findall(r"^ *```toml\n(.*?)^ *```$", (repository / PAGE).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return textwrap.dedent(found)


@pytest.fixture
def addresses(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What stands on the page -> what stands there for the simulated meters of the server, which run."""
    watts = f"2|{CORD_W:.0f}"
    pdu, bmc = Pdu(tmp_path / "pdu", apc({n: (watts, "2|51234") for n in range(1, 9)})), Bmc(tmp_path / "bmc", watts=BMC_W)
    (tmp_path / "nvml").mkdir()
    with ExitStack() as stack:
        analyser = stack.enter_context(bench(Analyser("WT333E", watts=CORD_W)))
        gpus = stack.enter_context(LIVE["nvml"].live(tmp_path / "nvml"))
        for standin in (pdu, bmc):
            stack.callback(standin.stop)
            standin.start()
        yield {
            "TCPIP::10.0.0.31::INSTR": analyser.socket_resource,
            'host = "10.0.0.30"': f'host = "127.0.0.1"\nport = {pdu.port}',
            "/etc/joulemark/pdu-community": pdu.v2c()["community_file"],
            "interval_ms = 5000": "interval_ms = 500",
            'host = "10.0.0.21"': f'host = "127.0.0.1"\nport = {bmc.port}',
            'user = "monitor"': f'user = "{bmc.user}"',
            "/etc/joulemark/bmc-password": str(bmc.password_file),
            'kind = "nvml"': f'kind = "nvml"\nlibrary = "{gpus.options["library"]}"',
        }


def test_the_page_holds_a_valid_file(written: str, tmp_path: Path) -> None:
    """The file is accepted by the check that the page names, and reads the four meters."""
    file = tmp_path / "joulemark.toml"
    file.write_text(written)
    done = subprocess.run(command_line("config", "check", str(file)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [table.kind for table in config.load(file).meters] == ["scpi", "snmp", "ipmi", "nvml"]


def test_the_card_says_what_the_page_says(written: str, addresses: dict[str, str], repository: Path, tmp_path: Path) -> None:
    """Doctor finds every meter well, and the card of a run has the scope, the closure and the cords that the page shows."""
    rest, grpc = free_port(), free_port()
    for there, here in addresses.items():
        assert there in written
        written = written.replace(there, here)
    file = tmp_path / "joulemark.toml"
    agent = f'[agent]\ncollector = "127.0.0.1:{grpc}"\ninterval_ms = 250\nbatch_period_ms = 250'
    file.write_text(written.replace("[agent]", agent) + DAEMONS.format(folder=tmp_path, grpc=grpc, rest=rest))
    doctor = subprocess.run(command_line("doctor", "--config", str(file)), capture_output=True, text=True, check=False)
    assert len(re.findall(r"^ok +meter ", doctor.stdout, re.MULTILINE)) == 4, doctor.stdout
    page = (repository / PAGE).read_text(encoding="utf-8")
    card = run_of(file, rest, tmp_path)
    assert card["scope_reason"].endswith("they cover every cord of node7")
    assert "they cover every cord of node7" in page
    assert f"scope {card['scope']} ({card['headline']['boundary']})" in page
    pairs = [f"{one['outer']} >= {one['inner']}" for one in card["closure"]]
    assert f"closure: {', '.join(pairs)}\n" in page
    assert {one["holds"] for one in card["closure"]} == {True}
    assert [m["certificate"]["laboratory"] for m in card["meters"] if m["certificate"]][:1] == ["DAkkS D-K-1"]
    (phase,) = card["phases"]
    assert phase["energy_j"] == pytest.approx(2 * CORD_W * phase["duration_s"], rel=0.01)
    assert phase["coverage"] == 1.0


def run_of(file: Path, rest: int, folder: Path) -> dict[str, Any]:
    """The card of a run of some seconds, measured by daemons of this file."""
    with ExitStack() as stack:
        for name in ("collector", "agent"):
            daemon = Daemon(command_line(name, "run"), folder / f"{name}.log", {"JOULEMARK_CONFIG": str(file)})
            stack.callback(daemon.stop)
            daemon.start()
            if name == "collector":
                daemon.wait_for_port(rest)
        client = joulemark.Client(f"http://127.0.0.1:{rest}")
        eventually(
            lambda: {m["kind"] for m in client.call("GET", "/v1/meters")} == {"scpi", "snmp", "ipmi", "nvml"}, "four kinds of meters"
        )
        time.sleep(1.5)
        run_id = client.start(benchmark="how-to")
        client.begin(run_id, "load")
        time.sleep(3.0)
        client.end(run_id, "load", Counts(output_tokens=1000))
        client.stop(run_id)
        time.sleep(1.5)
        eventually(lambda: client.energy(run_id)["settled"], "the energy is settled")
        card: dict[str, Any] = client.call("GET", f"/v1/runs/{run_id}/card")
        return card
