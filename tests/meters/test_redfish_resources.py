from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.meters import redfish_resources as resources
from joulemark.meters.redfish_resources import Point, control_points, environment_points, value_at
from joulemark.readings import Averaging, Boundary, Current, Quality, Quantity

POWER = Point("power", Quantity.POWER, ("PowerWatts", "Reading"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.decimals(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Reading", "Status", "State", "PowerWatts", "x"]), inner),
    max_leaves=12,
)


def environment(reading: Any, **more: Any) -> dict[str, Any]:
    return {"PowerWatts": {"Reading": reading, **more}}


@pytest.mark.parametrize(
    ("raw", "value"),
    [(374, 374_000), (Decimal("374.5"), 374_500), ("374.5", 374_500), (Decimal("0.0004"), 0), (Decimal("1E+3"), 1_000_000)],
)
def test_numbers_in_watts(raw: Any, value: int) -> None:
    """A number, also one in text as in metric reports, is taken exactly, in milliwatts."""
    assert value_at(environment(raw), POWER).value == value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "is null"),
        ("NaN", "'NaN', which is no number"),
        (Decimal("NaN"), "no number"),
        (Decimal("Infinity"), "no number"),
        ("n/a", "no number"),
        (True, "no number"),
        ([374], "no number"),
        ({"Value": 374}, "no number"),
        (Decimal("1E+999999999"), "no number"),
        (10**300, "no number"),
    ],
)
def test_what_is_no_number_is_a_gap(raw: Any, reason: str) -> None:
    """Null, NaN in any spelling, truth values, lists and numbers beyond any meter are gaps with a reason, and cost no time."""
    value = value_at(environment(raw), POWER)
    assert (value.value, value.quality) == (None, Quality.GAP)
    assert reason in value.reason


@pytest.mark.parametrize("raw", [0, Decimal("0.0"), -1])
def test_no_power_from_a_machine_that_answers(raw: Any) -> None:
    """0 W and less are sentinels, unless a power supply says that it stands by; energy may be zero, never less."""
    assert value_at(environment(raw), POWER).quality is Quality.SENTINEL
    energy = Point("energy", Quantity.ENERGY_COUNTER, ("EnergykWh", "Reading"), 3_600_000)
    assert value_at({"EnergykWh": {"Reading": raw}}, energy).quality is (Quality.OK if raw == 0 else Quality.SENTINEL)
    spare = value_at({"Status": {"State": "StandbySpare"}, **environment(raw)}, POWER)
    assert (spare.value, spare.quality) == ((0, Quality.OK) if raw == 0 else (None, Quality.SENTINEL))


@pytest.mark.parametrize("state", ["UnavailableOffline", "Absent", "Disabled"])
def test_an_absent_part_has_no_value(state: str) -> None:
    """What the BMC calls absent is a gap, whatever number still stands beside it, at any level of the resource."""
    for resource in (environment(300, Status={"State": state}), {"Status": {"State": state}, **environment(300)}):
        value = value_at(resource, POWER)
        assert (value.value, value.quality) == (None, Quality.GAP)
        assert state in value.reason


def test_a_reading_time_in_a_zone() -> None:
    """The date of a sensor comes out in UTC: +06:00 is six hours earlier."""
    sensor = {"Reading": 374, "ReadingTime": "2019-01-31T23:40:11.5+06:00"}
    assert value_at(sensor, Point("power", Quantity.POWER, ("Reading",))).t_ns == 1_548_956_411_500_000_000


@pytest.mark.parametrize("raw", ["2019-01-31T23:40:11", "yesterday", None, 5, "0001-01-01T00:00:00Z", "1950-01-01T00:00:00Z"])
def test_a_date_that_is_none(raw: Any) -> None:
    """A date without a zone is not guessed; what is no date is none."""
    assert resources.utc_ns(raw) is None


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("PT0.25S", 0.25),
        ("PT1M", 60.0),
        ("P1DT2H", 93_600.0),
        ("PT0S", None),
        ("P", None),
        ("1", None),
        (1, None),
        ("PT" + "9" * 50 + "S", None),
    ],
)
def test_durations(raw: Any, seconds: float | None) -> None:
    """ISO 8601 durations in seconds; zero and what is none are not known."""
    assert resources.duration_s(raw) == seconds


def test_energy_in_the_finer_unit() -> None:
    """EnergyJoules goes before EnergykWh; a kilowatt-hour is 3.6 MJ."""
    both = {"EnergykWh": {"Reading": Decimal("1.5")}, "EnergyJoules": {"Reading": 7}}
    [joules] = environment_points(both)
    assert (joules.quantity, value_at(both, joules).value) == (Quantity.ENERGY_COUNTER, 7000)
    [kwh] = environment_points({"EnergykWh": {"Reading": 1}})
    assert value_at({"EnergykWh": {"Reading": Decimal("1.5")}}, kwh).value == 5_400_000_000


