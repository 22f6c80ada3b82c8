"""Two agents with one name: the one that is connected goes on, the other is kept out and loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from joulemark.proto import convert
from joulemark.proto.messages import Ack, Welcome
from tests.collector.conftest import Agent
from tests.collector.doorway import Doorway, refusal_of, refused
from tests.waiting import eventually

S = 1_000_000_000


def hears(call: Any) -> Any:
    return convert.parse_response(next(call))


def test_a_second_host_of_the_same_name_is_kept_out(tmp_path: Path) -> None:
    """While one spool is connected another one, earlier or later, is refused with both named; the first delivers undisturbed; then
    the second may come.
    """
    first, later, earlier = Agent(epoch_ns=5 * S, instance_id="aa"), Agent(epoch_ns=9 * S, instance_id="bb"), Agent(epoch_ns=S)
    with Doorway(tmp_path) as doorway, grpc.insecure_channel(doorway.address) as channel:
        call, sending = first.speak(channel)
        assert isinstance(hears(call), Welcome)
        for other, spool in ((later, "spool bb"), (earlier, "spool unknown")):
            code, details, _ = refused(doorway, other, other.batch(0, begin_ns=other.epoch_ns))
            assert code is grpc.StatusCode.ALREADY_EXISTS
            assert all(word in details for word in ("'host-a'", "spool aa", "1970-01-01T00:00:05", spool, "127.0.0.1", "agent.agent_id"))
        sending.put(first.batch(0, begin_ns=first.epoch_ns))
        assert hears(call) == Ack(first.epoch_ns, 0)
        assert doorway.status.refused == {"fenced": 2}
        call.cancel()
        eventually(lambda: doorway.status.agent_count == 0, "the first has left")
        call = later.open(channel, later.batch(0, begin_ns=later.epoch_ns))
        assert [type(hears(call)), hears(call)] == [Welcome, Ack(later.epoch_ns, 0)]
        call.cancel()
        assert [stream.epoch_ns for stream in doorway.store.streams()] == [first.epoch_ns, later.epoch_ns]


@pytest.mark.parametrize("epoch_ns", [5 * S, 6 * S])
def test_the_same_spool_takes_its_own_place(tmp_path: Path, epoch_ns: int) -> None:
    """A reconnect, and a restart, end the stream that is half open on this side; an earlier start of the same spool does not."""
    old, again, stale = (Agent(epoch_ns=epoch, instance_id="aa") for epoch in (5 * S, epoch_ns, 4 * S))
    with Doorway(tmp_path) as doorway, grpc.insecure_channel(doorway.address) as channel:
        half_open = old.open(channel)
        hears(half_open)
        call = again.open(channel)
        hears(call)
        assert refusal_of(half_open)[0] is grpc.StatusCode.ABORTED
        assert refused(doorway, stale)[0] is grpc.StatusCode.ALREADY_EXISTS
        assert call.is_active()
        assert doorway.status.agent_count == 1
        call.cancel()


def test_other_content_under_a_stored_key_is_refused_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two spools with one epoch: what the first delivered stays as it is; the second is told which batch will never be taken."""
    first, second = Agent(epoch_ns=5 * S, instance_id="aa"), Agent(epoch_ns=5 * S, instance_id="bb")
    body = first.batch(0, begin_ns=S)
    other = second.batch(0, begin_ns=2 * S)
    with Doorway(tmp_path) as doorway:
        first.send(doorway.address, body)
        eventually(lambda: doorway.status.agent_count == 0, "the first has left")
        code, details, named = refused(doorway, second, other, second.batch(1, begin_ns=3 * S))
        assert (code, named) == (grpc.StatusCode.INVALID_ARGUMENT, other.sha256.hex())
        assert f"batch 0 of epoch {5 * S} of agent 'host-a'" in details
        assert "nothing was overwritten" in caplog.text
        (stream,) = doorway.store.streams()
        assert (stream.batch_count, stream.acked_seq, stream.duplicate_count) == (1, 0, 0)
        (series,) = doorway.store.series([f"{first.device.device_id}:power"], 0, 9 * S)
        assert int(series.t_ns[0]) < 2 * S
        assert doorway.status.refused == {"altered_batch": 1}
