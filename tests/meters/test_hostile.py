"""Devices, brokers and pages that are broken or hostile: no error but a meter's own, no loop that stands still, no secret told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterTransient
from joulemark.meters import registry, snmp_discovery, snmp_families, tasmota_answers
from joulemark.meters.async_meter import AsyncMeter
from joulemark.meters.base import Meter
from joulemark.meters.exec_output import LONGEST_LINE, MOST_IDS, Place, pointed, repeats_itself
from joulemark.meters.http import Answer
from joulemark.meters.modbus_register import Encoding, MeterRegister, Unit
from joulemark.meters.prometheus_page import OPENMETRICS, parse_page
from joulemark.meters.prometheus_sources import Devices, Metric
from joulemark.meters.redfish import RedfishConfig
from joulemark.meters.redfish_reports import MAX_EVENT_BYTES, Events, pushed
from joulemark.meters.redfish_resources import (
    LONGEST_PATH,
    MOST_PARTS,
    Point,
    control_points,
    judged,
    number,
    path_of,
    utc_ns,
)
from joulemark.meters.redfish_service import session_path
from joulemark.meters.shelly import MOST_CHANNELS, counted, parse_channels
from joulemark.meters.snmp_families import FAMILIES, FamilyName
from joulemark.meters.tasmota import TasmotaConfig
from joulemark.meters.tasmota import described as plug_described
from joulemark.readings import Boundary, Quality, Quantity
from joulemark.timebase import SystemClock
from tests.standins.bytes_standin import Handler, answer, serving

NAMES = frozenset({"m", "n_total"})
POWER = Point("power", Quantity.POWER, ("PowerWatts", "Reading"))
BEYOND = "1e99999999999999999999"
"""More than even decimal arithmetic holds."""


def shelly(identity: bytes, status: bytes) -> Handler:
    """A device that answers both questions of the driver with these bodies."""

    def handler(connection: Any, head: str, _before: int) -> None:
        connection.sendall(answer(identity if "GET /shelly" in head else status))

    return handler


@pytest.fixture
def built() -> Iterator[Callable[..., Meter]]:
    """Makes meters that are closed in the end."""
    meters: list[Meter] = []

    def make(kind: str, **options: Any) -> Meter:
        meters.extend(registry.build([MeterTable(kind, options)], host="h"))
        return meters[-1]

    yield make
    for meter in meters:
        meter.close()


STATUS = b'{"switch:0":{"apower":%s},"sys":{"mac":"AA","unixtime":%s}}'


@pytest.mark.parametrize(
    ("identity", "status"),
    [
        (b'{"mac":"AA","gen":2}', STATUS % (BEYOND.encode(), b"1")),
        (b'{"mac":"AA","gen":2}', STATUS % (b"1e999999999", b"1e999999999")),
        (b'{"mac":"AA","gen":2}', STATUS % (b"-Infinity", b"NaN")),
        (b'{"mac":"AA","gen":2}', b"[" * 1_000_000),
        (b'{"mac":"AA","gen":2}', b'{"em:0":{"apower":1,"act_power":2,"total_act_power":3}}'),
        (b'{"mac":"AA","gen":2}', b"{" + b",".join(b'"s:%d":{"apower":1}' % i for i in range(20_000)) + b"}"),
        (b'{"mac":"AA","gen":2}', b'{"switch:0":{"apower":1,"errors":["power_meter\\ud800' + b"x" * 1_000_000 + b'"]}}'),
        (b'{"mac":"AA","gen":2}', b'{"switch:0":{"apower":1},"sys":{"mac":{"a":"' + b"x" * 1_000_000 + b'"}}}'),
        (b'{"mac":"A/\\u0000\\ud800:B","gen":2,"model":{"a":[]},"ver":"\\u001b[2J"}', b'{"switch:0":{"apower":1}}'),
        (b'{"mac":"' + b"A" * 1_000_000 + b'","gen":2}', b'{"switch:0":{"apower":1}}'),
        (b'{"mac":"x","type":"' + b"y" * 1_000_000 + b'"}', b"{}"),
    ],
    ids=["beyond", "overflow", "nan", "deep", "two_fields", "many", "long_error", "long_mac", "odd_names", "long_name", "long_type"],
)
def test_a_hostile_shelly_gives_short_text_or_a_meter_error(identity: bytes, status: bytes, built: Callable[..., Meter]) -> None:
    """Whatever a device answers, its ids are unique, short and printable, and an error is one of the meter errors and short."""
    with serving(shelly(identity, status)) as server:
        meter = built("shelly", host="127.0.0.1", port=int(server.base.rsplit(":", 1)[1]))
        said = outcome(meter)
        infos = [info for device in meter.info for info in device.meters]
        meter.close()
    assert len({info.meter_id for info in infos}) == len(infos)
    assert all(info.meter_id.isprintable() and len(info.meter_id) < 300 and info.meter_id.count(":") == 3 for info in infos)
    assert all(text.isprintable() and len(text) < 1000 for text in said)


def outcome(meter: Meter) -> tuple[str, ...]:
    """The reasons of one reading, or what the meter error says."""
    try:
        meter.open()
        return meter.read(SystemClock())[0].reasons
    except MeterError as error:
        return (str(error),)


def test_components_of_a_shelly_have_plain_names_and_an_end() -> None:
    """A component is named in ASCII, and one answer holds no more channels than a device has."""
    assert parse_channels({"switch:\u0661": {"apower": 1}}, phases=False) == ()
    with pytest.raises(MeterTransient, match="more than"):
        parse_channels({f"s:{i}": {"apower": 1} for i in range(MOST_CHANNELS + 1)}, phases=False)
    assert counted(Decimal("-1e999999999"), Quantity.ENERGY_COUNTER, "x")[1] is Quality.SENTINEL


@pytest.mark.parametrize("printed", [BEYOND, "1e999999999", "-1e999999999", "1e-999999999", '"\u0661"', '"1_0"', "[1e-999999999, NaN]"])
@pytest.mark.parametrize("key", ["Power", "Total"])
def test_no_number_of_a_tasmota_costs_time_or_another_error(printed: str, key: str) -> None:
    """A number of any size, or in other digits, is a value, a gap or MeterTransient, at once."""
    begin_s = time.monotonic()
    said: dict[str, Any] = {}
    try:
        said = tasmota_answers.parse_answer(f'{{"S": {{"ENERGY": {{"{key}": {printed}}}}}}}'.encode(), "S") or {}
        energy = tasmota_answers.parse_energy(said)
    except MeterTransient:
        assert printed == BEYOND
    else:
        assert energy is not None
        [*values] = [tasmota_answers.read_as(one, 1, -3) for one in (*energy.powers_w, *energy.totals_kwh)]
        assert set(values) <= {None, 0}
        device = plug_described(
            "h", TasmotaConfig(broker="b", topic="t"), {"5": {"Mac": "A/:\n" * 9}, "": {"DeviceName": {"a": 1}}}, energy
        )
        assert device.device_id == "tasmota:h:t"
        assert all(meter.step >= 1 and meter.model == "" for meter in device.meters)
    assert time.monotonic() - begin_s < 1.0


def test_a_tasmota_with_a_thousand_channels_is_refused() -> None:
    """A list longer than a plug has channels is a broken answer."""
    with pytest.raises(MeterTransient, match="more than"):
        tasmota_answers.parse_energy({"ENERGY": {"Power": [1] * 1000}})


@pytest.mark.parametrize("kind", ["text/plain", OPENMETRICS])
@pytest.mark.parametrize(
    "body",
    [
        b'm{gpu="1"} 1\n' * (8 << 16),
        b"m{" + b",".join(b'a%d=""' % i for i in range(30_000)) + b"} 1\n",
        b'm{a="' + b'\\"' * 200_000 + b'"} 1\n',
        b"# HELP m " + b"x" * (1 << 20) + b"\n",
        (b'm{a="' + b"x" * 8000 + b'"} 1\n') * 200,
    ],
    ids=["rows", "labels", "quotes", "help", "together"],
)
def test_an_endless_page_is_refused_at_once(kind: str, body: bytes) -> None:
    """A page of many or long rows does not hold up the loop of all meters."""
    begin_s = time.monotonic()
    with suppress(MeterTransient):
        assert len(parse_page(body + b"# EOF\n", kind, NAMES)) <= 1
    assert time.monotonic() - begin_s < 0.5


@pytest.mark.parametrize("filler", [b"\n", b"ab\n", b"x", b"# TYPE o gauge\no 1\n"], ids=["empty", "short", "one", "others"])
@pytest.mark.parametrize("kind", ["text/plain", OPENMETRICS])
def test_the_rows_of_a_long_page_are_found_fast(filler: bytes, kind: str) -> None:
    """What else stands on a page of 8 MiB costs next to nothing, and the rows that are read keep their order."""
    rows = b'# TYPE m gauge\nm{gpu="1"} 1\nm{gpu="2"} 2\n# TYPE n counter\nn_total 3\n'
    body = filler * ((4 << 20) // len(filler)) + b"\n" + rows + b"\n" * (4 << 20) + b"# EOF\n"
    begin_s = time.monotonic()
    found = parse_page(body, kind, NAMES)
    assert time.monotonic() - begin_s < 1.0
    assert [row.value for row in found] == [1, 2, 3]


@pytest.mark.parametrize("stamp", ["1e300", "-1", "99999999999999999999"])
def test_a_time_beyond_64_bits_is_no_time(stamp: str) -> None:
    """A page's date that no store can hold is left out, the value stays."""
    [row] = parse_page(f"m 1 {stamp}\n".encode(), "text/plain", NAMES)
    assert (row.value, row.t_ns) == (1, None)