@pytest.mark.parametrize(
    ("raw", "step"),
    [
        (Decimal("12.3"), 360_000_000),
        (Decimal("12.345"), 3_600_000),
        (12, 3_600_000_000),
        (Decimal("12.345678"), 3_600),
        (Decimal("123.45600128173828"), 1),
        (Decimal("1E+2"), 3_600_000_000),
        (None, 1),
    ],
)
def test_the_step_comes_from_the_decimals(raw: Any, step: int) -> None:
    """The step of a kWh counter is that of its last decimal, in millijoules; the decimals of a float's noise say nothing."""
    assert resources.step_of(raw, Point("energy", Quantity.ENERGY_COUNTER, ("x",), 3_600_000)) == step


def test_power_control_of_the_older_schema() -> None:
    """Each entry is a channel; the interval belongs to its statistics, and is a window only where the average alone is told."""
    resource = {
        "PowerControl": [
            {"PowerConsumedWatts": 344, "PowerCapacityWatts": 800, "PowerMetrics": {"IntervalInMin": 30, "AverageConsumedWatts": 319}},
            {"PhysicalContext": "CPU", "PowerMetrics": {"IntervalInMin": 1, "AverageConsumedWatts": 120}},
            "nonsense",
        ]
    }
    whole, cpu = control_points(resource)
    assert (whole.channel, whole.averaging, whole.window_s, whole.rated_w) == ("power", Averaging.UNKNOWN, None, 800.0)
    assert value_at(resource, whole).value == 344_000
    assert (cpu.channel, cpu.averaging, cpu.window_s, cpu.boundary) == ("power-1", Averaging.BOXCAR, 60.0, Boundary.MODULE)
    assert value_at(resource, cpu).value == 120_000


def test_what_a_sensor_tells() -> None:
    """Percent and watts of accuracy, the sensing interval, the range and the side are taken over; an energy takes no watts."""
    sensor = {"Accuracy": Decimal("0.2"), "SensingInterval": "PT0.25S", "ReadingRangeMax": 3000, "VoltageType": "DC"}
    facts = resources.sensor_facts(sensor, POWER, path="/s")
    assert (facts["accuracy"].pct_reading, facts["accuracy"].source) == (0.2, "Accuracy of /s")
    assert (facts["update_period_s"], facts["rated_w"], facts["current"]) == (0.25, 3000.0, Current.DC)
    assert resources.sensor_facts({"ReadingAccuracy": 6}, POWER, path="/s")["accuracy"].abs_w == 6.0
    energy = Point("energy", Quantity.ENERGY_COUNTER, ("x",))
    assert resources.sensor_facts({"ReadingAccuracy": 6, "ReadingRangeMax": 3000}, energy, path="/s") == {}


@pytest.mark.parametrize(
    ("told", "serial"),
    [
        ({"UUID": "00000000-0000-0000-0000-000000000000", "SerialNumber": "437XR"}, "437XR"),
        ({"UUID": None, "SerialNumber": "To be filled by O.E.M."}, ""),
        ({"SerialNumber": "Default string"}, ""),
        ({"SerialNumber": "N/A"}, ""),
        ({"SerialNumber": "a:b"}, "a-b"),
        ({"UUID": "38947555-7742-3448-3784-823347823834", "SerialNumber": "437XR"}, "38947555-7742-3448-3784-823347823834"),
    ],
)
def test_serials(told: dict[str, Any], serial: str) -> None:
    """A UUID goes before a serial number; zeros and the phrases of unfinished firmware are neither."""
    assert resources.serial_of(told) == serial


@pytest.mark.parametrize("path", ["https://evil.example/x", "@evil.example/x", ":8443/x", "/a b", "/a\nb", "", None, 5])
def test_a_link_that_leaves_the_service(path: Any) -> None:
    """Only a path on the same service is a link: no credential is led elsewhere."""
    assert resources.link({"Chassis": {"@odata.id": path}}, "Chassis") == ""
    assert resources.links({"Members": [{"@odata.id": path}, "x"]}, "Members") == []


@given(JSON)
def test_any_json_is_a_value_or_a_reason(resource: Any) -> None:
    """Whatever a BMC sends, the pure part never raises, and each value is an int or has a reason."""
    shaped = resource if isinstance(resource, dict) else {"PowerWatts": resource, "PowerControl": resource, "EnergykWh": resource}
    points = [*environment_points(shaped), *control_points(shaped), POWER]
    for point in points:
        value = value_at(shaped, point)
        assert (value.value is None) == bool(value.reason)
        assert value.value is None or -(2**63) <= value.value < 2**63
        resources.sensor_facts(shaped, point, path="/s")
    resources.serial_of(shaped)
