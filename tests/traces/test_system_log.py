"""Power in the system log of an OpenAIPerf bundle: the known answer of the site's form, the boundaries of the docs' form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from joulemark import traces
from joulemark.energy.integrate import trapezoid_j
from joulemark.errors import FormatError, NaiveTimeError
from joulemark.readings import Boundary, Quality
from tests.interop import openaiperf_bundles as made

DOCS = "timestamp,metric,value,unit\n"


def log(place: Path, content: str) -> Path:
    path = place / "system.log"
    path.write_text(content, encoding="utf-8")
    return path


def test_known_answer_of_the_site_form(tmp_path: Path) -> None:
    """Eight samples of 2840 to 2875 W: mean 2857.5 W, trapezoid 20002.5 J over their seven seconds."""
    (one,) = traces.read(log(tmp_path, made.site_seed()["system.log"]), tz=None)
    assert (len(one), float(np.mean(one.si()))) == (8, 2857.5)
    assert trapezoid_j(one.t_ns, one.si(), int(one.t_ns[0]), int(one.t_ns[-1])) == pytest.approx(20002.5)
    assert (one.meter.boundary, one.t_unc_ns.tolist()) == (Boundary.SERVER_INPUT, [500_000_000] * 8)
    assert "does not say where it was measured" in one.meter.note


def test_the_boundary_is_the_users_to_say(tmp_path: Path) -> None:
    """A named boundary is taken, and then nothing is noted."""
    (one,) = traces.read(log(tmp_path, made.site_seed()["system.log"]), tz=None, boundary=Boundary.WALL_ANALYZER)
    assert (one.meter.boundary, one.meter.note) == (Boundary.WALL_ANALYZER, "")


@pytest.mark.parametrize("value", [None, "600", True, 0, -1])
def test_no_number_is_a_gap(tmp_path: Path, value: object) -> None:
    """What is no positive number is a gap with a reason, never a power of zero."""
    first = {"timestamp": f"{made.DAY}10:29:44Z", "power_watts": 2800}
    line = {"timestamp": f"{made.DAY}10:29:45Z", "power_watts": value}
    (one,) = traces.read(log(tmp_path, made.lines(first, line)), tz=None)
    assert one.quality.tolist() == [Quality.OK, Quality.GAP]
    assert set(one.reasons) == {1}


def test_docs_form_keeps_boundaries_apart(tmp_path: Path) -> None:
    """Power of the system, of the CPU and of the accelerator are three series of three boundaries; other metrics are none."""
    rows = [f"{made.DAY}10:29:{s}.250Z,{name},{w},watt" for s in (47, 48) for name, w in (("power_system_w", 900), ("power_cpu_w", 200))]
    rows += [f"{made.DAY}10:29:47.250Z,power_accelerator_w,600,watt", f"{made.DAY}10:29:47.250Z,temperature_cpu,60,celsius"]
    found = {one.meter.boundary: one.si().tolist() for one in traces.read(log(tmp_path, DOCS + "\n".join(rows) + "\n"), tz=None)}
    assert found == {Boundary.SERVER_INPUT: [900, 900], Boundary.PACKAGE: [200, 200], Boundary.GPU: [600]}


def test_channels_that_nobody_told_apart_are_refused(tmp_path: Path) -> None:
    """Two powers of one metric at one time would count once: they are refused with their place."""
    row = f"{made.DAY}10:29:47.250Z,power_accelerator_w,600,watt\n"
    with pytest.raises(FormatError, match=r"system\.log:3: power_accelerator_w stands twice"):
        traces.read(log(tmp_path, DOCS + row + row), tz=None)


def test_no_zone_is_guessed(tmp_path: Path) -> None:
    """A printed time without a zone needs one."""
    with pytest.raises(NaiveTimeError):
        traces.read(log(tmp_path, json.dumps({"timestamp": "2026-11-21T10:29:45", "power_watts": 1}) + "\n"), tz=None)


def test_a_log_without_power_is_none(tmp_path: Path) -> None:
    """The log of the oldest writer of bundles holds loads and no power: no known power log."""
    with pytest.raises(FormatError, match="not a power log"):
        traces.read(log(tmp_path, made.ob_tools()["system.log"]), tz=None)
