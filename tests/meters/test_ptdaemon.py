from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterError, MeterGone, MeterTransient, MeterUnavailable
from joulemark.meters.ptdaemon import DRIVER, PtdaemonConfig, PtdaemonMeter
from joulemark.readings import Current, MeterRange, Quality, Quantity, Sample, TimestampSource
from joulemark.timebase import SystemClock
from tests.standins.ptdaemon_standin import PtDaemon

CLOCK = SystemClock()
DEADLINE_S = 0.6
SAMPLE_S = 0.1

Open = Callable[..., PtdaemonMeter]
Serve = Callable[..., PtDaemon]


@pytest.fixture
def serve() -> Iterator[Callable[..., PtDaemon]]:
    """Makes running daemons; they end with the test."""
    made: list[PtDaemon] = []

    def serving(**about: Any) -> PtDaemon:
        made.append(PtDaemon(**about))
        made[-1].start()
        return made[-1]

    yield serving
    for daemon in made:
        daemon.stop()


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens a meter on a daemon; closed with the test."""
    meters: list[PtdaemonMeter] = []

    def open_(daemon: PtDaemon, **keys: Any) -> PtdaemonMeter:
        keys = {"sample_ms": round(SAMPLE_S * 1000), "deadline_s": DEADLINE_S, **keys}
        meters.append(PtdaemonMeter(PtdaemonConfig("127.0.0.1", daemon.port, **keys), host="node1"))
        meters[-1].open()
        return meters[-1]

    yield open_
    for meter in meters:
        meter.close()


def one(meter: PtdaemonMeter) -> Sample:
    (sample,) = meter.read(CLOCK)
    return sample


def later(meter: PtdaemonMeter, samples: float = 1.5) -> Sample:
    """The newest sample, some sample periods on."""
    time.sleep(samples * SAMPLE_S)
    one(meter)
    return one(meter)


def only(meter: PtdaemonMeter, daemon: PtDaemon, row: str) -> Sample:
    """What a read makes of `row`, with nothing waiting before it."""
    daemon.rows = []
    one(meter)
    one(meter)
    daemon.rows = [row]
    return one(meter)


def returned(meter: PtdaemonMeter, timeout_s: float = 5.0) -> Sample:
    """Poll as the runner does, opening what asked for it, until a value comes."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            meter.open()
            sample = one(meter)
            if sample.values[0] is not None:
                return sample
        except MeterError:
            meter.close()
        time.sleep(0.05)
    raise AssertionError("no value came back")


def test_sum_and_channels_in_microwatts(serve: Serve, opened: Open) -> None:
    """The sum and each channel are meters of one device, read from one row, exactly as printed."""
    daemon = serve(watts=(454.7, 493.25, 0.0), channels=True)
    meter = opened(daemon, covers=("cord-a", "cord-b", "cord-c"))
    assert one(meter).values[:4] == (947_950_000, 454_700_000, 493_250_000, 0)
    daemon.set_watts(1.5, 2.25, 3.125)
    assert later(meter, 2.5).values[:4] == (6_875_000, 1_500_000, 2_250_000, 3_125_000)
    powers = meter.info[0].meters[:4]
    assert [info.channel for info in powers] == ["total", "ch1", "ch2", "ch3"]
    assert [info.covers for info in powers] == [("cord-a", "cord-b", "cord-c"), ("cord-a",), ("cord-b",), ("cord-c",)]
    total = meter.info[0].meters[0]
    assert total.meter_id == "ptdaemon:node1:C2XL24034V:total"
    assert (total.model, total.firmware, total.update_period_s) == ("WT333E", "F1.04", SAMPLE_S)


def test_ranges_are_set_before_measuring(serve: Serve, opened: Open) -> None:
    """Configured ranges are set before Go, only where they differ, and the description tells what the analyser then stands at."""
    daemon = serve(ranges=(1, 2.0, 0, 300.0))
    meter = opened(daemon, range_v=300.0, range_a=20.0)
    assert meter.info[0].meters[0].range == MeterRange(volts=300.0, amps=20.0, auto=False)
    assert daemon.asked.index("SR,A,20") < daemon.asked.index("Go,100,0,joulemark")
    meter.close()
    daemon.asked.clear()
    meter.open()
    assert not [command for command in daemon.asked if command.startswith("SR")]


def test_a_refused_range_is_told(serve: Serve, opened: Open) -> None:
    """A range that the analyser does not have fails open() and names the keys."""
    daemon = serve()
    daemon.said["SR"] = lambda: ["Error: invalid range"]
    with pytest.raises(MeterUnavailable, match=r"Error: invalid range.*range_v"):
        opened(daemon, range_v=7.0)
    assert not daemon.measuring


