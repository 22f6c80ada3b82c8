"""Carbon intensities: the kind is said, the id is free of dates, and every wrong value is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from joulemark.errors import ConfigError, FormatError, JoulemarkError
from joulemark.pricing.carbon import Carbon
from joulemark.pricing.dates import moment_ns
from joulemark.pricing.snapshot import Snapshot

ENTRY: dict[str, Any] = {
    "zone": "FR",
    "g_per_kwh": "75",
    "kind": "average",
    "effective_from": "2023-03-20T14:00:00Z",
    "effective_to": "2023-03-20T15:00:00Z",
    "fetched_at": "2023-03-20T14:08:00Z",
    "source_url": "https://example.com/latest",
    "estimated": True,
}


def test_an_intensity_comes_back_from_its_record() -> None:
    """What is written is read again, hash included, alone and in a snapshot."""
    carbon = Carbon.from_json(ENTRY)
    assert Carbon.from_json(carbon.record()) == carbon
    assert Snapshot.from_json(Snapshot(carbons=(carbon, carbon)).to_json()).carbons == (carbon,)
    assert (carbon.g_per_kwh, carbon.known_ns) == (Decimal(75), moment_ns("2023-03-20T14:08:00Z", "test"))


def test_a_revision_is_another_point_and_another_day_is_not() -> None:
    """The same figure of another hour keeps its id; a revised figure, the marginal one and a final one are other points."""
    one = Carbon.from_json(ENTRY).point_id
    later = {"effective_from": "2023-03-20T15:00:00Z", "effective_to": "2023-03-20T16:00:00Z", "fetched_at": "2023-03-20T16:00:00Z"}
    assert Carbon.from_json({**ENTRY, **later, "feed": "electricity_maps"}).point_id == one
    for change in ({"g_per_kwh": "74"}, {"kind": "marginal"}, {"estimated": False}, {"zone": "DE"}):
        assert Carbon.from_json({**ENTRY, **change}).point_id != one


def test_a_zone_without_carbon_is_no_missing_one() -> None:
    """Zero grams are a figure that a source may state; a missing figure is refused, never taken for zero."""
    assert Carbon.from_json({**ENTRY, "g_per_kwh": "0"}).g_per_kwh == 0
    for absent in (None, "null"):
        with pytest.raises(FormatError, match="g_per_kwh"):
            Carbon.from_json({**ENTRY, "g_per_kwh": absent})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"g_per_kwh": 75.0}, "not an amount"),
        ({"g_per_kwh": "-1"}, "negative"),
        ({"effective_to": "2023-03-20T14:00:00Z"}, "ends before it begins"),
        ({"kind": "mean"}, "'mean' is not known"),
        ({"fetched_at": "2023-03-20T14:08:00"}, "no time zone"),
        ({"sha256": "00" * 32}, "sha256 does not match"),
        ({"gCO2": "75"}, "unknown key 'gCO2'"),
    ],
)
def test_wrong_values_are_named(change: dict[str, Any], message: str) -> None:
    """A float, a negative figure, an hour that ends before it begins, an unknown kind and a hash of something else are refused."""
    with pytest.raises(JoulemarkError, match=message):
        Carbon.from_json({**ENTRY, **change})
    with pytest.raises(ConfigError, match="did you mean 'g_per_kwh'"):
        Carbon.from_json({**ENTRY, "g_per_kw": "75"})
