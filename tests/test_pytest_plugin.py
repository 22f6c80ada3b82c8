"""The plugin of pytest, in a pytest within this process: what it measures, and that it leaves alone who did not ask."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from joulemark.client import Client
from joulemark.pytest_plugin import LONGEST_NAME, Measurement, chosen
from tests.collector.conftest import Agent, Collector, S
from tests.collector.conftest import lasting_collector as lasting_collector

pytest_plugins = ["pytester"]

MEASURED = """
    def test_decode(joulemark_phase):
        with joulemark_phase("warmup", "warmup"):
            pass
        with joulemark_phase() as counts:
            import time
            time.sleep(0.3)
            counts.output_tokens = 600
        energy = joulemark_phase.energy()
        assert energy is not None, joulemark_phase.reason
        assert 20 < energy["energy_j"] < 200
        assert abs(energy["joules_per_1k_output_tokens"] - energy["energy_j"] / 0.6) < 1e-6
        assert joulemark_phase.energy("nothing") is None
        assert "no block 'nothing'" in joulemark_phase.reason

    def test_of_another_test(joulemark_phase):
        assert joulemark_phase.reason == ""

    def test_broken(joulemark_phase):
        with joulemark_phase():
            raise KeyError
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, pytester: pytest.Pytester) -> None:
    """No other plugin, no collector of this machine, warnings as errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("STATE_DIRECTORY", str(pytester.path / "state"))
    for name in ("JOULEMARK_URL", "JOULEMARK_RUN_ID", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p joulemark\n")


def test_a_block_is_a_phase_with_its_energy(pytester: pytest.Pytester, lasting_collector: Collector, repository: Path) -> None:
    """The blocks of all tests are phases of one run with their counts; a broken one does not count; the summary tells the joules."""
    agent, begin_ns = Agent(), time.time_ns() - 5 * S
    agent.send(lasting_collector.grpc, *(agent.batch(n, begin_ns=begin_ns + n * S) for n in range(60)))
    example = (repository / "docs" / "examples" / "test_joules.py").read_text(encoding="utf-8")
    pytester.makepyfile(test_it=MEASURED, test_joules=example)
    result = pytester.runpytest_inprocess("--joulemark-url", lasting_collector.rest, "--junit-xml=out.xml")
    result.assert_outcomes(passed=3, failed=1)
    client = Client(lasting_collector.rest)
    (run,) = client.runs()
    assert (run["benchmark"], run["stopped_ns"] is not None) == ("pytest", True)
    phases = [
        (one["name"], one["kind"], one["tokens"]["output"], one["aborted"])
        for one in client.call("GET", f"/v1/runs/{run['run_id']}/phases")
    ]
    assert phases == [
        ("test_it.py::test_decode:warmup", "warmup", None, ""),
        ("test_it.py::test_decode", "measured", 600, ""),
        ("test_it.py::test_broken", "measured", None, "the block raised KeyError"),
        ("test_joules.py::test_energy_per_token:warmup", "warmup", None, ""),
        ("test_joules.py::test_energy_per_token", "measured", 600, ""),
    ]
    told = [
        f"run {run['run_id']} at *",
        "test_it.py::test_decode: * +- * J at gpu, * J per 1k output tokens",
        "test_it.py::test_broken: * (does not count: KeyError)",
    ]
    result.stdout.fnmatch_lines(told)
    written = (pytester.path / "out.xml").read_text()
    assert 'name="joulemark_phase" value="test_it.py::test_decode"' in written
    assert 'name="joulemark_energy_j" value="' in written


def test_the_example_of_the_how_to_is_skipped_without_a_collector(pytester: pytest.Pytester, repository: Path) -> None:
    """The file is the block of the page; where nothing is measured it says so and does not fail."""
    source = (repository / "docs" / "examples" / "test_joules.py").read_text(encoding="utf-8")
    assert f"```python example\n{source}```" in (repository / "docs" / "how-to" / "measure-in-pytest.md").read_text(encoding="utf-8")
    pytester.makepyfile(test_joules=source.replace("time.sleep(0.3)", ""))
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*no collector is named; give --joulemark-url URL, or set JOULEMARK_URL"])


@pytest.mark.parametrize(("url", "why"), [((), "no collector is named"), (("--joulemark-url", "http://127.0.0.1:9"), "does not answer")])
def test_without_a_collector_the_test_runs_and_nothing_is_measured(pytester: pytest.Pytester, url: tuple[str, ...], why: str) -> None:
    """The block runs and may set counts; there is no energy and a reason; nothing fails, also where warnings are errors."""
    pytester.makepyfile(f"""
        def test_it(joulemark_phase):
            with joulemark_phase() as counts:
                counts.output_tokens = 3
            assert joulemark_phase.energy() is None
            assert {why!r} in joulemark_phase.reason
    """)
    result = pytester.runpytest_inprocess(*url)
    result.assert_outcomes(passed=1)
    assert ("joulemark: nothing was measured" in result.stdout.str()) == bool(url)


def test_marks_that_get_lost_are_findings(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that goes away between start and phase costs lines in the summary, kept marks, and no test."""
    monkeypatch.setenv("JOULEMARK_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("JOULEMARK_RUN_ID", "r1")
    pytester.makepyfile("def test_it(joulemark_phase):\n    with joulemark_phase():\n        pass\n")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["run r1 at http://127.0.0.1:9", "*test_it: energy not known", "*the mark is kept; deliver it with: joulemark run resend r1*"]
    )