@pytest.mark.parametrize("reads", [("RL,*,*", "RL"), ("RL",), ("DC-RL",)])
def test_versions_of_the_daemon(serve: Serve, opened: Open, reads: tuple[str, ...]) -> None:
    """A daemon without channels is asked with RL, one of a DC analyser with DC-RL, which is also how direct current is known."""
    daemon = serve(reads=reads)
    meter = opened(daemon)
    assert one(meter).values == (300_000_000,)
    assert meter.info[0].meters[0].current is (Current.DC if reads == ("DC-RL",) else Current.AC)
    daemon.asked.clear()
    later(meter)
    assert {command for command in daemon.asked if "RL" in command} == {reads[0]}


def test_a_daemon_that_knows_no_question_for_samples(serve: Serve, opened: Open) -> None:
    """A daemon that answers none of the questions fails open() with its last answer, and its measurement is ended."""
    daemon = serve(reads=())
    with pytest.raises(MeterUnavailable, match=r"RL,\*,\*, RL, DC-RL"):
        opened(daemon)
    assert not daemon.measuring


def test_stamps_date_the_samples(serve: Serve, opened: Open) -> None:
    """With clocks that agree the daemon's local time dates a sample, to the millisecond, in the configured zone."""
    meter = opened(serve(timezone="America/Los_Angeles"), timezone="America/Los_Angeles")
    assert meter.info[0].meters[0].timestamp_source is TimestampSource.DEVICE
    (t_ns,) = later(meter).t_device_ns
    assert t_ns is not None
    assert 0 <= CLOCK.utc_ns() - t_ns < 3 * SAMPLE_S * 1e9


@pytest.mark.parametrize(("keys", "clock_s"), [({"timezone": "Asia/Tokyo"}, 0.0), ({}, 0.8), ({}, -0.8), ({}, 3600.0)])
def test_a_clock_or_zone_that_is_wrong_dates_nothing(serve: Serve, opened: Open, keys: dict[str, Any], clock_s: float) -> None:
    """A wrong zone, or a clock 0.8 s off, leaves the read bracket to date the samples; the stamp is kept as information, and said."""
    meter = opened(serve(clock_s=clock_s), **keys)
    assert meter.info[0].meters[0].timestamp_source is TimestampSource.READ_BRACKET
    assert "information" in meter.info[0].meters[0].note
    assert one(meter).t_device_ns[0] is not None


def test_a_clock_that_steps_later_dates_nothing(serve: Serve, opened: Open) -> None:
    """A stamp that stops to agree while measuring is left out, and the sample dated by its read."""
    daemon = serve()
    meter = opened(daemon)
    daemon.clock_s = -3600.0
    sample = later(meter, 3.5)
    assert sample.qualities == (Quality.OK,)
    assert sample.t_device_ns == (None,)


def test_two_clocks_that_drift_lose_nothing(serve: Serve, opened: Open) -> None:
    """Reads that meet two samples, then none, hand out each of them once, with its own stamp, and say nothing of a loss."""
    daemon = serve()
    meter = opened(daemon)
    only(meter, daemon, daemon.row(time.time()))
    rows = [daemon.row(time.time() - 1.0 + i / 10) for i in range(4)]
    read = []
    for fresh in (rows[:2], [], rows[2:], []):
        daemon.rows = fresh
        read.append(one(meter))
    stamps = [sample.t_device_ns[0] or 0 for sample in read]
    assert [b - a for a, b in pairwise(stamps)] == [100_000_000] * 3
    assert {sample.reasons for sample in read} == {("",)}


def test_an_agent_that_reads_too_slowly_is_told_what_it_lost(serve: Serve, opened: Open) -> None:
    """Samples that were passed over are counted in the reason of a value that stays good, and the newest two are kept."""
    daemon = serve()
    meter = opened(daemon)
    only(meter, daemon, daemon.row(time.time()))
    daemon.rows = [daemon.row(time.time()).replace("Watts,300.0", f"Watts,{i}.0") for i in range(300, 306)]
    samples = [one(meter), one(meter)]
    assert [sample.values for sample in samples] == [(304_000_000,), (305_000_000,)]
    assert samples[0].reasons == ("4 samples before it were passed over: read every 100 ms",)
    assert samples[1].reasons == ("",)


def test_what_a_row_tells_beside_the_power(serve: Serve, opened: Open) -> None:
    """Voltage, current and power factor of each channel come from the row of its power and cover its cord; those of the sum are none."""
    daemon = serve(watts=(460.2, 690.3), channels=True)
    meter = opened(daemon, covers=("cord-a", "cord-b"))
    found = dict(zip((info.channel for info in meter.info[0].meters), one(meter).values, strict=True))
    assert list(found)[3:] == [f"ch{n}-{quantity}" for n in (1, 2) for quantity in ("voltage", "current", "power_factor")]
    assert (found["ch1-voltage"], found["ch1-current"], found["ch2-current"], found["ch2-power_factor"]) == (
        230_100_000,
        2_000_000,
        3_000_000,
        980_000,
    )
    for info in meter.info[0].meters[3:]:
        assert info.covers == (("cord-a",) if info.channel.startswith("ch1") else ("cord-b",))
        assert not info.quantity.measures_energy
        assert info.accuracy is None


