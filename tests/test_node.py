"""Descriptions of nodes survive the way to a file and back, and settings are compared by their values."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from joulemark.errors import FormatError
from joulemark.node import ASKED_SETTINGS, Component, Nodes, Settings
from tests.kit.lab import SETTINGS, Lab


def test_nodes_come_back_from_json_as_they_were() -> None:
    """What was written of nodes, components and surveys is read back equal."""
    nodes = Lab.of("ES1").nodes
    assert Nodes.from_json(json.loads(json.dumps(nodes.to_json()))) == nodes


def test_another_schema_is_refused() -> None:
    """A file of another schema is named, not half read."""
    with pytest.raises(FormatError, match=r"schema 'joulemark.nodes/9'"):
        Nodes.from_json({"schema": "joulemark.nodes/9"})


def test_an_unknown_key_is_refused() -> None:
    """A key that nobody knows is no silent loss."""
    with pytest.raises(FormatError, match="participants"):
        Nodes.from_json({**Nodes().to_json(), "participants": 3})


def test_the_digest_of_settings_is_of_their_values() -> None:
    """Order and time do not matter, one changed value does."""
    settings = Settings(1, SETTINGS)
    assert settings.sha256 == Settings(2, dict(reversed(list(SETTINGS.items())))).sha256
    assert settings.sha256 != Settings(1, {**SETTINGS, "power_cap_w": "650"}).sha256


def test_the_digest_of_settings_can_be_made_by_anybody() -> None:
    """It is the sha256 of JSON with keys in order, no spaces, in UTF-8."""
    own = "a16aa36b9222ad525685c64f8338e30ee3ff552637dc288190d87bc387ac132e"
    assert Settings(0, {"b": "2", "a": "é"}).sha256 == own


def test_settings_that_are_not_held_are_named() -> None:
    """A setting of several parts counts by its name before the dot; an empty one is not held."""
    assert Settings(0, SETTINGS).missing() == ()
    assert Settings(0).missing() == ASKED_SETTINGS
    parts = {key: value for key, value in SETTINGS.items() if key != "clocks"} | {"clocks.GPU-1": "1980", "governor": ""}
    assert Settings(0, parts).missing() == ("governor",)


def test_only_an_upper_bound_is_added() -> None:
    """The bound is the limit times the share that may be used; measured, absent and unknown parts add nothing."""
    bound = Component("switch", "upper_bound", max_spec_w=1000.0, provisioning=0.25)
    assert bound.upper_bound_w == 250.0
    assert replace(bound, method="measured").upper_bound_w is None
    assert replace(bound, max_spec_w=None).upper_bound_w is None
