"""A meter over a living PDU: brackets, refusals, one bad outlet among good ones, a reboot, and configurations that cannot be meant."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulemark.agent.watch import MeterWatch
from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterTransient, MeterUnavailable
from joulemark.meters import registry
from joulemark.meters.base import Meter
from joulemark.meters.snmp import batches
from joulemark.meters.snmp_discovery import Row
from joulemark.meters.snmp_families import FAMILIES, FamilyName
from joulemark.meters.snmp_session import MESSAGE_OIDS
from joulemark.readings import DeviceInfo, Quality, Sample, TimestampSource
from joulemark.timebase import SystemClock
from tests.conftest import ManualClock
from tests.meters.conformance import WRONG_SECRET, built
from tests.standins.snmp_pdus import WH_PER_J, apc, px3
from tests.standins.snmp_standin import OTHER_ENGINE_ID, Pdu

OUTLETS = 24
YEAR_2001_S = 1_000_000_000
LOAD = {"power": "66:live|load_w 1", "energy": f"66:live|load_j {WH_PER_J}"}
SERVED = {
    "large": apc({outlet: (f"66:live|w{outlet} 1", "2|5") for outlet in range(1, OUTLETS + 1)}, power="2|900"),
    "wrong-clock": px3({1: LOAD | {"time": f"66|{YEAR_2001_S}"}}),
}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pdu]:
    """A PX3 with one load for v3, a large APC PDU and one with a wrong clock for communities."""
    pdu = Pdu(tmp_path_factory.mktemp("snmp") / "pdu", px3({1: LOAD}), others=SERVED)
    pdu.start()
    yield pdu
    pdu.stop()


@pytest.fixture
def pdu(agent: Pdu) -> Pdu:
    """The PDU with every value good again."""
    agent.set(**{f"w{outlet}": 100 + outlet for outlet in range(1, OUTLETS + 1)})
    agent.set_load("load", 512.0)
    return agent


def by_device(samples: list[Sample]) -> dict[str, Sample]:
    return {sample.device_id.rpartition("-")[2]: sample for sample in samples}


def powers(samples: list[Sample]) -> list[int | None]:
    return [sample.values[0] for sample in samples if "-o" in sample.device_id]


def test_many_outlets_come_in_messages_that_fit(pdu: Pdu) -> None:
    """Every outlet and the inlet are read in their order, in messages with a bracket each that do not overlap."""
    with built("snmp", pdu.v2c("large")) as meter:
        meter.open()
        samples = meter.read(SystemClock())
    assert powers(samples) == [100 + outlet for outlet in range(1, OUTLETS + 1)]
    brackets = sorted({(sample.t_read0_ns, sample.t_read1_ns) for sample in samples})
    assert len(brackets) == -(-(2 * OUTLETS + 2) // MESSAGE_OIDS)
    edges = [edge for bracket in brackets for edge in bracket]
    assert edges == sorted(edges)


def test_values_are_inside_their_bracket(pdu: Pdu) -> None:
    """A value that changed before a read is the one that the read brings."""
    with built("snmp", pdu.v2c("large", outlets=["7"], inlet=False)) as meter:
        meter.open()
        for watts in (120, 480, 60):
            pdu.set(w7=watts)
            assert powers(meter.read(SystemClock())) == [watts]


def test_an_agent_that_wants_smaller_messages_gets_them(pdu: Pdu) -> None:
    """TooBig halves the messages until they fit, loses no value, and is remembered."""
    with built("snmp", pdu.v2c("large", inlet=False)) as meter:
        meter.open()
        pdu.set(**{f"w{outlet}": {"status": "tooBig", "above": 7, "value": outlet} for outlet in range(1, OUTLETS + 1)})
        assert powers(meter.read(SystemClock())) == list(range(1, OUTLETS + 1))
        pdu.set(**{f"w{outlet}": outlet for outlet in range(1, OUTLETS + 1)})
        assert len({sample.t_read0_ns for sample in meter.read(SystemClock())}) == OUTLETS // 3


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"status": "genErr", "above": 0}, "genErr"),
        ({"gone": True}, "noSuchInstance"),
        ("n/a", "where a number belongs"),
        (4294967295, "stands for no reading"),
        (0, "50 W"),
    ],
    ids=["genErr", "gone", "text", "sentinel", "squelch"],
)
def test_a_bad_outlet_does_not_spoil_the_others(pdu: Pdu, broken: Any, words: str) -> None:
    """An outlet without a reading is a gap with its reason; every other outlet and the inlet are read as ever."""
    with built("snmp", pdu.v2c("large")) as meter:
        meter.open()
        pdu.set(w5=broken)
        samples = by_device(meter.read(SystemClock()))
    bad = samples.pop("o5")
    assert bad.values[0] is None
    assert words in bad.reasons[0]
    assert all(quality is Quality.OK for sample in samples.values() for quality in sample.qualities)


def test_silence_in_the_middle_leaves_what_was_answered(pdu: Pdu) -> None:
    """An agent that falls silent after the first message has answered that one; the rest are gaps, and the next poll reads all again."""
    with built("snmp", pdu.v2c("large", deadline_s=1.5)) as meter:
        meter.open()
        pdu.set(w20={"mute": True})
        samples = meter.read(SystemClock())
        assert powers(samples)[:12] == [100 + outlet for outlet in range(1, 13)]
        assert set(powers(samples)[12:]) == {None}
        assert {reason for sample in samples[12:] for reason in sample.reasons} == {f"SNMP agent 127.0.0.1:{pdu.port} does not answer"}
        pdu.set(w20=120)
        assert None not in powers(meter.read(SystemClock()))


def test_a_pdu_in_another_year_does_not_date_readings(pdu: Pdu) -> None:
    """The time of a PDU, in whole seconds and here of 2001, is kept beside the value; the clock that was handed in dates it."""
    clock = ManualClock()
    with built("snmp", pdu.v2c("wrong-clock")) as meter:
        meter.open()
        [sample] = meter.read(clock)
        assert {info.timestamp_source for info in meter.info[0].meters} == {TimestampSource.READ_BRACKET}
    assert (sample.t_read0_ns, sample.t_read1_ns, sample.utc_minus_mono_ns) == (clock.mono, clock.mono, clock.utc - clock.mono)
    assert sample.t_device_ns == (YEAR_2001_S * 10**9,) * 2
    assert sample.qualities == (Quality.OK, Quality.OK)


def test_a_reboot_is_silence_and_then_a_reset(pdu: Pdu) -> None:
    """A PDU whose card was exchanged is silent for a while, then its counter is behind what it was, and that joins no energy."""
    with built("snmp", pdu.v3(deadline_s=1.5)) as meter:
        meter.open()
        info = meter.info[0].meters[1]
        watch = MeterWatch(info)
        pdu.set(load_j={"watts": 500.0, "joules": 9e6, "since": time.monotonic()})
        assert watch.judge(counted(meter), 1, None)[0] is Quality.OK
        pdu.stop()
        with pytest.raises(MeterTransient, match=r"does not answer|no answer within"):
            meter.read(SystemClock())
        pdu.set(load_j={"watts": 500.0, "joules": 7200.0, "since": time.monotonic()})
        pdu.engine_id = OTHER_ENGINE_ID
        pdu.start()
        value = counted(meter)
        assert info.si(value) == pytest.approx(7200.0, abs=3600.0)
        assert watch.judge(value, 2, None) == (
            Quality.RESET,
            "the counter fell, and without a rated power a wrap cannot be told from a reset",
        )


def counted(meter: Meter) -> int:
    """The counter of the only outlet, as soon as the PDU is read again."""
    give_up_s = time.monotonic() + 20.0
    while True:
        try:
            value = meter.read(SystemClock())[0].values[1]
            assert value is not None
            return value
        except MeterError:
            assert time.monotonic() < give_up_s


def test_silence_at_open_names_the_community_file(pdu: Pdu, tmp_path: Path) -> None:
    """Since a wrong community is silence, the hint names its file, and nothing says what stands in it."""
    wrong = tmp_path / "wrong"
    wrong.write_text(WRONG_SECRET)
    with (
        built("snmp", {**pdu.v2c("large"), "community_file": str(wrong), "deadline_s": 1.5}) as meter,
        pytest.raises(MeterUnavailable) as told,
    ):
        meter.open()
    assert str(wrong) in told.value.next_step
    assert WRONG_SECRET not in str(told.value)


def test_a_refused_user_is_told_apart_from_silence(pdu: Pdu, tmp_path: Path) -> None:
    """A wrong password of v3 is a refusal, at once, that names the file; a wrong privacy password names its file too."""
    wrong = tmp_path / "wrong"
    wrong.write_text(WRONG_SECRET)
    for key, words in (("auth_file", "refuses the user: the authentication password"), ("priv_file", "refuses the user|does not answer")):
        options = pdu.v3(deadline_s=1.5) | {key: str(wrong)}
        with built("snmp", options) as meter, pytest.raises(MeterUnavailable, match=words) as told:
            meter.open()
        assert str(wrong) in told.value.next_step
        assert WRONG_SECRET not in str(told.value)


ACCOUNT = {"host": "pdu1", "community_file": "/c"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"host": "pdu1"}, "community_file"),
        ({**ACCOUNT, "user": "u"}, "community_file"),
        ({"host": "pdu1", "user": "u"}, "auth_file"),
        ({**ACCOUNT, "port": 0}, "port"),
        ({**ACCOUNT, "port": 65536}, "port"),
        ({**ACCOUNT, "deadline_s": 0.0}, "deadline_s"),
        ({**ACCOUNT, "family": "enlogic"}, "family"),
        ({"host": "pdu1", "user": "u", "auth_file": "/a", "auth": "MD5"}, "auth"),
        ({**ACCOUNT, "outlets": [3]}, "outlets"),
        ({**ACCOUNT, "outlets": ["3", "03x"]}, "outlets"),
        ({**ACCOUNT, "outlets": [".3"]}, "outlets"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(options: dict[str, Any], named: str) -> None:
    """A wrong key is a ConfigError that names it and says what to write."""
    with pytest.raises(ConfigError, match=named) as told:
        registry.build([MeterTable("snmp", options)], host="node1")
    assert told.value.next_step


@pytest.mark.parametrize(("secret", "words"), [("short", "less than 8 characters"), (None, "auth_file")])
def test_a_password_that_cannot_be_right_is_refused(tmp_path: Path, secret: str | None, words: str) -> None:
    """A password of v3 that is too short or not there is an error of the configuration, which does not show it."""
    file = tmp_path / "auth"
    if secret is not None:
        file.write_text(secret)
    with (
        built("snmp", {"host": "127.0.0.1", "user": "u", "auth_file": str(file)}) as meter,
        pytest.raises(ConfigError, match=words) as told,
    ):
        meter.open()
    assert told.value.next_step


def test_no_row_is_torn() -> None:
    """Rows are packed in order into messages of at most so many objects, except for one row that has more."""
    channels = FAMILIES[FamilyName.PDU2].tables[0].channels
    rows = tuple(Row(f"1.{outlet}", channels, (1, 36), DeviceInfo("snmp:h:s", ())) for outlet in range(1, 8))
    each = len(rows[0].oids)
    for most, sizes in ((each - 1, [1] * 7), (each, [1] * 7), (3 * each, [3, 3, 1]), (1000, [7])):
        packed = list(batches(rows, most))
        assert [len(batch) for batch in packed] == sizes
        assert tuple(row for batch in packed for row in batch) == rows