def test_what_the_analyser_cannot_tell_is_a_gap(serve: Serve, opened: Open) -> None:
    """-1, NaN and overflow codes of one channel leave the others as they are."""
    daemon = serve(watts=(10.0, 20.0), channels=True)
    meter = opened(daemon)
    for printed, quality in (("-1.000000", Quality.GAP), ("nan", Quality.SENTINEL), ("9.91E+37", Quality.SENTINEL)):
        sample = only(meter, daemon, daemon.row(time.time()).replace("10.000000,Volts", f"{printed},Volts"))
        assert sample.values[:3] == (30_000_000, None, 20_000_000)
        assert sample.qualities[:3] == (Quality.OK, quality, Quality.OK)
        assert sample.reasons[1]


def test_an_error_between_samples(serve: Serve, opened: Open) -> None:
    """A line that is no sample is a gap with its text, and the sample after it is read."""
    daemon = serve()
    meter = opened(daemon)
    sample = only(meter, daemon, "Error: no answer of the analyser")
    assert (sample.values, sample.qualities) == ((None,), (Quality.GAP,))
    assert "no answer of the analyser" in sample.reasons[0]
    daemon.rows = None
    assert later(meter).values == (300_000_000,)


def test_an_analyser_that_falls_silent(serve: Serve, opened: Open) -> None:
    """A daemon that answers without a new sample repeats the last one with its own stamp, and after a while it is a gap."""
    daemon = serve()
    meter = opened(daemon)
    first = later(meter)
    daemon.lose_samples()
    assert one(meter).t_device_ns == first.t_device_ns
    time.sleep(1.0 + 2.5 * SAMPLE_S)
    sample = one(meter)
    assert sample.values == (None,)
    assert "no new sample for 1." in sample.reasons[0]


def test_uncertainty_is_told(serve: Serve, opened: Open) -> None:
    """A sample above 1 %, or of unknown uncertainty, keeps its value and carries the fact (MET-5)."""
    daemon = serve()
    meter = opened(daemon)
    assert one(meter).reasons == ("",)
    daemon.uncertainty = "0.004,0.002,0.0145,{n},0,{n},0"
    assert (one(meter).reasons, one(meter).reasons) == (("uncertainty 1.45 % is above 1.00 %",), ("",))
    daemon.uncertainty = "-1.0,10000000.000000,0.000000,{n},0,0,{n}"
    assert one(meter).reasons == ("uncertainty not known to PTDaemon",)
    daemon.said["Uncertainty"] = lambda: ["Uncertainty,none"]
    assert one(meter).qualities == (Quality.OK,)


def test_a_measurement_of_somebody_else_is_left_alone(serve: Serve, opened: Open) -> None:
    """While another measurement runs open() refuses, takes none of its samples, does not stop it, and says what to do."""
    daemon = serve()
    daemon.measure_as("run1_testing", 0.1)
    with pytest.raises(MeterUnavailable, match=r"already in progress.*another measurement") as raised:
        opened(daemon)
    assert raised.value.next_step
    assert daemon.measuring
    assert not {command for command in daemon.asked if command.startswith(("RL", "Stop"))}


def test_close_ends_our_measurement(serve: Serve, opened: Open) -> None:
    """close() stops the measurement that open() began, and the daemon serves the next one."""
    daemon = serve()
    opened(daemon).close()
    assert not daemon.measuring
    assert daemon.asked[-1] == "Stop"
    assert one(opened(daemon)).values == (300_000_000,)


def test_a_late_answer_is_never_the_next_ones(serve: Serve, opened: Open) -> None:
    """After a hang within the deadline the connection is given up; the answers that come late are read by nobody."""
    daemon = serve()
    meter = opened(daemon)
    daemon.hang()
    begin_s = time.monotonic()
    with pytest.raises(MeterTransient, match=r"no answer within 0.6 s"):
        one(meter)
    assert time.monotonic() - begin_s < DEADLINE_S + 0.5
    daemon.resume()
    with pytest.raises(MeterGone, match="given up"):
        one(meter)
    daemon.set_watts(77.0)
    assert returned(meter).qualities == (Quality.OK,)
    assert later(meter, 2.5).values == (77_000_000,)


