"""The driver against Debian's mosquitto and a simulated plug that speaks to it as Tasmota does."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from joulemark.agent.watch import MeterWatch, watched
from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.tasmota import DRIVER, TasmotaMeter, trusted
from joulemark.readings import Boundary, Current, MeterInfo, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import SystemClock
from tests import certificates
from tests.meters.living.tasmota import options, plugged
from tests.standins.tasmota_standin import PASSWORD, USER, Broker, Plug
from tests.waiting import eventually

CLOCK = SystemClock()
DEADLINE_S = 10.0


@pytest.fixture
def plug(tmp_path: Path) -> Iterator[Plug]:
    with plugged(tmp_path) as one:
        yield one


Opened = Callable[..., TasmotaMeter]


@pytest.fixture
def opened(plug: Plug) -> Iterator[Opened]:
    meters: list[TasmotaMeter] = []

    def build(**more: object) -> TasmotaMeter:
        meter = DRIVER.build(MeterTable("tasmota", {**options(plug.broker), **more}), host="node1")
        assert isinstance(meter, TasmotaMeter)
        meters.append(meter)
        meter.open()
        return meter

    yield build
    for meter in meters:
        meter.close()


def one(meter: TasmotaMeter) -> Sample:
    (sample,) = meter.read(CLOCK)
    return sample


def infos(meter: TasmotaMeter) -> tuple[MeterInfo, ...]:
    (device,) = meter.info
    return device.meters


def test_reading_is_what_the_plug_says(plug: Plug, opened: Opened) -> None:
    """Each read asks the plug and gives its watts and its energy of that moment, dated by the read bracket."""
    meter = opened()
    for watts, milliwatts in (("26", 26_000), ("1499.5", 1_499_500), ("0", 0)):
        plug.answers.power_w = watts
        plug.answers.total_kwh = "167.743"
        before_ns = CLOCK.mono_ns()
        sample = one(meter)
        assert sample.values == (milliwatts, 603_874_800)
        assert sample.qualities == (Quality.OK, Quality.OK)
        assert before_ns <= sample.t_read0_ns < sample.t_read1_ns <= CLOCK.mono_ns()


def test_a_plug_that_is_off_measures_zero(plug: Plug, opened: Opened) -> None:
    """0 W is what a plug that is switched off truly measures: it stays a number."""
    plug.answers.power_w = "0"
    assert (one(opened()).values[0], one(opened()).qualities[0]) == (0, Quality.OK)


def test_the_plug_describes_itself(opened: Opened) -> None:
    """The id holds the MAC; name, firmware, the steps of both numbers, and the side of the plug are described; accuracy is not known."""
    power, energy = infos(opened())
    assert (power.meter_id, energy.channel) == ("tasmota:node1:4C11AE000001:power", "energy")
    assert (power.model, power.serial, power.firmware) == ("desk", "4C11AE000001", "14.4.1(release-tasmota)")
    assert (power.boundary, power.current, power.interface, power.accuracy) == (Boundary.OUTLET, Current.AC, "MQTT", None)
    assert (power.exponent, power.step, power.update_period_s) == (-3, 1000, 1.0)
    assert (energy.quantity, energy.exponent, energy.step) == (Quantity.ENERGY_COUNTER, 0, 3600)
    assert "ESP8266EX" in power.note


def test_two_channels(plug: Plug, opened: Opened) -> None:
    """A plug of two channels has a meter for each power and each counter, or one counter where it adds them up."""
    plug.answers.power_w, plug.answers.total_kwh = ["52", "5"], ["2.813", "0.254"]
    meter = opened()
    assert [info.channel for info in infos(meter)] == ["power-1", "power-2", "energy-1", "energy-2"]
    assert one(meter).values == (52_000, 5_000, 10_126_800, 914_400)
    plug.answers.total_kwh = "3.067"
    with pytest.raises(MeterGone, match="other channels"):
        meter.read(CLOCK)
    meter.close()
    meter.open()
    assert [info.channel for info in infos(meter)] == ["power-1", "power-2", "energy"]


def test_the_clock_of_the_plug_dates_nothing(plug: Plug, opened: Opened) -> None:
    """The plug's time is local and has no zone: whatever it says, readings are the same and dated by the read bracket."""
    meter = opened()
    plug.answers.clock = "1970-01-01T00:00:00"
    sample = one(meter)
    assert sample.t_device_ns == (None, None)
    assert abs(sample.utc_minus_mono_ns + sample.t_read1_ns - CLOCK.utc_ns()) < 1e9
    assert {info.timestamp_source for info in infos(meter)} == {TimestampSource.READ_BRACKET}


