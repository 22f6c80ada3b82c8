"""Bundles read back: everything comes back, in its order, and what cannot be read is named instead of raised."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulemark.cards.opened import opened
from joulemark.errors import FormatError
from tests.kit.spoil import good, written


def test_the_evidence_comes_back(tmp_path: Path) -> None:
    """Run, meters in their order, nodes, workload, requests, meter log, alignments and edition are those that were written."""
    found, wanted = opened(written(tmp_path, "ES1")), good("ES1")
    assert dict(found.faults) == {}
    assert found.evidence is not None
    for name in ("run", "nodes", "workload", "requests", "meter_log", "rule_set"):
        assert getattr(found.evidence, name) == getattr(wanted, name), name
    assert [one.meter for one in found.evidence.series] == [one.meter for one in wanted.series]
    assert [one.record.alignment_id for one in found.evidence.alignments] == [one.record.alignment_id for one in wanted.alignments]
    assert found.evidence.chain.events[:-1] == wanted.chain.events


@pytest.mark.parametrize("name", ["phases", "nodes", "workload", "meter_log", "calibration", "chain", "prices", "card", "manifest"])
def test_a_broken_document_is_named(tmp_path: Path, name: str) -> None:
    """A document that is no JSON stands among the faults; the others are read."""
    written(tmp_path, "ES1")
    (tmp_path / "energy" / f"{name}.json").write_text("{")
    found = opened(tmp_path)
    assert "not valid JSON" in found.faults[f"energy/{name}.json"]
    assert (found.evidence is None) is (name == "phases")
    assert "energy/clock.json" in found.documents


def test_an_alignment_without_its_readings_is_named(tmp_path: Path) -> None:
    """A record whose raw readings are not there is left out, with its name."""
    written(tmp_path, "ES1")
    next((tmp_path / "energy" / "calibration" / "kit-1").iterdir()).unlink()
    found = opened(tmp_path)
    assert found.evidence is not None
    assert found.evidence.alignments == ()
    assert "kit-1" in found.faults["energy/calibration.json"]


def test_a_meter_list_of_odd_things_orders_what_it_can(tmp_path: Path) -> None:
    """Ids that are no text neither stop the reading nor change which readings there are."""
    written(tmp_path, "ES1")
    path = tmp_path / "energy" / "meters.json"
    data = json.loads(path.read_text())
    data["meters"].insert(0, {"meter_id": ["x"], "file": 3})
    path.write_text(json.dumps(data))
    found = opened(tmp_path)
    assert found.evidence is not None
    assert [one.meter for one in found.evidence.series] == [one.meter for one in good("ES1").series]


def test_no_folder_is_refused(tmp_path: Path) -> None:
    """A place that is not there holds nothing; one with too much in it is refused."""
    assert opened(tmp_path / "nowhere").evidence is None
    deep = tmp_path / "energy" / "readings"
    for _ in range(45):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(FormatError, match="folders in each other"):
        opened(tmp_path)