@pytest.mark.parametrize("covers", ["{", "{a.__class__}", "{0}", "{a[b]}", "{}"])
def test_covers_of_a_source_names_labels_only(covers: str) -> None:
    """A description of an exporter can neither fail on a page nor look into objects."""
    metric = Metric(("m",), "W")
    with pytest.raises(ConfigError, match="covers"):
        Devices(("gpu",), Boundary.GPU, metric=(metric,), covers=covers)
    with pytest.raises(ConfigError, match="channel"):
        Metric(("m",), "W", channel="a:b")


@pytest.mark.parametrize("raw", ["\u0661", "1_000", Decimal("1e999999999"), Decimal("-Infinity"), Decimal("sNaN"), 10**4000, True])
def test_what_is_no_plain_number_of_a_bmc_is_none(raw: Any) -> None:
    """Other digits, separators, infinities and numbers beyond belief are no values."""
    assert number(raw) is None
    value = judged(raw, POWER, where="x")
    assert value.value is None
    assert len(value.reason) < 200


def test_a_bmc_that_never_ends_an_event_is_dropped() -> None:
    """Lines without content count too: an event of a million of them is too long, and costs no more memory than a megabyte."""
    events = Events()
    for _ in range(MAX_EVENT_BYTES // 5000):
        events.feed(b"data:\n" * 999)
    with pytest.raises(MeterTransient, match="longer"):
        events.feed(b"data:\n" * 1000)


def test_a_bmc_cannot_make_lists_paths_or_dates_without_end() -> None:
    """Lists, paths and dates of a BMC are bounded, and a session without a proper address is none."""
    assert len(control_points({"PowerControl": [{"PowerConsumedWatts": 1}] * 10_000})) == MOST_PARTS
    assert path_of("/" + "x" * LONGEST_PATH) == ""
    assert utc_ns("9999-12-31T23:59:59Z") is None
    assert session_path(Answer(201, {"location": "http://["}, b"")) == ""
    assert session_path(Answer(201, {"location": "https://elsewhere/redfish/v1/S/1"}, b"")) == "/redfish/v1/S/1"
    assert pushed(b'{"MetricValues": [{"MetricValue": %s}]}' % BEYOND.encode()) == {}


@pytest.mark.parametrize(
    "url", ["https://:hunter2@h", "https://root:hunter2@h", "http://root:hunter2@10.0.0.9", "https://root:hunter2@h:99999"]
)
def test_a_password_in_the_address_is_refused_and_not_told(url: str, tmp_path: Path) -> None:
    """An account in the url would stand in ids and messages: it is refused, without repeating it."""
    with pytest.raises(ConfigError) as raised:
        RedfishConfig(url=url, user="u", password_file=tmp_path)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("power", [7, 10**9, -(10**9), 2**31 - 1])
def test_a_unit_that_no_pdu_has_is_none(power: int) -> None:
    """A power of ten from the wire is never worked out before it is believed."""
    [table] = FAMILIES[FamilyName.ENERGY_OBJECT].tables
    [channel] = table.channels
    answers: Mapping[str, Any] = {
        snmp_families.of_row(channel.value, "1"): 5,
        snmp_families.of_row(channel.multiplier, "1"): power,
    }
    assert snmp_discovery.unit_of(channel, "1", answers) is None


def test_a_date_or_a_name_of_a_pdu_has_bounds() -> None:
    """Seconds beyond 64 bits of nanoseconds are no date, and a serial of a whole datagram is cut."""
    channel = FAMILIES[FamilyName.PDU2].tables[0].channels[0]
    answers: Mapping[str, Any] = {
        snmp_families.of_row(channel.value, "1.1.1"): 5,
        snmp_families.of_row(channel.stamp, "1.1.1"): 2**40,
    }
    assert snmp_families.judged(channel, "1.1.1", answers).t_device_ns is None
    assert len(snmp_families.text(b"x" * 60_000)) <= 200


@pytest.mark.parametrize(
    ("encoding", "words"), [(Encoding.FLOAT32, [0x7F7F, 0xFFFF]), (Encoding.FLOAT64, [0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF])]
)
def test_the_step_of_the_largest_float_fits_64_bits(encoding: Encoding, words: list[int]) -> None:
    """A meter that shows the largest number of its type is described like any other."""
    register = MeterRegister(address=0, type=encoding, channel="power", unit=Unit.W)
    assert 1 <= register.step(words) <= 2**63


@pytest.mark.parametrize(
    ("pattern", "refused"),
    [
        ("(a+)+b", True),
        (r"([0-9.]+ ?)* W", True),
        (r"(?:(\d*)x)*", True),
        (r"(\d{1,})+ W", True),
        (r"Power: ([0-9.]+) W", False),
        (r"(?P<id>\w+)=(?P<value>[0-9.]+)", False),
        (r"(?:\w++\s++)*+([0-9]+)", False),
        (r"(?>\d+)+(x)", False),
        (r"[(+]+\(([0-9]+)\)+", False),
        (r"[]+)*(]+([0-9]+)", False),
        (r"(?:[^,]*,){3}([0-9.]+)", False),
    ],
)
def test_a_pattern_that_may_take_for_ever_is_refused(pattern: str, refused: bool) -> None:
    """A repetition in a repeated group is a ConfigError; possessive ones and sets that look so are not."""
    assert repeats_itself(pattern) is refused
    if refused:
        with pytest.raises(ConfigError, match="for ever"):
            Place.of(pattern, "")


def test_output_that_a_pattern_would_search_for_long_is_refused() -> None:
    """Lines and values have a bound, and JSON of any depth is a meter error."""
    with pytest.raises(MeterTransient, match="characters"):
        Place.of("([0-9.]+) W", "").values("1" * (LONGEST_LINE + 1))
    with pytest.raises(MeterTransient, match="more than"):
        Place.of(r"(?P<id>\w+)=(\d)", "").values(" ".join(f"a{i}=1" for i in range(MOST_IDS + 1)))
    for depth in range(900, 1000, 3):
        with pytest.raises(MeterTransient):
            pointed('{"a":' + "[" * depth + "]" * depth + "}", "/a")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("prometheus", {"url": "http://10.0.0.1:9100/metrics", "token_file": "x"}),
        ("prometheus", {"url": "http://10.0.0.1:9100/metrics", "user": "u", "password_file": "x"}),
        ("tasmota", {"broker": "10.0.0.5", "topic": "t", "user": "u", "password_file": "x"}),
        ("redfish", {"url": "http://10.0.0.5", "user": "u", "password_file": "x"}),
    ],
    ids=["token", "password", "broker", "bmc"],
)
def test_no_secret_goes_over_the_network_as_text_unless_asked_for(kind: str, options: dict[str, Any]) -> None:
    """A password or token for another machine wants TLS, or a key that says otherwise."""
    with pytest.raises(ConfigError, match="insecure = true"):
        registry.build([MeterTable(kind, options)], host="h")
    registry.build([MeterTable(kind, {**options, "insecure": True})], host="h")
    there = {key: value.replace("10.0.0.1", "127.0.0.1").replace("10.0.0.5", "127.0.0.1") for key, value in options.items()}
    registry.build([MeterTable(kind, there)], host="h")