def test_only_the_answer_is_an_answer(plug: Plug, opened: Opened) -> None:
    """Answers to other questions, other sensors, and an answer that the broker kept from before are passed over."""
    meter = opened()
    other = plug.answers("8").replace('"Power": 26', '"Power": 999')
    plug.before = [
        ("STATUS5", plug.answers("5")),
        ("STATUS10", other),
        ("STATUS8", '{"StatusSTS":{"Time":"x"}}'),
        ("STATUS8", "[]"),
        ("RESULT", other),
    ]
    assert one(meter).values[0] == 26_000
    plug.publish("STATUS8", other, retain=True)
    meter.close()
    meter.open()
    assert one(meter).values[0] == 26_000


def test_a_late_answer_is_dropped(plug: Plug, opened: Opened) -> None:
    """An answer that comes when nobody waits is not taken for that of the next question."""
    meter = opened()
    plug.publish("STATUS8", plug.answers("8").replace('"Power": 26', '"Power": 999'))
    time.sleep(0.1)
    assert one(meter).values[0] == 26_000


def test_what_is_no_number_is_a_gap(plug: Plug, opened: Opened) -> None:
    """Null, text and a missing entry are gaps with a reason; an answer that is no JSON fails the poll."""
    meter = opened()
    for said in ("null", '"nan"', "true", "1e300"):
        plug.answers.power_w = said
        sample = one(meter)
        assert (sample.values[0], sample.qualities[0]) == (None, Quality.GAP)
        assert sample.reasons[0]
        assert sample.values[1] == 10_800
    plug.answers.power_w = "nan"
    with pytest.raises(MeterTransient, match="no JSON"):
        meter.read(CLOCK)


def test_an_offline_plug_is_a_gap_at_once(plug: Plug, opened: Opened) -> None:
    """The broker tells when a plug is pulled: reads are gaps that cost no waiting, and go on when it is back, without a new opening."""
    meter = opened(deadline_s=DEADLINE_S)
    plug.unplug()
    eventually(lambda: one_or_none(meter) is not None, "the broker tells that it is gone")
    began_s = time.monotonic()
    sample = one(meter)
    assert time.monotonic() - began_s < DEADLINE_S / 2
    assert set(sample.qualities) == {Quality.GAP}
    assert "offline (tele/plug1/LWT)" in sample.reasons[0]
    plug.start()
    eventually(lambda: one(meter).values[0] == 26_000, "it is back")


def one_or_none(meter: TasmotaMeter) -> Sample | None:
    try:
        return one(meter)
    except MeterTransient:
        return None


def test_a_plug_that_is_offline_cannot_be_opened(plug: Plug, opened: Opened) -> None:
    """`open` of a plug that the broker knows to be offline says so."""
    plug.unplug()
    with pytest.raises(MeterUnavailable, match=r"plug1 at 127\.0\.0\.1:\d+ is offline.*Wi-Fi"):
        opened(deadline_s=0.3)


