"""What exporters call their metrics: the shipped files, files of one's own, and numbers that are none."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import ConfigError
from joulemark.meters.prometheus_sources import FOLDER, UNITS, Metric, Source, load, shipped
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.units import si

OWN = """
about = "mine"
[[device]]
boundary = "rack"
serial = ["rack"]
[[device.metric]]
names = ["rack_watts"]
unit = "W"
"""


def metric(source: str, name: str) -> Metric:
    return next(m for devices in load(FOLDER / f"{source}.toml").device for m in devices.metric if name in m.names)


def test_six_exporters_are_shipped() -> None:
    """The exporters that the page names are there, each with the document it was checked against, and with power or energy."""
    assert shipped() == ("dcgm", "ipmi_exporter", "kepler", "node_exporter", "scaphandre", "zeusd")
    for name in shipped():
        source = load(FOLDER / f"{name}.toml")
        assert source.about
        assert source.reference
        assert source.verified
        assert source.names


@pytest.mark.parametrize(
    ("unit", "printed", "expected"),
    [
        ("W", 67.692, (67692, -3)),
        ("mW", 67692, (67692, -3)),
        ("uW", 9391334, (9391334, -6)),
        ("kW", 3.2, (3_200_000, -3)),
        ("J", 121567.391418, (121567391418, -6)),
        ("mJ", 15347724978, (15347724978, -3)),
        ("uJ", 246521945562, (246521945562, -6)),
        ("Wh", 0.5, (1_800_000, -3)),
        ("kWh", 1234.567, (4_444_441_200_000, -3)),
    ],
)
def test_units(unit: str, printed: float, expected: tuple[int, int]) -> None:
    """A printed number becomes the integer of its unit, without a digit lost."""
    one = Metric(("m",), unit)
    assert (one.judged(printed)[0], one.exponent) == expected


@given(st.sampled_from(sorted(UNITS)), st.floats(min_value=1e-3, max_value=1e6))
def test_a_value_is_the_printed_number(unit: str, printed: float) -> None:
    """Whatever the unit, the integer stands for the printed number to the step of its exponent."""
    one = Metric(("m",), unit)
    value, quality, reason = one.judged(printed)
    assert value is not None
    assert (quality, reason) == (Quality.OK, "")
    assert math.isclose(si(value, one.exponent), printed * float(UNITS[unit][1]), rel_tol=1e-12, abs_tol=10**one.exponent)


@pytest.mark.parametrize("printed", [math.nan, math.inf, -math.inf, -5.0, 0, 0.0, 140737488355328.0, 140737488355331, 1e300])
def test_no_number_for_a_missing_power(printed: float) -> None:
    """NaN, infinity, negative and zero watts, DCGM's blank values and absurd ones are sentinels with a reason."""
    value, quality, reason = metric("dcgm", "DCGM_FI_DEV_POWER_USAGE").judged(printed)
    assert (value, quality) == (None, Quality.SENTINEL)
    assert reason


@pytest.mark.parametrize("printed", [9223372036854775792, 9223372036854775794, 9.223372036854776e18])
def test_blank_energy(printed: float) -> None:
    """DCGM's blank 64-bit integers are no energy, printed whole or as floating point."""
    value, quality, reason = metric("dcgm", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION").judged(printed)
    assert (value, quality) == (None, Quality.SENTINEL)
    assert "no value" in reason


def test_a_counter_may_pass_the_blanks_of_other_types() -> None:
    """An energy that happens to equal a blank 32-bit integer, and one of zero, is an energy."""
    energy = metric("dcgm", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION")
    assert energy.judged(2147483632)[:2] == (2147483632, Quality.OK)
    assert energy.judged(0)[:2] == (0, Quality.OK)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """A file of the user's own describes an exporter as the shipped ones do."""
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    (devices,) = load(path).device
    assert (devices.boundary, devices.metric[0].quantity, devices.metric[0].channel_name) == (Boundary.RACK, Quantity.POWER, "power")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OWN.replace('unit = "W"', 'unit = "VA"'), r"unit 'VA'.*use one of W"),
        (OWN.replace("rack_watts", "a").replace("names", "name"), r"unknown key 'name'.*'names'"),
        (OWN.replace('boundary = "rack"', 'boundary = "roof"'), r"boundary.*use one of gpu"),
        (OWN.replace('serial = ["rack"]', ""), r"missing serial"),
        (OWN.replace('serial = ["rack"]', 'serial = ["rack"]\nselect = { rack = "(" }'), r"label rack of select is no pattern"),
        (OWN + '[[device.metric]]\nnames = ["b"]\nunit = "W"\n', r"one channel.*key channel"),
        ('about = "mine"', r"no \[\[device\]\]"),
        ('about = "mine"\n[[device]]\nboundary = "gpu"\nserial = []\n', r"no \[\[device.metric\]\]"),
        ("about = ", r"not valid TOML.*mend the line"),
    ],
)
def test_a_wrong_file_says_what_to_mend(tmp_path: Path, text: str, words: str) -> None:
    """A file with a wrong key, unit, boundary or pattern is refused with the key and what to write."""
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load(path)
    assert caught.value.next_step


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is an error of the configuration that names it."""
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


def test_every_metric_is_looked_for() -> None:
    """The names to look for hold every metric of every device, and what shows that a page was renewed."""
    source = Source("s", pulse=("beat",), device=load(FOLDER / "ipmi_exporter.toml").device)
    assert source.names == {"beat", "ipmi_dcmi_power_consumption_current_watts", "ipmi_dcmi_power_consumption_watts"}
