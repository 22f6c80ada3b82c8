"""The driver against a simulated PTDaemon: what it reads, dates and describes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from joulemark.config import MeterTable
from joulemark.errors import ConfigError, MeterUnavailable
from joulemark.meters.ptdaemon import DRIVER
from joulemark.readings import Current, MeterRange, Quality, TimestampSource
from tests.meters.ptdaemon_benches import CLOCK, SAMPLE_S, Open, Serve, daemons, later, meters, one, only


@pytest.fixture
def serve() -> Iterator[Serve]:
    with daemons() as serving:
        yield serving


@pytest.fixture
def opened() -> Iterator[Open]:
    with meters() as open_:
        yield open_


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
    begin_s = round(time.time() - 1.0, 3)  # rows tell milliseconds
    rows = [daemon.row(begin_s + i / 10) for i in range(4)]
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