def test_a_silent_plug(plug: Plug, opened: Opened) -> None:
    """A plug that is connected and does not answer fails the poll within the deadline, and the next poll when it answers again succeeds."""
    meter = opened(deadline_s=0.3)
    plug.pause()
    with pytest.raises(MeterTransient, match=r"no answer within 0\.3 s"):
        meter.read(CLOCK)
    plug.resume()
    assert one(meter).values[0] == 26_000


def test_a_wrong_topic(opened: Opened) -> None:
    """A topic that nobody answers on is told with the keys to check."""
    with pytest.raises(MeterUnavailable, match=r"plug9.*does not answer within 0\.3 s.*check topic and full_topic"):
        opened(topic="plug9", deadline_s=0.3)


def test_a_full_topic_of_ones_own(tmp_path: Path) -> None:
    """A plug with another order of its topics is found by its full_topic."""
    broker = Broker(tmp_path / "broker", password=False)
    broker.start()
    plug = Plug(broker, full_topic="rack/%topic%/%prefix%", user=False)
    plug.start()
    table = {"broker": "127.0.0.1", "port": broker.port, "topic": "plug1", "full_topic": "rack/%topic%/%prefix%/"}
    meter = DRIVER.build(MeterTable("tasmota", table), host="node1")
    try:
        meter.open()
        assert meter.read(CLOCK)[0].values[0] == 26_000
    finally:
        meter.close()
        plug.stop()
        broker.stop()


def test_a_device_without_energy(plug: Plug, opened: Opened) -> None:
    """A switch that measures nothing is refused, and so is one whose answers are no JSON."""
    said = plug.answers
    plug.answers = lambda question: '{"StatusSNS":{"Time":"x","Switch1":"ON"}}' if question == "8" else said(question)
    with pytest.raises(MeterUnavailable, match="measures no energy"):
        opened()
    plug.answers = lambda question: "busy" if question == "8" else said(question)
    with pytest.raises(MeterUnavailable, match=r"no JSON.*plug with Tasmota"):
        opened()


def test_a_plug_without_a_network_of_its_own(plug: Plug, opened: Opened) -> None:
    """A plug that tells no MAC is named by its topic."""
    plug.answers.mac = "00:00:00:00:00:00"
    assert infos(opened())[0].serial == "plug1"


def test_a_broker_that_restarts(plug: Plug, opened: Opened) -> None:
    """A broker that goes away ends the stream at once, cannot be opened while it is away, and is read again when it is back."""
    meter = opened()
    assert one(meter).values[0] == 26_000
    plug.broker.stop()
    eventually(lambda: gone(meter), "the broker is gone")
    meter.close()
    with pytest.raises(MeterUnavailable, match=r"broker 127\.0\.0\.1:\d+ cannot be used.*check broker, port and tls"):
        meter.open()
    plug.stop()
    plug.broker.start()
    plug.start()
    meter.open()
    assert one(meter).values[0] == 26_000
    gc.collect()  # what the lost connection left behind would be warned of here


def test_a_broker_that_leaves_during_a_read(plug: Plug, opened: Opened) -> None:
    """A read that waits for an answer ends as soon as the broker is gone, long before its deadline."""
    meter = opened(deadline_s=30.0)
    plug.pause()
    threading.Timer(0.2, plug.broker.stop).start()
    began_s = time.monotonic()
    with pytest.raises(MeterGone, match="closed the connection"):
        meter.read(CLOCK)
    assert time.monotonic() - began_s < 15.0


def gone(meter: TasmotaMeter) -> bool:
    try:
        meter.read(CLOCK)
    except MeterGone as error:
        return bool(error.next_step)
    except MeterTransient:
        pass
    return False


def test_a_broker_that_hangs(plug: Plug, opened: Opened) -> None:
    """A broker that takes connections and answers nothing costs a read its deadline and an opening two, and leaves nothing open."""
    meter = opened(deadline_s=0.3)
    plug.broker.pause()
    try:
        with pytest.raises(MeterTransient, match="no answer"):
            meter.read(CLOCK)
        meter.close()
        began_s = time.monotonic()
        with pytest.raises(MeterUnavailable, match=r"127\.0\.0\.1"):
            meter.open()
        assert time.monotonic() - began_s < 10.0
    finally:
        plug.broker.resume()
    gc.collect()


