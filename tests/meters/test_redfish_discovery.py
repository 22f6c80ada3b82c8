from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulemark.errors import MeterUnavailable
from joulemark.meters.redfish_discovery import boundary_of
from joulemark.readings import Averaging, Boundary, Current, DeviceInfo, Quality
from joulemark.timebase import SystemClock
from tests.meters.conformance import built
from tests.meters.living.redfish import options, serving
from tests.standins.redfish_standin import ENVIRONMENT, POWER, ROOT, SENSOR, SUPPLIES, RedfishServer, ref

CHASSIS = f"{ROOT}/Chassis/1U"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedfishServer]:
    with serving(tmp_path, tls=False) as running:
        yield running


def found(server: RedfishServer, **more: Any) -> tuple[tuple[DeviceInfo, ...], list[tuple[int | None, ...]], list[tuple[Quality, ...]]]:
    """The devices that a meter finds, and one reading of them."""
    with built("redfish", {**options(server), "stream": False, **more}) as meter:
        meter.open()
        samples = meter.read(SystemClock())
        return meter.info, [sample.values for sample in samples], [sample.qualities for sample in samples]


def test_power_supplies_are_cords(server: RedfishServer) -> None:
    """Each power supply is a device with a cord of its own, named by its bay, with its own maker and serial; nothing is summed."""
    devices, values, _ = found(server, origin="supplies")
    assert [device.device_id for device in devices] == ["redfish:node1:437XR1138R2-Bay1", "redfish:node1:437XR1138R2-Bay2"]
    power, energy = devices[1].meters
    assert (power.channel, energy.channel, power.covers) == ("Bay2-power", "Bay2-energy", ("437XR1138R2/Bay2",))
    assert (power.boundary, power.current, power.serial, power.model) == (Boundary.PSU_INPUT, Current.AC, "PSU-1", "DPS-1600")
    assert [row[0] for row in values] == [256_000, 256_000]


def test_an_empty_bay_has_no_cord(server: RedfishServer) -> None:
    """A supply that is absent is no device; one whose cord is dead is a device with gaps."""
    supplies = server.resources()
    server.overrides = {
        f"{SUPPLIES}/Bay1": {**supplies[f"{SUPPLIES}/Bay1"], "Status": {"State": "Absent"}},
        f"{SUPPLIES}/Bay2/Metrics": {"InputPowerWatts": {"Reading": 0}, "Status": {"State": "UnavailableOffline"}},
    }
    devices, _, qualities = found(server, origin="supplies")
    assert ([device.device_id[-4:] for device in devices], qualities) == (["Bay2"], [(Quality.GAP,)])


def test_the_first_origin_with_a_number(server: RedfishServer) -> None:
    """EnvironmentMetrics go before supplies, supplies before the older Power; one that is there but says null gives way."""
    null = {"PowerWatts": {"Reading": None}}
    assert found(server)[0][0].meters[0].boundary is Boundary.SERVER_INPUT
    server.overrides = {ENVIRONMENT: null}
    assert found(server)[0][0].meters[0].boundary is Boundary.PSU_INPUT
    server.overrides = {ENVIRONMENT: null, SUPPLIES: {"Members": []}}
    assert found(server)[1] == [(512_000,)]
    server.overrides = {ENVIRONMENT: null, SUPPLIES: {"Members": []}, POWER: 404}
    _, values, qualities = found(server)
    assert (values, qualities) == ([(None,)], [(Quality.GAP,)])


def test_an_excerpt_without_a_value_leads_to_its_sensor(server: RedfishServer) -> None:
    """Where EnvironmentMetrics only name a sensor, that is read, with its accuracy and period."""
    server.overrides = {ENVIRONMENT: {"PowerWatts": {"DataSourceUri": SENSOR}}}
    devices, values, _ = found(server)
    assert values == [(512_000,)]
    assert devices[0].meters[0].update_period_s == 0.25
    assert devices[0].meters[0].accuracy is not None


def test_a_sensor_that_is_a_dead_link(server: RedfishServer) -> None:
    """A sensor that is named and missing costs its facts, never the reading, and nothing is invented for them."""
    server.overrides = {SENSOR: 500}
    devices, values, _ = found(server)
    assert values[0][0] == 512_000
    assert (devices[0].meters[0].accuracy, devices[0].meters[0].update_period_s) == (None, None)
    assert devices[0].meters[0].averaging is Averaging.UNKNOWN


def test_many_chassis(server: RedfishServer) -> None:
    """A module in a chassis of its own is no server; chassis without power are passed over; one serial for all is told apart."""
    first = server.resources()[CHASSIS]
    module = {**first, "ChassisType": "Module", "EnvironmentMetrics": ref(f"{ROOT}/Chassis/GPU_1/EnvironmentMetrics")}
    server.overrides = {
        f"{ROOT}/Chassis": {"Members": [ref(CHASSIS), ref(f"{ROOT}/Chassis/GPU_1"), ref(f"{ROOT}/Chassis/Bay"), {"@odata.id": 5}, "odd"]},
        f"{ROOT}/Chassis/GPU_1": module,
        f"{ROOT}/Chassis/GPU_1/EnvironmentMetrics": {"PowerWatts": {"Reading": "71.5"}},
        f"{ROOT}/Chassis/Bay": {"Id": "Bay", "EnvironmentMetrics": ["odd"], "Power": "odd", "Links": 5},
    }
    devices, values, _ = found(server)
    assert [device.device_id for device in devices] == ["redfish:node1:437XR1138R2", "redfish:node1:437XR1138R2-2"]
    assert [device.meters[0].boundary for device in devices] == [Boundary.SERVER_INPUT, Boundary.MODULE]
    assert devices[1].meters[0].current is Current.DC
    assert values[1] == (71_500,)
    [only], _, _ = found(server, chassis=["GPU_1"])
    assert only.device_id == "redfish:node1:437XR1138R2"
    with pytest.raises(MeterUnavailable, match="no chassis GPU_2") as raised:
        found(server, chassis=["GPU_2"])
    assert "1U, GPU_1, Bay" in raised.value.next_step


def test_nothing_that_measures(server: RedfishServer) -> None:
    """A service without any power is unavailable, and what to do is said."""
    server.overrides = {ENVIRONMENT: 404, SUPPLIES: 404, POWER: {"PowerControl": "odd"}}
    with pytest.raises(MeterUnavailable, match="none of 1 chassis") as raised:
        found(server)
    assert raised.value.next_step


@pytest.mark.parametrize(
    ("chassis_type", "boundary"),
    [
        ("RackMount", Boundary.SERVER_INPUT),
        ("Blade", Boundary.SERVER_INPUT),
        ("", Boundary.SERVER_INPUT),
        ("Rack", Boundary.RACK),
        ("Module", Boundary.MODULE),
        ("Component", Boundary.MODULE),
        ("Zone", Boundary.MODULE),
    ],
)
def test_where_a_chassis_sits(chassis_type: str, boundary: Boundary) -> None:
    """The type of a chassis tells its boundary: what is not known to hold a server is a part."""
    assert boundary_of(chassis_type) is boundary