def test_workers_are_not_told_apart(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests at the same time share the machine: none of them gets an energy, and the reason says how to get one."""
    monkeypatch.setenv("JOULEMARK_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(pytestconfig, "workerinput", {"workercount": 2}, raising=False)
    found = Measurement.of(pytestconfig)
    assert (found.started(), found.reason) == (
        None,
        "2 workers test at the same time, whose energies cannot be told apart; run these tests without -n",
    )
    monkeypatch.setattr(pytestconfig, "workerinput", {"workercount": 1}, raising=False)
    assert Measurement.of(pytestconfig).reason == ""


def test_phases_have_names_of_their_own() -> None:
    """A block that comes again is numbered, what cannot be printed is replaced, and of a long name the end stays."""
    found = Measurement("http://x")
    assert [found.name("t.py::a", part) for part in ("", "", "x", "", "x")] == [
        "t.py::a",
        "t.py::a #2",
        "t.py::a:x",
        "t.py::a #3",
        "t.py::a:x #2",
    ]
    assert found.name("t.py::b[\x1b]", "") == "t.py::b[?]"
    assert found.name("d/" * 300 + "t.py::c", "").endswith("d/t.py::c")
    assert max(map(len, found.names)) == LONGEST_NAME


def test_of_several_boundaries_one_has_to_be_named() -> None:
    """Energies of different boundaries are never taken for each other; what no reading covers has no energy."""
    gpu, wall = ({"name": "t", "boundary": place, "energy_j": 1.0} for place in ("gpu", "server_input"))
    bare = {"name": "u", "boundary": "gpu", "energy_j": None}
    assert chosen([gpu, bare], "t", "") == (gpu, "")
    assert chosen([gpu, wall], "t", "server_input") == (wall, "")
    assert chosen([gpu, wall], "t", "") == (None, "t was measured at gpu, server_input; name one of them as boundary")
    assert chosen([gpu, wall], "t", "rack") == (None, "no reading covers t at rack")
    assert chosen([gpu, bare], "u", "") == chosen([gpu], "u", "") == (None, "no reading covers u")


def test_the_plugin_is_light_and_installed_under_its_name() -> None:
    """The entry point leads to the module, which loads neither grpc nor numpy nor click, nor the client."""
    (entry,) = [one for one in metadata.entry_points(group="pytest11") if one.name == "joulemark"]
    assert entry.value == "joulemark.pytest_plugin"
    heavy = "('joulemark', 'grpc', 'numpy', 'click', 'asyncio')"
    code = f"import sys, joulemark.pytest_plugin; print(*sorted(name for name in sys.modules if name.startswith({heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["joulemark", "joulemark.pytest_plugin"]
