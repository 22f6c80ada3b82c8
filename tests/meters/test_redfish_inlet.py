"""The air that a server takes in: where a BMC tells it, what is none of it, and how often it is read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import MeterTransient
from joulemark.meters.redfish_inlet import first, is_inlet, of_resource, of_sensor
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.timebase import SystemClock
from tests.meters.conformance import built
from tests.meters.living.redfish import options, serving
from tests.standins.redfish_standin import ENVIRONMENT, INLET, ROOT, THERMAL, THERMAL_METRICS, RedfishServer, ref

CHASSIS = f"{ROOT}/Chassis/1U"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedfishServer]:
    with serving(tmp_path, tls=False) as running:
        running.inlet_c = 23.5
        yield running


def told_c(server: RedfishServer, **more: Any) -> list[float]:
    """The inlet temperatures of one read."""
    with built("redfish", {**options(server), "stream": False, **more}) as meter:
        meter.open()
        seldom = [device for device in meter.info if device.seldom]
        values = {sample.device_id: sample.values for sample in meter.read(SystemClock())}
        return [device.meters[0].si(values[device.device_id][0] or 0) for device in seldom]


def test_a_witness_beside_the_power(server: RedfishServer) -> None:
    """The inlet is a witness on a device of its own that covers the host, good to what its sensor states, and makes no energy."""
    with built("redfish", {**options(server), "stream": False}) as meter:
        meter.open()
        power, inlet = meter.info
        assert (inlet.device_id, inlet.seldom, power.seldom) == ("redfish:node1:437XR1138R2-inlet", True, False)
        (info,) = inlet.meters
        assert (info.channel, info.quantity, info.exponent, info.step) == ("inlet", Quantity.TEMPERATURE, -3, 100)
        assert (info.boundary, info.covers, info.serial, info.update_period_s) == (Boundary.SERVER_INPUT, ("node1",), "", 30.0)
        assert info.accuracy is not None
        assert (info.accuracy.limit_w(24.0), info.accuracy.source) == (1.5, f"ReadingAccuracy of {INLET}")
        assert not info.quantity.measures_energy
        assert [sample.values[0] for sample in meter.read(SystemClock())] == [512_000, 23_500]


class Later(SystemClock):
    """A thousand seconds on."""

    def mono_ns(self) -> int:
        return super().mono_ns() + 1_000_000_000_000


def test_it_is_read_seldom(server: RedfishServer) -> None:
    """Between two looks nothing is asked of it; after the interval its new value is read; 0 looks never."""
    with built("redfish", {**options(server), "stream": False, "witness_interval_s": 1000.0}) as meter:
        meter.open()
        assert [len(meter.read(SystemClock())) for _ in range(3)] == [2, 1, 1]
        asked = [path for _, path in server.requests].count(THERMAL_METRICS)
        server.inlet_c = -4.25
        assert meter.read(Later())[1].values == (-4_250,)
        assert [path for _, path in server.requests].count(THERMAL_METRICS) == asked + 1
    server.requests.clear()
    assert told_c(server, witness_interval_s=0.0) == []
    assert THERMAL not in {path for _, path in server.requests}


def test_beside_supplies_there_is_one(server: RedfishServer) -> None:
    """A server read by its supplies has one inlet, at their boundary; a chassis that is a part of one has none."""
    with built("redfish", {**options(server), "stream": False, "origin": "supplies"}) as meter:
        meter.open()
        assert [device.device_id[-5:] for device in meter.info] == ["-Bay1", "-Bay2", "inlet"]
        assert meter.info[2].meters[0].boundary is Boundary.PSU_INPUT
    server.overrides = {CHASSIS: {**server.resources()[CHASSIS], "ChassisType": "Module"}}
    assert told_c(server) == []


def test_a_failing_thermometer_costs_no_power(server: RedfishServer) -> None:
    """An inlet that is gone or shows no air is a gap with its reason; one that never answers costs the inlet only."""
    with built("redfish", {**options(server), "stream": False, "witness_interval_s": 0.001}) as meter:
        meter.open()
        for failing, reason in (
            (404, "status 404"),
            (503, "status 503"),
            ({"TemperatureSummaryCelsius": {"Intake": {"Reading": 127}}}, "no air"),
            ({"TemperatureSummaryCelsius": {"Intake": {"Reading": None}}}, "null"),
        ):
            server.overrides = {THERMAL_METRICS: failing}
            time.sleep(0.002)
            power, inlet = meter.read(SystemClock())
            assert (power.qualities[0], inlet.values) == (Quality.OK, (None,))
            assert reason in inlet.reasons[0]
        server.overrides = {ENVIRONMENT: 503}
        with pytest.raises(MeterTransient, match="503"):
            meter.read(SystemClock())
    for failing in (503, 404):
        server.overrides = {THERMAL: failing, THERMAL_METRICS: failing}
        assert told_c(server) == []


def test_the_older_thermal_and_the_sensors(server: RedfishServer) -> None:
    """Without thermal metrics the older Thermal is asked, then sensors whose path says inlet; one that is a part's is none."""
    sensors = f"{CHASSIS}/Sensors"
    older = {**server.resources()[CHASSIS], "Thermal": ref(f"{CHASSIS}/Thermal"), "Sensors": ref(sensors)}
    del older["ThermalSubsystem"]
    board = {"Name": "System Board Inlet Temp", "ReadingCelsius": 21, "PhysicalContext": "SystemBoard"}
    names = ("CPU0_Temp", "PSU1_Inlet_Temp", "Inlet_Humidity", "Inlet_Temp")
    server.overrides = {
        CHASSIS: older,
        f"{CHASSIS}/Thermal": {"Temperatures": [board]},
        sensors: {"Members": [ref(f"{sensors}/{name}") for name in names]},
        f"{sensors}/PSU1_Inlet_Temp": {"Reading": 41.0, "ReadingUnits": "Cel"},
        f"{sensors}/Inlet_Humidity": {"Reading": 40.0, "ReadingType": "Humidity", "ReadingUnits": "%"},
        f"{sensors}/Inlet_Temp": {"Reading": 22.25, "ReadingType": "Temperature", "ReadingUnits": "Cel"},
    }
    assert told_c(server) == [21.0]
    server.overrides = {**server.overrides, f"{CHASSIS}/Thermal": 404}
    assert told_c(server) == [22.25]
    assert f"{sensors}/CPU0_Temp" not in {path for _, path in server.requests}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"Name": "01-Inlet Ambient", "PhysicalContext": "Intake", "ReadingCelsius": 20}], 0),
        ([{"Name": "Ambient Temp", "ReadingCelsius": 25}, {"Name": "T", "PhysicalContext": "Intake", "ReadingCelsius": 24}], 1),
        ([{"Name": "PSU1 Inlet", "PhysicalContext": "Intake", "ReadingCelsius": 20}], None),
        ([{"Name": "Coolant Inlet", "PhysicalContext": "LiquidInlet", "ReadingCelsius": 20}], None),
        ([{"Name": "Inlet Temp", "PhysicalContext": "PowerSupply", "ReadingCelsius": 20}], None),
        ([{"Name": "Inlet Temp", "ReadingCelsius": 20, "Status": {"State": "Absent"}}], None),
        (["odd", {"Name": "Inlet Temp", "ReadingCelsius": "19.5"}], 1),
        ([{"Name": "Exhaust Temp", "PhysicalContext": "Exhaust", "ReadingCelsius": 20}, {"ReadingCelsius": 3}], None),
    ],
)
def test_which_of_many_temperatures(entries: list[Any], expected: int | None) -> None:
    """What is placed at the intake goes before what is called so, and parts, liquids and absent sensors are never the air."""
    resource = {"Temperatures": entries}
    found = first("/t", resource, of_resource(resource))
    assert (None if found is None else found.point.keys[1]) == expected


def test_names_and_sensors() -> None:
    """Words count, not letters within words; a sensor in another unit is none."""
    assert all(map(is_inlet, ("InletTemp", "Inlet_Temp", "TEMP_INLET", "MB Intake", "Ambient")))
    assert not any(map(is_inlet, ("PSU1_InletTemp", "PS1 Inlet", "Liquid inlet", "Subletinlets", "ExhaustAmbient", "Temp", "")))
    assert list(of_sensor({"Reading": 71.0, "ReadingUnits": "[degF]"})) == []
    assert list(of_sensor({"Reading": 21.0})) == [("Reading",)]
