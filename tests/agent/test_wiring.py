"""The operator's keys of any meter: they reach the description, and what does not fit the meter is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from joulemark import config
from joulemark.agent.batcher import Batcher
from joulemark.agent.runner import Runner
from joulemark.agent.spool import Spool
from joulemark.agent.wiring import OnOpenError, RunnerConfig, divided, full_cords, wired
from joulemark.certificate import Certificate
from joulemark.config import MeterTable
from joulemark.errors import ConfigError
from joulemark.meters.fake import FakeConfig, FakeMeter
from joulemark.proto import convert
from joulemark.readings import Accuracy, Boundary, Current, DeviceInfo, MeterInfo, Quantity
from joulemark.timebase import SystemClock

CERTIFICATE = {"serial": "C2XL24034V", "date": "2026-03-01", "laboratory": "DAkkS D-K-1", "u95_rel": 0.001}
CORDS = ("node1/psu1", "node1/psu2")
PDU = "snmp:pdu:SN7"


def settings(**options: Any) -> RunnerConfig:
    return divided(MeterTable("ipmi", options))[0]


def outlet(channel: str, quantity: Quantity = Quantity.POWER) -> MeterInfo:
    return MeterInfo(f"{PDU}:{channel}", "snmp", quantity, 0, Boundary.OUTLET, serial="SN7")


def analyser(serial: str = "C2XL24034V") -> DeviceInfo:
    meter = MeterInfo("scpi:lab:C2XL24034V:power", "scpi", Quantity.POWER, -3, Boundary.WALL_ANALYZER, Current.AC, serial=serial)
    return DeviceInfo("scpi:lab:C2XL24034V", (meter,))


@pytest.fixture
def pdu() -> DeviceInfo:
    channels = ("outlet-3-power", "outlet-31-power", "outlet-4-power")
    return DeviceInfo(PDU, (*map(outlet, channels), outlet("outlet-3-energy", Quantity.ENERGY_COUNTER)))


def known(*devices: DeviceInfo, cords: tuple[str, ...] = (), **options: Any) -> tuple[MeterInfo, ...]:
    found = wired(devices, settings(**options), source="snmp", host="node1", cords=cords)
    return tuple(meter for device in found for meter in device.meters)


def test_table_is_divided() -> None:
    """The agent's own keys are taken out of a [[meter]] table and checked; the driver gets the rest."""
    options = {"interval_ms": 100, "on_open_error": "skip", "devices": 2, "covers": ["psu1"], "boundary": "outlet"}
    mine, rest = divided(MeterTable("fake", options))
    assert (mine.interval_ms, mine.on_open_error, mine.covers, mine.boundary) == (100, OnOpenError.SKIP, ("psu1",), None)
    assert rest == MeterTable("fake", {"devices": 2, "boundary": "outlet"}), "the fake has a boundary of its own"
    with pytest.raises(ConfigError, match="on_open_error"):
        divided(MeterTable("fake", {"on_open_error": "explode"}))


def test_without_keys_a_description_stays(pdu: DeviceInfo) -> None:
    """A table without these keys changes nothing that the driver said."""
    assert known(pdu) == pdu.meters


def test_a_certificate_reaches_the_description(spool: Spool, batcher_of: Callable[..., Batcher]) -> None:
    """A certificate in the [[meter]] table stands in the description that travels to the collector."""
    batcher, clock = batcher_of(spool), SystemClock()
    mine = settings(certificate={**CERTIFICATE, "serial": "0"}, on_open_error="fail")
    runner = Runner("fake", FakeMeter(FakeConfig(), host="h"), mine, clock=clock, batcher=batcher, interval_ms=100)
    runner.start()
    runner.poll()
    runner.close()
    batcher.close()
    described = [device for stored in spool.claim((-1, -1), 9) for device in convert.decode(stored.frozen.body).devices]
    assert {m.certificate for device in described for m in device.meters} == {Certificate("0", "2026-03-01", "DAkkS D-K-1", 0.001)}


def test_only_the_channels_that_are_meant_are_moved(pdu: DeviceInfo) -> None:
    """An outlet that feeds a server becomes its input; the other outlets and the inlet of the strip, which feed other machines, stay."""
    inlet = DeviceInfo("snmp:pdu:SN7-i1", (replace(outlet("x"), meter_id="snmp:pdu:SN7-i1:inlet-1-power", boundary=Boundary.PDU_INLET),))
    cords = ("node1/psu1",)
    moved = known(pdu, inlet, cords=cords, boundary="server_input", current="ac", covers={"outlet-3": ["psu1"]})
    assert {m.channel: str(m.boundary) for m in moved} == {
        "outlet-3-power": "server_input",
        "outlet-3-energy": "server_input",
        "outlet-31-power": "outlet",
        "outlet-4-power": "outlet",
        "inlet-1-power": "pdu_inlet",
    }
    assert {m.current for m in moved} == {Current.AC}, "a strip is on one side of the supply as a whole"
    with pytest.raises(ConfigError, match="several boundaries"):
        known(pdu, inlet, boundary="server_input")
    assert {m.boundary for m in known(pdu, boundary="server_input")} == {Boundary.SERVER_INPUT}


