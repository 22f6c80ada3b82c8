"""What a meter finds out about PDUs of every family: who made them, what they measure, and in which unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from joulemark.agent.wiring import RunnerConfig, wired
from joulemark.errors import MeterUnavailable
from joulemark.meters.base import Meter
from joulemark.meters.snmp_discovery import told_accuracy
from joulemark.readings import Accuracy, Boundary, Current, DeviceInfo, MeterInfo, Quality, Quantity
from joulemark.timebase import SystemClock
from tests.meters.conformance import built
from tests.standins.snmp_pdus import RARITAN, SENTRY, apc, energy_object, px3, sentry4, system
from tests.standins.snmp_standin import Pdu, records

DOMINION_PX = records(
    system("Raritan Dominion PX", "1.3.6.1.4.1.13742.4")
    | {f"{RARITAN}.3.3.4.1.7.1.1.5": "66|0", f"{RARITAN}.5.2.3.1.4.1.1.1": "66|680", f"{RARITAN}.5.2.3.1.4.1.1.5": "66|138"}
)
"""Names the older MIB as its own, serves the newer one without states and times, and tells no serial."""

CORDS_ONLY = records({f"{SENTRY}.3.3.1.3.1.1": "2|1701", f"{SENTRY}.3.3.1.10.1.1": "2|-1"})
"""A unit that meters its cord, and says -1 where it counts no energy."""

SERVED = {
    "apc": apc({1: ("2|180", "2|1001"), 2: ("2|0", "2|7")}, power="2|18"),
    "unmetered": apc({1: ("2|-1", "2|-1"), 2: ("2|75", "2|-1")}, power="2|-1", energy="2|-1"),
    "px3": px3({3: {"power": "66|300", "energy": "66|4000000000"}, 12: {"power": "66|3125", "energy": "66|77", "digits": "66|1"}}),
    "dominion": DOMINION_PX,
    "sentry4": sentry4({"1.1.1": ("2|575", "2|0", "2|120000"), "1.2.1": ("2|12", "2|0", "2|5")}),
    "cords": CORDS_ONLY,
    "objects": energy_object({2: (1500, -3, 50, 3, 2), 3: (7, 0, 0, 3, 1), 4: (9, -24, 0, 3, 1)}),
    "other": records(system("a switch", "1.3.6.1.4.1.9.1.1")),
}


@pytest.fixture(scope="module")
def pdu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pdu]:
    """Every PDU of `SERVED`, each under a community of its own."""
    agent = Pdu(tmp_path_factory.mktemp("snmp") / "pdu", SERVED["apc"], others=SERVED)
    agent.start()
    yield agent
    agent.stop()


def opened(pdu: Pdu, name: str, **options: Any) -> tuple[DeviceInfo, ...]:
    """The devices of a meter that reads the PDU `name`."""
    with built("snmp", pdu.v2c(name, **options)) as meter:
        meter.open()
        return meter.info


def named(devices: tuple[DeviceInfo, ...]) -> dict[str, MeterInfo]:
    """Its meters by device and channel."""
    return {f"{meter.device_id.rpartition(':')[2]} {meter.channel}": meter for device in devices for meter in device.meters}


@pytest.mark.parametrize(
    ("name", "who", "found"),
    [
        (
            "apc",
            ("APC", "AP8659EU3", "ZA1234567890", "v6.5.6"),
            {
                "o1-power": (0, 1),
                "o1-energy": (2, 3600),
                "o2-power": (0, 1),
                "o2-energy": (2, 3600),
                "i1-power": (1, 1),
                "i1-energy": (2, 3600),
            },
        ),
        (
            "px3",
            ("Raritan", "PX3-5902V-V2", "QTG6B00001", "4.2.0.5-50274"),
            {"o1.3-power": (0, 1), "o1.3-energy": (2, 36), "o1.12-power": (-1, 1), "o1.12-energy": (1, 36)},
        ),
        (
            "sentry4",
            ("Server Technology", "C2S42CE-YCMFAM00", "ABCD0000001", "Version 8.0n"),
            {
                **{f"o1.{cord}.1-{value}": unit for cord in (1, 2) for value, unit in (("power", (0, 1)), ("energy", (2, 36)))},
                "i1.1-power": (0, 1),
                "i1.1-energy": (2, 3600),
            },
        ),
        ("objects", ("Example", "EO-1", "FOC1234", "1.2"), {"o2-power": (-3, 1), "o3-power": (0, 1)}),
    ],
)
def test_the_family_is_found_by_its_tables(pdu: Pdu, name: str, who: tuple[str, str, str, str], found: dict[str, tuple[int, int]]) -> None:
    """Without being told the family, a meter says maker, model, serial and firmware, every channel, its unit, and how old it may be."""
    meters = [meter for device in opened(pdu, name) for meter in device.meters]
    assert {(meter.vendor, meter.model, meter.serial, meter.firmware) for meter in meters} == {who}
    assert {meter.channel: (meter.exponent, meter.step) for meter in meters} == found
    for meter in meters:
        assert meter.boundary is (Boundary.PDU_INLET if meter.channel.startswith("i") else Boundary.OUTLET)
        assert meter.quantity is (Quantity.ENERGY_COUNTER if meter.channel.endswith("energy") else Quantity.POWER)
        assert (meter.update_period_s, meter.interface, meter.averaging_window_s) == (5.0, "SNMP v2c", None)


def test_ids_hold_serial_and_outlet(pdu: Pdu) -> None:
    """Every outlet is a device of its own; its id holds the serial of the PDU and its number, and it covers its own cord only."""
    devices = opened(pdu, "apc", outlets=["2"], inlet=False)
    assert [device.device_id for device in devices] == ["snmp:node1:ZA1234567890-o2"]
    assert [meter.meter_id.rpartition(":")[2] for meter in devices[0].meters] == ["o2-power", "o2-energy"]
    assert {meter.covers for meter in devices[0].meters} == {("ZA1234567890/o2",)}


def test_an_operator_names_the_cords_of_single_outlets(pdu: Pdu) -> None:
    """The agent's key `covers` takes an outlet by its letter and number, with both of its channels, and leaves the others as they are."""
    settings = RunnerConfig(covers={"o1": ("psu1",)})
    meters = named(wired(opened(pdu, "apc"), settings, source="snmp", host="node1", cords=("node1/psu1",)))
    assert {name.split()[1]: meter.covers for name, meter in meters.items() if "-o" in name} == {
        "o1-power": ("node1/psu1",),
        "o1-energy": ("node1/psu1",),
        "o2-power": ("ZA1234567890/o2",),
        "o2-energy": ("ZA1234567890/o2",),
    }


