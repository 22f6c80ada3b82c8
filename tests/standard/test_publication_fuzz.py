"""Hostile bundles on a page: whatever stands in a file, page and label are whole and harmless, or the bundle is refused in words."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from joulemark.cards import bundle
from joulemark.cards.measured import Measured
from joulemark.cards.opened import opened
from joulemark.errors import JoulemarkError
from joulemark.standard.publication import Publication
from tests.cards import reading
from tests.cards.pages import full, validation
from tests.cards.test_page import POISON
from tests.mutations import mutated

ODD: Final = (None, True, 0, -1, 2**62, 2**63, -(2**70), 1e308, -1e308, 1e-320, 0.5, "", "2026-99-99", [], {}, *POISON[:-1])


@functools.cache
def files() -> dict[str, bytes]:
    """A small bundle with everything on it."""
    return bundle.build(full("ES1").evidence)


@functools.cache
def places(path: str) -> tuple[tuple[Any, ...], ...]:
    """Where each value of a document stands, a few of each list."""

    def within(data: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        inner = data.items() if isinstance(data, dict) else enumerate(data[:3]) if isinstance(data, list) else ()
        return [found for key, value in inner for found in ((*way, key), *within(value, (*way, key)))]

    return tuple(within(json.loads(files()[path])))


def shown(folder: Path, changes: dict[str, bytes]) -> bool:
    """Whether the bundle with these files changed has a page; then it is whole, harmless and true."""
    for path, data in {**files(), **changes}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    try:
        evidence = opened(folder).evidence
        made = None if evidence is None else Publication.made(Measured.of(evidence), validation("ES1"))
    except JoulemarkError:
        return False
    if made is None:
        return False
    found = reading.Page.of(made.page)
    assert found.faults == []
    assert reading.untrue(found, json.loads(json.dumps(made.document))) == []
    reading.drawing(made.label())
    return True


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_odd_values_break_no_page(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any value of any document may be anything that JSON can say, markup among it."""
    path = data.draw(st.sampled_from(sorted(name for name in files() if name.endswith(".json"))))
    document = json.loads(files()[path])
    way, value = data.draw(st.sampled_from(places(path))), data.draw(st.sampled_from(ODD))
    place = document
    for key in way[:-1]:
        place = place[key]
    place[way[-1]] = value
    shown(tmp_path_factory.mktemp("b"), {path: json.dumps(document).encode()})


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_bytes_break_no_page(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any file may be damaged, readings too."""
    path = data.draw(st.sampled_from(sorted(files())))
    shown(tmp_path_factory.mktemp("b"), {path: data.draw(mutated(files()[path]))})


@pytest.mark.parametrize("poison", POISON, ids=range(len(POISON)))
def test_names_of_models_hosts_and_runs_are_text(poison: str, tmp_path: Path) -> None:
    """A bundle whose every name is hostile: of model, engine, benchmark, labels, phases and run. A megabyte is cut."""
    run, workload = json.loads(files()["energy/phases.json"]), json.loads(files()["energy/workload.json"])
    text = poison[:1_000_000].encode("utf-8", "replace").decode().replace("\x00", "\x01")
    run |= {"benchmark": text, "run_id": text, "labels": {text[:1000]: text}}
    run["phases"][0]["name"] = text
    workload |= {"model": text, "engine": text, "dataset": text}
    assert shown(tmp_path, {"energy/phases.json": json.dumps(run).encode(), "energy/workload.json": json.dumps(workload).encode()})
