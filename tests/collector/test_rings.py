"""Ring tests put beside the collector: read, proved, and never believed where they contradict themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from joulemark.calibration.rounds import Evaluation, Round
from joulemark.collector import rings
from joulemark.errors import FormatError


def evaluation(count: int = 7, **more: Any) -> dict[str, Any]:
    """An evaluation as the command writes it."""
    laboratories = [{"name": f"L{n}", "value": 250.0 + n, "u95": 3.0} for n in range(count)]
    about = {"round": "2026-1", "artefact": "travelling", "workload_sha256": "ab" * 32, "date": "2026-08-01", "laboratory": laboratories}
    data: dict[str, Any] = json.loads(Evaluation.of(Round.from_json({**about, **more}, where="a test")).text)
    return data


REFERENCE = {"reference": {"name": "R", "value": 250.0, "u95": 1.0}}


def put(folder: Path, name: str, data: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(data))


@pytest.mark.parametrize("data", [evaluation(), evaluation(**REFERENCE), evaluation(3, **REFERENCE)])
def test_what_the_command_wrote_is_read(tmp_path: Path, data: dict[str, Any]) -> None:
    """With an assigned value, with a reference, and with En alone: as it stands in the file."""
    put(tmp_path, "one", data)
    ((name, found),), faults = rings.rings(tmp_path)
    assert (name, faults) == ("one", {})
    assert [one.en for one in found.laboratories] == [one["en"] for one in data["laboratories"]]
    assert (found.assigned is None) == (data["assigned"] is None)
    assert rings.file(tmp_path, "one") == (tmp_path / "one.json").read_bytes()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data["laboratories"][0].update(z=0.0),
        lambda data: data["laboratories"][0].update(badge=not data["laboratories"][0]["badge"]),
        lambda data: data["laboratories"][0].update(value=data["laboratories"][0]["value"] * 1.5),
        lambda data: data["laboratories"][0].update(value=1e300),
        lambda data: data["laboratories"].append(data["laboratories"][0]),
        lambda data: data.update(laboratories=[]),
        lambda data: data.update(laboratories=data["laboratories"][:3]),
        lambda data: data.update(date="yesterday"),
        lambda data: data.update(schema="joulemark.ring-round/1"),
        lambda data: data.update(more=1),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, spoil: Any) -> None:
    """A score, a badge or a value that was changed, too few laboratories, one twice, no date, another schema: FormatError."""
    data = evaluation()
    spoil(data)
    put(tmp_path, "one", data)
    with pytest.raises(FormatError):
        rings.RingTest.read(tmp_path / "one.json")
    assert list(rings.rings(tmp_path)[1]) == ["one.json"]


def test_the_newest_rounds_come_first_and_few_are_read(tmp_path: Path) -> None:
    """By their date; of very many files the last; no folder is no round; no name leads out of the folder."""
    assert rings.rings(tmp_path / "none") == ([], {})
    for number in range(3):
        put(tmp_path, f"r{number}", evaluation(date=f"202{number}-01-01"))
    assert [name for name, _ in rings.rings(tmp_path)[0]] == ["r2", "r1", "r0"]
    for number in range(rings.MOST + 5):
        put(tmp_path, f"s{number:03d}", {})
    assert len(rings.rings(tmp_path)[1]) == rings.MOST
    for name in ("../r0", "r0.json", "", "x" * 80):
        assert rings.file(tmp_path, name) is None