def test_a_counter_of_32_bits_wraps(pdu: Pdu) -> None:
    """The Wh of PDU2-MIB start anew at 2**32, and that is declared in the meter's unit; other counters do not say where they end."""
    assert named(opened(pdu, "px3"))["QTG6B00001-o1.3 o1.3-energy"].modulus == 2**32 * 36
    assert {meter.modulus for meter in named(opened(pdu, "sentry4")).values()} == {None}


def test_decimal_digits_scale_down(pdu: Pdu) -> None:
    """3125 with one decimal digit is 312.5 W, and 77 with one is 7.7 Wh."""
    with built("snmp", pdu.v2c("px3", outlets=["12"])) as meter:
        meter.open()
        [sample] = meter.read(SystemClock())
        [device] = meter.info
    assert [info.si(value or 0) for info, value in zip(device.meters, sample.values, strict=True)] == [312.5, pytest.approx(7.7 * 3600)]


def test_the_tables_tell_not_the_object_id(pdu: Pdu) -> None:
    """A Dominion PX that names the older MIB is read by the newer one that it serves; without a serial its address stands in the id."""
    [device] = opened(pdu, "dominion")
    assert device.device_id == f"snmp:node1:127.0.0.1-{pdu.port}-i1.1"
    assert [meter.channel for meter in device.meters] == ["i1.1-power"]