def test_our_own_measurement_is_found_again(serve: Serve, opened: Open) -> None:
    """A connection that breaks leaves the measurement going; the meter opened anew knows it by its mark and goes on with it."""
    daemon = serve()
    meter = opened(daemon)
    daemon.drop()
    with pytest.raises(MeterTransient, match=r"closed the connection|failed"):
        one(meter)
    daemon.asked.clear()
    returned(meter)
    assert "Stop" not in daemon.asked
    assert meter.info[0].meters[0].timestamp_source is TimestampSource.DEVICE


def test_a_measurement_that_took_the_place_of_ours(serve: Serve, opened: Open) -> None:
    """A measurement with another mark that runs when we return is somebody else's, and goes on."""
    daemon = serve()
    meter = opened(daemon)
    daemon.drop()
    daemon.measure_as("run1_testing", 0.02)
    with pytest.raises(MeterTransient):
        one(meter)
    meter.close()
    time.sleep(0.05)
    with pytest.raises(MeterUnavailable, match="another measurement"):
        meter.open()
    assert daemon.measuring


@pytest.mark.parametrize("rows", [b"", b"{row}\r\n{row}\r\n", b"Time,01-22-2021 15:05:14.313,Watts,22"])
def test_a_wrong_number_of_rows(serve: Serve, opened: Open, rows: bytes) -> None:
    """Fewer rows than announced, more, or half a row end the connection at the latest with the next answer; none is taken for another."""
    daemon = serve()
    meter = opened(daemon)
    daemon.said["RL"] = lambda: b"Last 1 samples\r\n" + rows.replace(b"{row}", daemon.row(time.time()).encode())
    with pytest.raises(MeterTransient):
        one(meter)
    del daemon.said["RL"]
    assert returned(meter).values == (300_000_000,)


def test_a_daemon_that_restarts(serve: Serve, opened: Open) -> None:
    """A daemon that ends and starts again is read again, as a new measurement."""
    daemon = serve()
    meter = opened(daemon)
    daemon.stop()
    with pytest.raises(MeterTransient):
        one(meter)
    daemon.set_watts(640.0)
    daemon.start()
    assert returned(meter).values == (640_000_000,)
    assert [command for command in daemon.asked if command.startswith("Go")] == ["Go,100,0,joulemark"] * 2


def test_a_measurement_that_another_client_ended(serve: Serve, opened: Open) -> None:
    """A measurement that somebody stopped is an error with the daemon's words, and is begun again."""
    daemon = serve()
    meter = opened(daemon)
    daemon.answer("Stop")
    with pytest.raises(MeterTransient, match="no measurement"):
        one(meter)
    assert returned(meter).values == (300_000_000,)


def test_channels_that_change(serve: Serve, opened: Open) -> None:
    """A daemon that tells other channels than described is described anew."""
    daemon = serve(watts=(10.0, 20.0), channels=True)
    meter = opened(daemon)
    daemon.set_watts(10.0, 20.0, 30.0)
    with pytest.raises(MeterGone, match="channels"):
        later(meter, 3.5)
    meter.close()
    meter.open()
    assert [info.channel for info in meter.info[0].meters if info.quantity is Quantity.POWER] == ["total", "ch1", "ch2", "ch3"]


def test_slow_start(serve: Serve, opened: Open) -> None:
    """A daemon that takes connections and does not answer yet, and one that does not listen yet, fail open() in time, with what to do."""
    daemon = serve()
    daemon.hang()
    begin_s = time.monotonic()
    with pytest.raises(MeterUnavailable, match="no answer within"):
        opened(daemon)
    assert time.monotonic() - begin_s < 2 * DEADLINE_S + 2.0
    daemon.stop()
    with pytest.raises(MeterUnavailable, match=r"cannot be reached.*30 s to listen"):
        opened(daemon)


def test_another_server(serve: Serve, opened: Open) -> None:
    """A server that greets otherwise is named as no PTDaemon."""
    daemon = serve()
    daemon.said["Hello"] = lambda: ["220 mail.example ESMTP"]
    with pytest.raises(MeterUnavailable, match=r"220 mail.*PTDaemon"):
        opened(daemon)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"timezone": "Mars/Olympus"}, r"timezone.*IANA"),
        ({"mark": "a,b"}, "mark"),
        ({"mark": ""}, "mark"),
        ({"sample_ms": 10}, "sample_ms"),
        ({"range_a": 0}, "range_a"),
        ({"deadline_s": 0}, "deadline_s"),
        ({"time_zone": "UTC"}, "did you mean 'timezone'"),
    ],
)
def test_a_wrong_key_is_named(keys: dict[str, Any], named: str) -> None:
    """A key that cannot be used is an error of the configuration that names it."""
    with pytest.raises(ConfigError, match=named) as raised:
        DRIVER.build(MeterTable("ptdaemon", {"host": "127.0.0.1", **keys}), host="node1")
    assert raised.value.next_step
