"""Looks at the host."""

from __future__ import annotations

import json
import queue
from pathlib import Path

import pytest

from joulemark.agent.processes import Processes
from joulemark.agent.survey import Surveyor, stated
from joulemark.errors import ConfigError
from joulemark.meters.nvml_survey import GpuSurvey
from joulemark.node import Component, Gpu, Node, Nodes
from joulemark.proto.messages import Survey
from joulemark.timebase import SystemClock

STATED = """\
participating = 1

[node]
cooling = "air"
serial = "S9"

[[node.psus]]
name = "PSU1"
inlet = "h/psu1"
storage_between = false

[settings]
fan_policy = "full"

[[components]]
name = "interconnect"
method = "absent"
"""


def surveyor(known: Nodes, told: queue.SimpleQueue[Survey], gpus: GpuSurvey | None = None) -> Surveyor:
    return Surveyor(known=known, processes=Processes(), clock=SystemClock(), tell=told.put, gpus=lambda: gpus)


def nodes_in(survey: Survey) -> Nodes:
    return Nodes.from_json(json.loads(survey.text))


def test_a_look_joins_what_is_seen_with_what_is_stated(tmp_path: Path) -> None:
    """The operator's word stands before the machine's; both kinds of settings are told; the agent names its source."""
    (tmp_path / "node.toml").write_text(STATED)
    gpus = GpuSurvey((Gpu("GPU-1", "H100"),), "560.35", "12.6", {"power_cap_w.GPU-1": "700"}, frozenset())
    nodes = nodes_in(surveyor(stated(tmp_path / "node.toml", "h"), queue.SimpleQueue(), gpus).look())
    (node,) = nodes.nodes
    assert (node.host, node.serial, node.cooling, node.driver, node.cuda) == ("h", "S9", "air", "560.35", "12.6")
    assert node.gpus == (Gpu("GPU-1", "H100"),)
    assert node.psus is not None
    assert (node.psus[0].inlet, node.psus[0].storage_between) == ("h/psu1", False)
    values = node.settings[0].values
    assert (values["fan_policy"], values["power_cap_w.GPU-1"]) == ("full", "700")
    assert node.surveys[0].foreign_processes is not None
    assert (nodes.participating, nodes.components) == (1, (Component("interconnect", "absent"),))
    (build,) = nodes.builds
    assert (build.role, build.host, len(build.source_sha256)) == ("agent", "h", 64)


def test_without_gpus_nothing_is_said_of_them() -> None:
    """Not looked at is not none."""
    (node,) = nodes_in(surveyor(stated(None, "h"), queue.SimpleQueue()).look()).nodes
    assert (node.gpus, node.driver) == (None, "")
    assert node.kernel


def test_it_looks_at_the_start_and_when_it_is_told_to() -> None:
    """A mark does not wait for the next half minute; after the end there is no look."""
    told: queue.SimpleQueue[Survey] = queue.SimpleQueue()
    looking = surveyor(Nodes((Node("h"),)), told)
    looking.start()
    first = told.get(timeout=10)
    looking.look_now()
    assert told.get(timeout=10).mono_ns > first.mono_ns
    looking.stop()
    looking.look_now()
    assert told.empty()


@pytest.mark.parametrize(
    "content",
    ["[node", "[node]\nspeed = 1\n", 'node = "x"\n', "[[node.psus]]\nlive = true\n", "settings = 3\n", "participating = true\n", "x = 1\n"],
)
def test_a_file_that_states_nothing_readable_is_refused(tmp_path: Path, content: str) -> None:
    """Broken TOML, unknown keys, values of the wrong kind: the error names the file."""
    (tmp_path / "node.toml").write_text(content)
    with pytest.raises(ConfigError, match=r"node\.toml"):
        stated(tmp_path / "node.toml", "h")
