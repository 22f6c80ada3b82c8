"""Alignments that were handed in: kept as they came, found for the run they correct, refused when they are not whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from joulemark.cards.contents import alignment_files
from joulemark.cards.evidence import Aligned
from joulemark.collector import alignments as module
from joulemark.collector.alignments import Alignments
from joulemark.collector.catalog import Full
from joulemark.errors import FormatError
from tests.kit import alignment

BEFORE_NS = 1_800_000_000_000_000_000
MADE = alignment.made(1, before_ns=BEFORE_NS)


def files(one: Aligned = MADE, **changed: Any) -> dict[str, str]:
    """What is handed in of it."""
    record = replace(one.record, **changed)
    return {path: data.decode() for path, data in alignment_files((replace(one, record=record),)).items()}


@pytest.fixture
def kept(tmp_path: Path) -> Alignments:
    return Alignments(tmp_path / "alignments")


def test_an_alignment_comes_back_as_it_came(kept: Alignments) -> None:
    """Every byte of its files, and the readings of both meters; handed in again it is the same one."""
    given = {**files(), f"calibration/{MADE.record.alignment_id}/procedure.json": "{}"}
    for _ in range(2):
        assert kept.keep(given).alignment_id == MADE.record.alignment_id
    assert kept.files(MADE.record.alignment_id) == given
    (found,) = kept.in_force([MADE.record.sensor], MADE.record.made_ns + 1)
    assert found.sensor.value.tolist() == MADE.sensor.value.tolist()
    assert found.reference.t_ns.tolist() == MADE.reference.t_ns.tolist()
    assert replace(found.record, files={}) == replace(MADE.record, files={})


def test_the_newest_in_force_is_the_one(kept: Alignments) -> None:
    """Not one that was made after the run began, nor one that had expired; edges belong to it; other meters have none."""
    first = MADE.record.made_ns
    for number, made_ns in enumerate((first, first + 100, first + 500)):
        kept.keep(files(alignment_id=f"a{number}", made_ns=made_ns, expires_ns=made_ns + 300))
    sensors = [MADE.record.sensor, "another:h:1:power"]

    def at(t_ns: int) -> list[str]:
        return [one.record.alignment_id for one in kept.in_force(sensors, t_ns)]

    assert [at(first + n) for n in (-1, 0, 99, 100, 400, 401, 500, 801)] == [[], ["a0"], ["a0"], ["a1"], ["a1"], [], ["a2"], []]
    assert kept.in_force(["another:h:1:power"], first) == ()
    assert [one.alignment_id for one in kept.records()] == ["a2", "a1", "a0"]


def without(path_end: str) -> dict[str, str]:
    return {path: text for path, text in files().items() if not path.endswith(path_end)}


def edited(path_end: str, old: str, new: str) -> dict[str, str]:
    return {path: text.replace(old, new) if path.endswith(path_end) else text for path, text in files().items()}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "not valid JSON"),
        (without("calibration.json"), "not valid JSON"),
        (without("meters.json"), r"lacks calibration/meters\.json"),
        (without(".csv"), "lacks calibration/kit-1"),
        ({**files(), "../../escape": "x"}, "no file of an alignment"),
        ({**files(), "calibration/kit-1/other.csv": "x"}, "no file of an alignment"),
        (edited(".csv", ",1,", ",2,"), "not the file whose hash"),
        (edited("calibration.json", '"kit-1"', '"../kit"'), "the id"),
        (edited("calibration.json", '"kit-1"', '".new-1"'), "the id"),
        (edited("calibration.json", MADE.record.sensor, "x" * 200), "the sensor"),
        (edited("meters.json", '"power"', '"mood"'), "quantity"),
    ],
)
def test_what_is_no_alignment_is_refused(kept: Alignments, tmp_path: Path, wrong: dict[str, str], why: str) -> None:
    """Nothing of it stays, inside the folder or beside it."""
    with pytest.raises(FormatError, match=why):
        kept.keep(wrong)
    assert kept.records() == []
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_an_id_is_not_used_twice(kept: Alignments) -> None:
    """What was kept is never changed by another that has its name."""
    kept.keep(files())
    with pytest.raises(FormatError, match="another alignment"):
        kept.keep(files(gain=1.5))
    assert kept.records()[0].gain == MADE.record.gain


def test_only_so_many_are_kept(kept: Alignments, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it says so; those that are kept may be handed in again."""
    monkeypatch.setattr(module, "MAX_ALIGNMENTS", 1)
    kept.keep(files())
    kept.keep(files())
    with pytest.raises(Full, match="1 alignments"):
        kept.keep(files(alignment_id="b"))


def test_an_id_that_is_none_has_no_files(kept: Alignments) -> None:
    """Neither one that was never kept nor a way out of the folder."""
    kept.keep(files())
    for wrong in ("b", "", ".", "..", "kit-1/energy", "../alignments/kit-1"):
        assert kept.files(wrong) == {}


def test_a_damaged_alignment_is_an_error(kept: Alignments, tmp_path: Path) -> None:
    """A run is not computed as if there were none."""
    kept.keep(files())
    path = tmp_path / "alignments" / "kit-1" / "energy" / "calibration.json"
    path.write_text(json.dumps({"schema": "joulemark.calibration/1", "alignments": []}))
    with pytest.raises(FormatError, match="0 alignments"):
        kept.in_force([MADE.record.sensor], MADE.record.made_ns)


def test_a_damaged_alignment_hides_no_other_from_who_lists_them(kept: Alignments, tmp_path: Path) -> None:
    """What can be read comes, newest first, and what cannot is named with the reason."""
    kept.keep(files())
    kept.keep(files(alignment_id="b"))
    (tmp_path / "alignments" / "b" / "energy" / "calibration.json").write_text("{")
    found, faults = kept.readable()
    assert [one.alignment_id for one in found] == ["kit-1"]
    assert list(faults) == ["b"]


def test_one_file_is_given_as_it_came(kept: Alignments) -> None:
    """Each by its path, and nothing beside them."""
    kept.keep(files())
    for path, text in files().items():
        assert kept.text("kit-1", path) == text
    for wrong in ("none", "", "..", "../../kit-1/energy/calibration.json/..", "../../../secret", "/etc/hostname"):
        assert kept.text("kit-1", wrong) is None
    assert kept.text("b", "calibration.json") is None
