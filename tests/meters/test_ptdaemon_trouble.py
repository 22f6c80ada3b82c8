"""The driver against a simulated PTDaemon that hangs, ends, restarts, or is used by somebody else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from joulemark.errors import MeterGone, MeterTransient, MeterUnavailable
from joulemark.readings import Quality, Quantity, TimestampSource
from tests.meters.ptdaemon_benches import DEADLINE_S, Open, Serve, daemons, later, meters, one, returned


@pytest.fixture
def serve() -> Iterator[Serve]:
    with daemons() as serving:
        yield serving


@pytest.fixture
def opened() -> Iterator[Open]:
    with meters() as open_:
        yield open_


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
    assert time.monotonic() - begin_s < DEADLINE_S + 5.0
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
    assert time.monotonic() - begin_s < 2 * DEADLINE_S + 10.0
    daemon.stop()
    with pytest.raises(MeterUnavailable, match=r"cannot be reached.*30 s to listen"):
        opened(daemon)


def test_another_server(serve: Serve, opened: Open) -> None:
    """A server that greets otherwise is named as no PTDaemon."""
    daemon = serve()
    daemon.said["Hello"] = lambda: ["220 mail.example ESMTP"]
    with pytest.raises(MeterUnavailable, match=r"220 mail.*PTDaemon"):
        opened(daemon)