@pytest.mark.parametrize("topic", ["a\nb", "x" * 70_000, "a/#", "+"])
def test_a_topic_that_no_broker_takes_is_a_config_error(topic: str) -> None:
    """A topic with wildcards, control characters or beyond the protocol's length is refused before anything is sent."""
    with pytest.raises(ConfigError):
        TasmotaConfig(broker="b", topic=topic)


def test_another_meter_is_read_in_time_beside_a_hostile_page(built: Callable[..., Meter]) -> None:
    """While a page of 8 MiB is read over and over, a plug on the same loop answers within a quarter of a second."""
    page = b'DCGM_FI_DEV_POWER_USAGE{gpu="1"} 1\n' * 200_000

    def page_handler(connection: Any, _head: str, _before: int) -> None:
        connection.sendall(answer(page, "Content-Type: text/plain"))

    with serving(page_handler) as hostile, serving(shelly(b'{"mac":"AA","gen":2}', b'{"switch:0":{"apower":1}}')) as device:
        plug = built("shelly", host="127.0.0.1", port=int(device.base.rsplit(":", 1)[1]))
        plug.open()
        other = built("prometheus", url=f"{hostile.base}/metrics", deadline_s=5.0)
        stop = threading.Event()

        def annoy() -> None:
            while not stop.is_set():
                with pytest.raises(MeterError):
                    other.open()

        thread = threading.Thread(target=annoy)
        thread.start()
        try:
            times_s = []
            for _ in range(40):
                begin_s = time.monotonic()
                plug.read(SystemClock())
                times_s.append(time.monotonic() - begin_s)
                time.sleep(0.02)
        finally:
            stop.set()
            thread.join()
        plug.close()
        assert sorted(times_s)[35] < 0.25


def test_fifty_meters_leave_nothing_behind(built: Callable[..., Meter], tmp_path: Path) -> None:
    """After fifty openings, half of them refused, there is no thread, task or descriptor more than before."""
    with serving(shelly(b'{"mac":"AA","gen":2}', b'{"switch:0":{"apower":1}}')) as good, serving(shelly(b"{}", b"{}")) as bad:
        ports = [int(server.base.rsplit(":", 1)[1]) for server in (good, bad)]

        def once() -> None:
            for port in ports:
                [meter] = registry.build([MeterTable("shelly", {"host": "127.0.0.1", "port": port})], host="h")
                assert isinstance(meter, AsyncMeter)
                try:
                    meter.open()
                    meter.read(SystemClock())
                except MeterError:
                    pass
                meter.close()

        once()
        before = (threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))
        for _ in range(25):
            once()
        time.sleep(0.1)
        after = (threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))
        assert after[0] <= before[0]
        assert after[1] <= before[1] + 2
