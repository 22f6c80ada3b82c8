"""Meters, devices, samples and when a reading was true."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.certificate import Certificate
from joulemark.errors import FormatError
from joulemark.readings import (
    WORK,
    Accuracy,
    Averaging,
    Boundary,
    Current,
    DeviceInfo,
    MeterInfo,
    Quality,
    Quantity,
    Sample,
    TimestampSource,
    effective_time,
)

POWER = MeterInfo("nvml:h1:GPU-7:power", "nvml", Quantity.POWER, -3, Boundary.GPU)


@st.composite
def meters(draw: st.DrawFn) -> MeterInfo:
    """Any meter description a driver could give."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    number = st.none() | st.floats(0, 1e6)
    return MeterInfo(
        meter_id=f"{draw(text)}:h:{draw(text)}:c",
        kind=draw(text),
        quantity=draw(st.sampled_from(Quantity)),
        exponent=draw(st.sampled_from([-6, -3, 0])),
        boundary=draw(st.sampled_from(Boundary)),
        current=draw(st.sampled_from(Current)),
        vendor=draw(text),
        modulus=draw(st.none() | st.integers(1, 2**63)),
        averaging=draw(st.sampled_from(Averaging)),
        averaging_window_s=draw(number),
        coverage=draw(st.none() | st.floats(0, 1)),
        accuracy=draw(st.none() | st.builds(Accuracy, pct_reading=st.floats(0, 5), abs_w=st.floats(0, 9), source=text)),
        certificate=draw(st.none() | st.builds(Certificate, text, text, text, st.floats(0, 1))),
        timestamp_source=draw(st.sampled_from(TimestampSource)),
        covers=tuple(draw(st.lists(text, max_size=3))),
        simulated=draw(st.booleans()),
    )


@given(meters())
def test_description_survives_json(meter: MeterInfo) -> None:
    """A meter description comes back from its JSON object as it was."""
    assert MeterInfo.from_json(json.loads(json.dumps(meter.to_json()))) == meter


@pytest.mark.parametrize(
    ("change", "named"),
    [({"watts": 1}, "watts"), ({"quantity": "heat"}, "heat"), ({"boundary": None}, "None"), ({"accuracy": {"typo": 1}}, "typo")],
)
def test_description_with_a_wrong_key_or_value_is_refused(change: dict[str, Any], named: str) -> None:
    """An unknown key or enum text in a description raises FormatError and is named."""
    with pytest.raises(FormatError, match=named):
        MeterInfo.from_json({**POWER.to_json(), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"meter_id": "a:b"},
        {"exponent": 300},
        {"exponent": True},
        {"modulus": 0},
        {"update_period_s": 1e308},
        {"averaging_window_s": float("nan")},
        {"coverage": 1.5},
        {"rated_w": float("inf")},
        {"accuracy": {"pct_reading": -1}},
        {"accuracy": {"abs_w": "2"}},
        {"covers": [1]},
        {"vendor": "half \ud800"},
    ],
)
def test_description_that_would_overflow_is_refused(change: dict[str, Any]) -> None:
    """A figure of another kind, not finite or beyond belief raises FormatError that names its key."""
    with pytest.raises(FormatError, match=next(iter(change))):
        MeterInfo.from_json({**POWER.to_json(), **change})


def test_description_without_its_id_is_refused() -> None:
    """A description that lacks a required key is not completed by guessing."""
    data = POWER.to_json()
    del data["meter_id"]
    with pytest.raises(FormatError, match="meter_id"):
        MeterInfo.from_json(data)


def test_ids_columns_and_units() -> None:
    """Device, channel, column header and SI value follow from the meter's id, quantity and exponent."""
    counter = MeterInfo("rapl:h1:0:package-0", "rapl", Quantity.ENERGY_COUNTER, -6, Boundary.PACKAGE)
    assert (POWER.device_id, POWER.channel, POWER.value_column, POWER.si(700_123)) == ("nvml:h1:GPU-7", "power", "power_milliwatt", 700.123)
    assert (counter.value_column, counter.si(5)) == ("energy_microjoule", 5e-6)


def test_only_three_qualities_enter_an_energy() -> None:
    """Readings that are ok, wrapped or reset are integrated; stale ones, gaps and all the others are not."""
    assert {q for q in Quality if q.integrable} == {Quality.OK, Quality.WRAPPED, Quality.RESET}