def test_a_certificate_of_another_serial_is_refused() -> None:
    """A certificate whose serial the meter does not tell is an error that names both, and nothing is described."""
    with pytest.raises(ConfigError, match=r"'C2XL24034V', and the meter tells C2XL24034W\. give the certificate of this meter"):
        known(analyser("C2XL24034W"), certificate=CERTIFICATE)


def test_a_certificate_goes_to_the_meter_of_its_serial() -> None:
    """Of two instruments only the one of the serial on the certificate gets it, also where only its id tells the serial."""
    other = MeterInfo("scpi:lab:X:power", "scpi", Quantity.POWER, -3, Boundary.WALL_ANALYZER, serial="X")
    mine, theirs = known(analyser(""), DeviceInfo("scpi:lab:X", (other,)), certificate=CERTIFICATE)
    assert mine.certificate is not None
    assert theirs.certificate is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"date": "March 2026"}, "is no date"),
        ({"u95_rel": 0.0}, "u95_rel"),
        ({"u95_rel": 1.5}, "write 0.1 % as 0.001"),
        ({"k": 0.5}, "certificate.k"),
        ({"sha256": "ABC"}, "sha256"),
        ({"u95": 0.1}, "did you mean 'u95_rel'"),
        ({"serial": 7}, "is not str"),
    ],
)
def test_a_certificate_that_no_laboratory_writes_is_refused(changes: dict[str, Any], said: str) -> None:
    """A date, an uncertainty, a factor or a hash that cannot be one is refused before the meter is opened."""
    with pytest.raises(ConfigError, match=said):
        settings(certificate={**CERTIFICATE, **changes})


def test_an_incomplete_certificate_is_refused() -> None:
    """A certificate without laboratory is refused, and the message names the key."""
    with pytest.raises(ConfigError, match="certificate: missing laboratory"):
        settings(certificate={key: value for key, value in CERTIFICATE.items() if key != "laboratory"})


def test_accuracy_and_place_go_before_the_driver() -> None:
    """An outlet that feeds one server becomes its server_input with the operator's limit of error, whose source is the configuration."""
    (meter,) = known(analyser(), accuracy={"pct_reading": 1}, boundary="server_input", current="ac")
    assert (meter.boundary, meter.current) == (Boundary.SERVER_INPUT, Current.AC)
    assert meter.accuracy == Accuracy(pct_reading=1.0, source="configuration")
    (meter,) = known(analyser(), accuracy={"pct_reading": 1.0, "source": "data sheet 7"})
    assert meter.accuracy is not None
    assert meter.accuracy.source == "data sheet 7"
    with pytest.raises(ConfigError, match=r"accuracy\.abs_w"):
        settings(accuracy={"abs_w": -1.0})
    with pytest.raises(ConfigError, match="is not known"):
        settings(boundary="socket")


def test_the_accuracy_of_power_is_not_that_of_a_witness() -> None:
    """A limit of error in the configuration is of what measures energy; a temperature beside it keeps its own, or none."""
    (power,) = analyser().meters
    witness = replace(power, meter_id=f"{power.device_id}:temperature", quantity=Quantity.TEMPERATURE)
    found = known(DeviceInfo(power.device_id, (power, witness)), accuracy={"pct_reading": 0.5}, covers=["A"])
    assert [one.accuracy is not None for one in found] == [True, False]
    assert [one.covers for one in found] == [("A",), ("A",)]


def test_a_list_of_cords_is_not_of_a_witness_on_its_own_device() -> None:
    """A thermometer on a device of its own goes on covering what its driver says; a table that names it changes that."""
    (power,) = analyser().meters
    inlet = replace(power, meter_id=f"{power.device_id}-inlet:inlet", quantity=Quantity.TEMPERATURE, covers=("node1",))
    both = (DeviceInfo(power.device_id, (power,)), DeviceInfo(inlet.device_id, (inlet,), seldom=True))
    for covers, expected in ((["A"], [("A",), ("node1",)]), ({"inlet": ["node7"]}, [power.covers, ("node7",)])):
        found = wired(both, settings(covers=covers), source="analyser", host="node1", cords=())
        assert [device.meters[0].covers for device in found] == expected