def test_a_refused_account(plug: Plug, opened: Opened, tmp_path: Path) -> None:
    """A broker that refuses the account, or wants one, says so at once, and the password is told by nobody."""
    wrong = tmp_path / "wrong-password"
    wrong.write_text("guess12\n")
    with pytest.raises(MeterUnavailable, match="refuses user 'meters'") as caught:
        opened(password_file=str(wrong))
    assert str(wrong) in caught.value.next_step
    assert "guess12" not in str(caught.value)
    table = {"broker": "127.0.0.1", "port": plug.broker.port, "topic": "plug1"}
    with pytest.raises(MeterUnavailable, match=r"refuses who gives no user.*give user and password_file"):
        DRIVER.build(MeterTable("tasmota", table), host="node1").open()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho leaves the socket of a failed handshake to gc
def test_tls(tmp_path: Path) -> None:
    """A broker with a certificate of the authority in ca_file is spoken to; one of another authority is refused before the password."""
    authority = certificates.authority(tmp_path / "pki")
    certificates.collector(authority, "broker")
    folder = authority.folder
    broker = Broker(tmp_path / "broker", tls=(folder / "broker.pem", folder / "broker.key"))
    broker.start()
    try:
        table = {**options(broker), "deadline_s": 0.5, "ca_file": str(authority.certificate_file)}
        with pytest.raises(MeterUnavailable, match=r"plug1.* does not answer"):
            DRIVER.build(MeterTable("tasmota", table), host="node1").open()
        stranger = certificates.authority(tmp_path / "stranger")
        with pytest.raises(MeterUnavailable, match="certificate verify failed"):
            DRIVER.build(MeterTable("tasmota", {**table, "ca_file": str(stranger.certificate_file)}), host="node1").open()
    finally:
        broker.stop()
    gc.collect()
    with pytest.raises(ConfigError, match="ca_file"):
        trusted(tmp_path / "none.pem")


def test_a_reset_counter_joins_nothing(plug: Plug, opened: Opened) -> None:
    """An energy that begins again, as after a loss of mains or a reset, comes through as read, and the agent marks the reset."""
    meter = opened()
    watches = [MeterWatch(info) for info in infos(meter)]
    watched(one(meter), watches)
    plug.answers.total_kwh = "0.000"
    assert watched(one(meter), watches).qualities == (Quality.OK, Quality.RESET)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"topic": ""}, r"tasmota\.topic ''.*Configure MQTT"),
        ({"topic": "plug/#"}, r"tasmota\.topic"),
        ({"full_topic": "%topic%/"}, r"full_topic .*no %prefix%"),
        ({"user": "me"}, "user is given without password_file"),
        ({"port": 0}, r"tasmota\.port"),
        ({"deadline_s": 0.0}, r"tasmota\.deadline_s"),
        ({"brokr": "x"}, "unknown key 'brokr'.*'broker'"),
        ({"password_file": "/nowhere/pw", "user": "me"}, "password_file"),
    ],
)
def test_a_wrong_configuration(more: dict[str, object], words: str) -> None:
    """A wrong key or value is refused by name, with the step that mends it."""
    with pytest.raises((ConfigError, MeterError), match=words) as caught:
        DRIVER.build(MeterTable("tasmota", {"broker": "127.0.0.1", "topic": "plug1", **more}), host="node1").open()
    assert caught.value.next_step


def test_the_account_is_used(plug: Plug, opened: Opened) -> None:
    """The broker of these tests lets nobody in without the account, so a reading proves that it was shown."""
    assert ("meters", plug.broker.password_file.read_text().strip()) == (USER, PASSWORD)
    assert one(opened()).values[0] == 26_000