def test_quality_codes_are_the_stores() -> None:
    """The integer of a quality is written to disk, so it never changes."""
    assert {q.name: int(q) for q in Quality} == {
        "OK": 1,
        "STALE": 2,
        "WRAPPED": 3,
        "RESET": 4,
        "OVER_RANGE": 5,
        "SQUELCHED": 6,
        "SENTINEL": 7,
        "GAP": 8,
    }


def test_accuracy_limit_adds_reading_range_and_floor() -> None:
    """0.1 % of 500 W, 0.05 % of a 1000 W range and 0.2 W make 1.2 W."""
    accuracy = Accuracy(pct_reading=0.1, pct_range=0.05, range_w=1000.0, abs_w=0.2)
    assert accuracy.limit_w(500.0) == pytest.approx(1.2)
    assert accuracy.limit_w(-500.0) == pytest.approx(1.2)


def test_a_device_holds_only_its_own_channels() -> None:
    """A meter of another device cannot be put into a device."""
    with pytest.raises(ValueError, match="not a channel"):
        DeviceInfo("nvml:h1:GPU-8", (POWER,))


def test_gap_is_a_sample_without_numbers() -> None:
    """A failed read keeps its time and reason, and holds no value for any meter."""
    device = DeviceInfo(POWER.device_id, (POWER,))
    gap = Sample.gap(device, 10, 20, 30, "bus error").numbered(7, pinned=True)
    assert (gap.values, gap.qualities, gap.reasons, gap.seq, gap.pinned) == ((None,), (Quality.GAP,), ("bus error",), 7, True)


def timed(
    source: TimestampSource, window_s: float | None = None, declared_s: float | None = None, measured_s: float | None = None
) -> MeterInfo:
    return MeterInfo(
        "k:h:s:c",
        "k",
        Quantity.POWER,
        -3,
        Boundary.GPU,
        averaging_window_s=window_s,
        update_period_s=declared_s,
        update_period_measured_s=measured_s,
        timestamp_source=source,
    )


@pytest.mark.parametrize(
    ("meter", "device_ns", "expected"),
    [
        (timed(TimestampSource.READ_BRACKET), None, (1_000_000_000, 2_000)),
        (timed(TimestampSource.READ_BRACKET, declared_s=0.1), None, (1_000_000_000, 50_002_000)),
        (timed(TimestampSource.READ_BRACKET, declared_s=0.1, measured_s=0.02), None, (1_000_000_000, 10_002_000)),
        (timed(TimestampSource.READ_BRACKET, window_s=1.0), None, (500_000_000, 2_000)),
        (timed(TimestampSource.DRIVER, window_s=1.0, declared_s=0.1), 900_000_000, (400_000_000, 1000)),
        (timed(TimestampSource.DRIVER, declared_s=0.1), None, (1_000_000_000, 50_002_000)),
        (timed(TimestampSource.READ_BRACKET), 900_000_000, (1_000_000_000, 2_000)),
    ],
)
def test_effective_time(meter: MeterInfo, device_ns: int | None, expected: tuple[int, int]) -> None:
    """The driver's stamp, uncertain by its step, wins where it exists; else the bracket's middle, uncertain by half the bracket and
    half the measured refresh.
    """
    assert effective_time(meter, t_read_ns=1_000_000_000, bracket_ns=4_000, t_device_ns=device_ns) == expected


def test_counts_of_work_are_no_energy() -> None:
    """Tokens and requests only grow, are counted and make no energy; what runs now, and for how long, is no counter."""
    for quantity in WORK:
        assert quantity.counts_work
        assert quantity.cumulative
        assert not quantity.measures_energy
        assert quantity.unit == "count"
        assert quantity.of_engine
    assert Quantity.UPTIME.of_engine
    assert not Quantity.TEMPERATURE.of_engine
    assert not Quantity.RUNNING_REQUESTS.cumulative
    assert not Quantity.UPTIME.cumulative
    assert Quantity.REPORTED_ENERGY.cumulative
    assert not Quantity.REPORTED_ENERGY.measures_energy
    assert [quantity for quantity in Quantity if quantity.measures_energy] == [Quantity.POWER, Quantity.ENERGY_COUNTER]
    meter = MeterInfo("serving:h:s:output_tokens", "serving", Quantity.OUTPUT_TOKENS, 0, Boundary.SERVER_INPUT)
    assert meter.value_column == "output_tokens_count"