def test_a_device_that_is_read_seldom_stays_so() -> None:
    """What the operator adds to a description takes nothing away from it."""
    (found,) = wired((replace(analyser(), seldom=True),), settings(), source="nvml", host="node1", cords=())
    assert found.seldom


def test_channels_cover_what_the_table_says(pdu: DeviceInfo) -> None:
    """Power and energy of outlet 3 cover its cord, outlet 31 and the others nothing, and every meter knows all cords."""
    found = {meter.channel: meter for meter in known(pdu, cords=CORDS, covers={"outlet-3": ["psu1"], "outlet-4-power": ["node9/psu1"]})}
    assert {name: meter.covers for name, meter in found.items()} == {
        "outlet-3-power": ("node1/psu1",),
        "outlet-3-energy": ("node1/psu1",),
        "outlet-31-power": (),
        "outlet-4-power": ("node9/psu1",),
    }
    assert {meter.cords for meter in found.values()} == {CORDS}


def test_cords_that_a_driver_names_get_their_host() -> None:
    """A driver with a key of its own for cords says them without the host, and the description has it in front."""
    meter = MeterInfo("ptdaemon:lab:7:total", "ptdaemon", Quantity.POWER, 0, Boundary.WALL_ANALYZER, covers=("psu1", "psu2", "else"))
    (found,) = known(DeviceInfo("ptdaemon:lab:7", (meter,)), cords=CORDS)
    assert found.covers == (*CORDS, "else")


def test_a_list_covers_one_channel(pdu: DeviceInfo) -> None:
    """A list serves a meter of one channel, with its power and its counter; of several it would be said of all, and is refused."""
    (meter,) = known(analyser(), cords=CORDS, covers=["psu1", "psu2"])
    assert meter.covers == CORDS
    both = DeviceInfo(PDU, (outlet("power"), outlet("energy", Quantity.ENERGY_COUNTER)))
    assert {meter.covers for meter in known(both, covers=["gpu-box"])} == {("gpu-box",)}
    with pytest.raises(ConfigError, match="outlet-3-power, outlet-31-power, outlet-4-power"):
        known(pdu, covers=["psu1"])


def test_a_name_that_fits_nothing_is_refused(pdu: DeviceInfo) -> None:
    """A channel that the meter has not, and a cord that its host has not, are errors that name what there is."""
    with pytest.raises(ConfigError, match="'outlet-5', which the meter has not"):
        known(pdu, covers={"outlet-5": ["psu1"]})
    with pytest.raises(ConfigError, match="'node1/psu3' is none of the cords"):
        known(pdu, cords=CORDS, covers={"outlet-3": ["node1/psu3"]})
    with pytest.raises(ConfigError, match="'psu3' is none of the cords"):
        known(pdu, cords=CORDS, covers={"outlet-3": ["psu3"]})
    with pytest.raises(ConfigError, match="covers"):
        settings(covers={"outlet-3": "psu1"})


def test_cords_have_their_host() -> None:
    """A cord without a host belongs to the agent's; one of another host keeps its own."""
    assert full_cords(["psu1", "node2/psu1"], "node1") == ("node1/psu1", "node2/psu1")


@pytest.mark.parametrize("cords", [["psu1", "psu1"], [""], ["/"], ["a\nb"]])
def test_a_cord_has_one_name(cords: list[str]) -> None:
    """A cord that is named twice or by nothing is refused when the configuration is read."""
    with pytest.raises(ConfigError, match=r"agent\.cords names a cord twice or not at all"):
        config.parse({"agent": {"cords": cords}})


def test_a_mistake_found_at_the_device_is_told(spool: Spool, batcher_of: Callable[..., Batcher]) -> None:
    """A meter whose keys do not fit it is not read, and the runner says why; with `fail` the agent does not start."""
    meter = FakeMeter(FakeConfig(), host="h")
    runner = Runner("fake", meter, settings(covers={"x": ["y"]}), clock=SystemClock(), batcher=batcher_of(spool), interval_ms=100, host="h")
    runner.poll()
    assert "covers names the channel 'x'" in runner.trouble
    failing = settings(covers={"x": ["y"]}, on_open_error="fail")
    with pytest.raises(ConfigError, match="covers"):
        Runner("fake", meter, failing, clock=SystemClock(), batcher=batcher_of(spool), interval_ms=100).start()


def test_cords_of_what_measures_no_energy_are_refused() -> None:
    """A list of cords for a meter that only counts, as an engine's page, is a mistake and no crash."""
    counter = MeterInfo("serving:node1:s:output_tokens", "serving", Quantity.OUTPUT_TOKENS, 0, Boundary.SERVER_INPUT)
    with pytest.raises(ConfigError, match="measures no energy"):
        known(DeviceInfo(counter.device_id, (counter,)), covers=["psu1"])
