"""Hostile bundles: whatever stands in a file, every rule comes to a verdict, and none of them ends the run."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.cards import bundle
from joulemark.errors import FormatError
from joulemark.standard import read
from joulemark.standard.validator import Report, validate
from joulemark.standard.verdict import LEVELS
from tests.kit.lab import Lab, Plan, sign
from tests.kit.spoil import TRUST
from tests.mutations import mutated

ODD: Final = (
    None,
    True,
    0,
    -1,
    2**62,
    2**63,
    -(2**70),
    1e308,
    -1e308,
    1e-320,
    0.5,
    "",
    "x",
    "ü" * 3000,
    "2026-99-99",
    [],
    [[]],
    [None],
    {},
    {"a": {}},
)
SHORT: Final = {"ES1": Plan(8.0, 20.0, 8.0, 20.0, 5.0, 12.0, 2, 12), "ES2": Plan(8.0, 20.0, 8.0, 20.0, 5.0, 12.0, 3, 12)}


@functools.cache
def small(level: str) -> dict[str, bytes]:
    """The files of a bundle of a minute or two: all kinds of evidence, little of it."""
    return bundle.build(Lab(level, SHORT[level], 3).evidence(), sign=sign)


@functools.cache
def places(level: str, path: str) -> tuple[tuple[str | int, ...], ...]:
    """Where each value of a document stands."""
    return tuple(within(json.loads(small(level)[path])))


def within(data: Any, way: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data[:4]) if isinstance(data, list) else ()
    for key, value in inner:
        yield (*way, key)
        yield from within(value, (*way, key))


def changed(data: Any, way: tuple[str | int, ...], value: Any) -> Any:
    """A copy with another value at one place."""
    out = copy.deepcopy(data)
    inner = out
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return out


def judged(folder: Path, files: dict[str, bytes]) -> Report | None:
    """The report on these files; None where the folder is refused as a whole."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    try:
        return validate(read.case(folder, trust=TRUST))
    except FormatError:
        return None


def check(report: Report | None) -> None:
    if report is not None:
        assert len(report.judged) == 84
        assert report.level in LEVELS
        json.dumps(report.to_json(), allow_nan=False)


@st.composite
def odd_value(draw: st.DrawFn) -> tuple[str, dict[str, bytes]]:
    """(what was done, files) with up to three values of one document exchanged."""
    level = draw(st.sampled_from(["ES1", "ES2"]))
    files = small(level)
    path = draw(st.sampled_from(sorted(name for name in files if name.endswith(".json"))))
    data, done = json.loads(files[path]), []
    for _ in range(draw(st.integers(1, 3))):
        way, value = draw(st.sampled_from(places(level, path))), draw(st.sampled_from(ODD))
        try:
            data = changed(data, way, value)
        except (KeyError, IndexError, TypeError):  # an earlier change took the place away
            continue
        done.append(f"{path}: {way} = {value!r:.60}")
    return "; ".join(done), {**files, path: json.dumps(data).encode()}


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(odd=odd_value())
def test_odd_values_end_no_run(odd: tuple[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any value of any document may be anything that JSON can say."""
    check(judged(tmp_path_factory.mktemp("b"), odd[1]))


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_end_no_run(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any file may be damaged, in any way."""
    files = small(data.draw(st.sampled_from(["ES1", "ES2"])))
    path = data.draw(st.sampled_from(sorted(files)))
    check(judged(tmp_path_factory.mktemp("b"), {**files, path: data.draw(mutated(files[path]))}))


@pytest.mark.parametrize("path", sorted(small("ES1")))
def test_any_file_may_be_missing(path: str, tmp_path: Path) -> None:
    """Without any one file every rule still has a verdict, and the level is none."""
    report = judged(tmp_path, {name: data for name, data in small("ES1").items() if name != path})
    check(report)
    assert report is not None
    assert report.level in ("INVALID", "ES0")


def test_an_empty_run(tmp_path: Path) -> None:
    """A run without phases is told as what could not be read."""
    files = dict(small("ES1"))
    phases = json.loads(files["energy/phases.json"])
    files["energy/phases.json"] = json.dumps({**phases, "phases": []}).encode()
    report = judged(tmp_path, files)
    assert report is not None
    assert report.faults["energy/phases.json"] == "the run has no phase"