def test_a_counter_that_says_below_zero_at_open_is_none(pdu: Pdu) -> None:
    """-1 is what models without a feature answer: the cord has power and no energy."""
    assert [meter.channel for meter in opened(pdu, "cords")[0].meters] == ["i1.1-power"]


def test_outlets_without_metering_are_passed_over(pdu: Pdu) -> None:
    """An outlet, and an inlet, that answers -1 for everything is not read; one that was asked for by number is an error."""
    assert list(named(opened(pdu, "unmetered"))) == ["ZA1234567890-o2 o2-power"]
    with pytest.raises(MeterUnavailable, match="outlet 1 is not metered") as told:
        opened(pdu, "unmetered", outlets=["1"])
    assert "outlets" in told.value.next_step


def test_an_outlet_that_is_not_there_is_told_with_those_that_are(pdu: Pdu) -> None:
    """A number that no outlet has, or two cords have, is refused with the list of outlets."""
    for name, outlet in (("apc", "9"), ("sentry4", "1")):
        with pytest.raises(MeterUnavailable, match=f"no one metered outlet '{outlet}'") as told:
            opened(pdu, name, outlets=[outlet])
        assert "1, 2" in told.value.next_step or "1.1.1, 1.2.1" in told.value.next_step


@pytest.mark.parametrize(("name", "options"), [("other", {}), ("apc", {"family": "pdu2"}), ("cords", {"inlet": False})])
def test_a_device_that_measures_nothing_is_refused(pdu: Pdu, name: str, options: dict[str, Any]) -> None:
    """A switch, a PDU of another family than told, and one whose only table is not wanted, are unavailable, with what to do."""
    with pytest.raises(MeterUnavailable, match=r"none of the tables|measures no outlet") as told:
        opened(pdu, name, **options)
    assert told.value.next_step


def test_accuracy_is_the_devices_own_or_of_the_whitelist(pdu: Pdu) -> None:
    """An energy object states its accuracy, 0 for unknown; an AP8000 has that of its maker; a model without a document has none."""
    objects = named(opened(pdu, "objects"))
    own, unknown = objects["FOC1234-o2 o2-power"], objects["FOC1234-o3 o3-power"]
    assert (own.accuracy, unknown.accuracy) == (told_accuracy(50), None)
    assert own.accuracy == Accuracy(pct_reading=0.5, source="the device itself: eoPowerAccuracy of RFC 7460")
    listed = named(opened(pdu, "apc"))["ZA1234567890-i1 i1-power"].accuracy
    assert listed is not None
    assert (listed.limit_w(1000.0), "FA156074" in listed.source) == (40.0, True)
    assert opened(pdu, "dominion")[0].meters[0].accuracy is None


def test_direct_current_is_said(pdu: Pdu) -> None:
    """An energy object that says DC is on the DC side; PDUs are AC."""
    objects = named(opened(pdu, "objects"))
    assert (objects["FOC1234-o2 o2-power"].current, objects["FOC1234-o3 o3-power"].current) == (Current.DC, Current.AC)


def test_a_squelched_outlet_is_read_as_such(pdu: Pdu) -> None:
    """An APC outlet below its squelch brings no 0 W and no standing counter, and says why; its neighbour is read."""
    with built("snmp", pdu.v2c("apc")) as meter:
        samples = opened_and_read(meter)
    assert samples["ZA1234567890-o1"] == ((180, 1001 * 3600), (Quality.OK, Quality.OK))
    assert samples["ZA1234567890-o2"] == ((None, None), (Quality.SQUELCHED, Quality.SQUELCHED))
    assert samples["ZA1234567890-i1"] == ((18, 51234 * 3600), (Quality.OK, Quality.OK))


def opened_and_read(meter: Meter) -> dict[str, tuple[tuple[int | None, ...], tuple[Quality, ...]]]:
    """Values and qualities by device."""
    meter.open()
    return {sample.device_id.rpartition(":")[2]: (sample.values, sample.qualities) for sample in meter.read(SystemClock())}
