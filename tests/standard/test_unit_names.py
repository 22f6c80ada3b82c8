"""Units in names: which numbers are understood from their names alone."""

from __future__ import annotations

import pytest

from joulemark.standard.unit_names import carries_unit, nameless


@pytest.mark.parametrize("name", ["power_w", "energy_j", "age_s", "t_ns", "price_usd", "u95_rel", "gain", "output_tokens", "probe_count"])
def test_a_name_with_its_unit_is_understood(name: str) -> None:
    """A name that ends in a unit, or counts things, is understood."""
    assert carries_unit(name)


@pytest.mark.parametrize("name", ["power", "delay", "timeout_ms", "samples_per_second", "w", "_", "", "energy_mj", "window"])
def test_a_name_without_is_not(name: str) -> None:
    """A name without unit is not, nor one in milliseconds: only one unit of time each for durations and moments is in a bundle."""
    assert not carries_unit(name)


def test_places_are_named() -> None:
    """The path of a number in a list or below other objects is told; labels and values with a unit beside them are not asked."""
    data = {
        "a": [{"delay": 3, "ok": True, "text": "5"}],
        "spans": [1, 2],
        "labels": {"anything": 1},
        "tool_reported": [{"value": 3.0, "unit": "J"}, {"value": 3.0}],
    }
    assert sorted(set(nameless(data, path="x"))) == ["x.a.delay", "x.spans", "x.tool_reported.value"]
