"""Schemas of documents: what fits, and what the first misfit is called."""

from __future__ import annotations

import copy
import json

import pytest

from joulemark.standard.fitting import unfit
from tests.kit.spoil import good_case


@pytest.mark.parametrize("level", ["ES1", "ES2"])
def test_every_document_of_a_good_bundle_fits(level: str) -> None:
    """Each file that names a schema fits it."""
    documents = {path: data for path, data in good_case(level).documents.items() if "schema" in data}
    assert len(documents) >= 11
    assert {path: reason for path, data in documents.items() if (reason := unfit(data["schema"], data))} == {}


def test_the_place_of_a_misfit_is_named() -> None:
    """A number where a text was is found, with its place; the message is bounded."""
    data = copy.deepcopy(json.loads(json.dumps(good_case("ES1").documents["energy/phases.json"])))
    data["phases"][1]["name"] = [0] * 10_000
    reason = unfit("joulemark.run/1", data)
    assert reason.startswith("phases[1].name: ")
    assert len(reason) < 200


def test_no_schema_is_no_misfit() -> None:
    """What has no packaged schema is not judged here."""
    assert unfit("joulemark.unheard-of/1", {"x": 1}) == ""
