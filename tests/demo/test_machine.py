"""The machine of a demonstration: its configuration, its failures, and an archive that it does not trust."""

from __future__ import annotations

import functools
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from joulemark import config
from joulemark.client import Client
from joulemark.demo.machine import Machine, meter_tables, toml_table
from joulemark.demo.processes import joulemark, reachable
from joulemark.errors import EnvironmentFailed, JoulemarkError


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a log."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a server and the folder whose files it hands out."""
    folder = tmp_path / "served"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()


def publish(folder: Path, run_id: str, files: dict[str, str]) -> None:
    """A bundle of `files` where the collector would have it."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    (folder / "v1" / "runs" / run_id).mkdir(parents=True)
    (folder / "v1" / "runs" / run_id / "bundle").write_bytes(data.getvalue())


@pytest.mark.parametrize("gain", [1.0, 1.01])
def test_asking_for_a_scale_selects_the_trace(gain: float) -> None:
    """With a scale the packaged trace is played whatever meters exist, so strong, from the given moment on."""
    (table,) = meter_tables(gain, 1_790_000_000_000_000_000)
    assert (table.kind, table.options["gain"], table.options["start_ns"]) == ("replay", gain, 1_790_000_000_000_000_000)


def test_the_configuration_is_one_that_the_daemons_accept(tmp_path: Path) -> None:
    """Agent and collector meet at one address, everything is kept under the folder, and the meter survives TOML."""
    folder = tmp_path / 'a "quoted" folder'
    folder.mkdir()
    machine = Machine(folder, 1.01)
    machine.rest_port, machine.start_ns = 8001, 1_790_000_000_000_000_000
    path = folder / "joulemark.toml"
    path.write_text(machine.config(8002), encoding="utf-8")
    found = config.load(path)
    assert found.agent.collector == found.collector.grpc_listen == "127.0.0.1:8002"
    assert found.collector.rest_listen == "127.0.0.1:8001"
    assert {found.spool.path.parent, found.collector.data_dir.parent, (found.prices.file or Path()).parent} == {folder}
    (meter,) = found.meters
    assert (meter.kind, meter.options) == ("replay", {"interval_ms": 100, **meter_tables(1.01, machine.start_ns)[0].options})
    assert toml_table(meter).splitlines()[0] == "[[meter]]"


@pytest.mark.timeout(60)
def test_a_start_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    """A collector that cannot have its folder ends the start with its own words, and what was started is stopped."""
    (tmp_path / "collector").write_text("a file stands here")
    machine = Machine(tmp_path, 1.0)
    with pytest.raises(EnvironmentFailed, match="collector run did not come up") as caught, machine:
        pytest.fail("it came up")
    assert str(tmp_path / "collector.log") in caught.value.next_step
    assert [d.process.poll() is not None for d in machine.daemons if d.process is not None] == [True]
    assert not reachable(machine.rest_port)


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    """A command of the demonstration that ends badly is named with its status and its last line."""
    machine = Machine(tmp_path)
    machine.env = {}
    with pytest.raises(EnvironmentFailed, match=r"joulemark price import ended with 2: .*none\.toml"):
        machine.run(joulemark("price", "import", str(tmp_path / "none.toml")))


def test_a_bundle_is_unpacked_as_it_is(served: tuple[str, Path], tmp_path: Path) -> None:
    """The files of a bundle come out under a folder of the run's own, folders and bytes alike."""
    url, folder = served
    files = {"energy_summary.json": "{}\n", "energy/readings/a%3Ab.csv": "t_ns\n1\n"}
    publish(folder, "01", files)
    machine = Machine(tmp_path / "out")
    machine.client = Client(url)
    unpacked = machine.bundle("01")
    assert {p.relative_to(unpacked).as_posix(): p.read_text() for p in unpacked.rglob("*") if p.is_file()} == files


@pytest.mark.parametrize("name", ["../outside.json", "energy/../../outside.json", "/{}/outside.json"])
def test_no_file_of_a_bundle_leaves_its_folder(served: tuple[str, Path], tmp_path: Path, name: str) -> None:
    """A bundle whose names climb out of its folder, or begin at the root, is refused and nothing is written outside."""
    url, folder = served
    publish(folder, "01", {name.format(tmp_path): "evil"})
    machine = Machine(tmp_path / "out")
    machine.client = Client(url)
    with pytest.raises(JoulemarkError, match="would leave its folder"):
        machine.bundle("01")
    assert not list(tmp_path.rglob("outside.json"))
