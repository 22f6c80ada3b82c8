"""Marks in protobuf mean what the JSON bodies mean."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from joulemark.collector.api.bodies import PhaseBody, StartBody, StopBody
from joulemark.errors import FormatError
from joulemark.proto import marks
from joulemark.proto.v1 import runs_pb2 as pb
from joulemark.runs import IdleKind, PhaseKind

MOMENT = pb.Moment(utc_ns=7, mono_ns=8, boot_id="b")


def test_every_kind_of_phase_has_its_number() -> None:
    """Each PhaseKind goes over by its own enum value; an unspecified one is left to the default of the REST body."""
    assert set(marks.KINDS.values()) == set(PhaseKind)
    for number, kind in marks.KINDS.items():
        _, body = marks.phase_body(pb.MarkPhaseRequest(kind=number, name="p", edge=pb.EDGE_END, moment=MOMENT).SerializeToString())
        assert PhaseBody.model_validate(body).kind is kind
    _, body = marks.phase_body(pb.MarkPhaseRequest(name="p", edge=pb.EDGE_BEGIN, moment=MOMENT).SerializeToString())
    assert "kind" not in body


def test_an_unknown_count_is_absent_and_zero_is_zero() -> None:
    """A field that was not set is not in the body; one set to 0 is."""
    bare = pb.StopRunRequest(run_id="r", moment=MOMENT).SerializeToString()
    assert marks.stop_body(bare) == ("r", {"moment": {"utc_ns": 7, "mono_ns": 8, "boot_id": "b"}})
    counted = pb.StopRunRequest(
        run_id="r", moment=MOMENT, tokens=pb.TokenCount(output=0, source="server"), request_count=0, failed_request_count=2
    )
    _, body = marks.stop_body(counted.SerializeToString())
    assert (body["tokens"], body["requests"], body["requests_failed"]) == ({"output": 0, "source": "server"}, 0, 2)
    StopBody.model_validate(body)


def test_an_edge_that_says_nothing_is_not_guessed() -> None:
    """A phase mark without an edge becomes a body that the REST API refuses."""
    _, body = marks.phase_body(pb.MarkPhaseRequest(name="p", moment=MOMENT).SerializeToString())
    with pytest.raises(ValueError, match="edge"):
        PhaseBody.model_validate(body)


def test_a_start_carries_benchmark_and_labels() -> None:
    """The body of a start is one the REST API takes, label by label."""
    request = pb.StartRunRequest(moment=MOMENT, benchmark="g", labels={"model": "m", "gpu": "h"})
    body = StartBody.model_validate(marks.start_body(request.SerializeToString()))
    assert (body.benchmark, body.labels, body.moment.mono_ns) == ("g", {"model": "m", "gpu": "h"}, 8)


@pytest.mark.parametrize("parse", [marks.start_body, marks.phase_body, marks.stop_body])
def test_bytes_that_are_no_message_are_a_format_error(parse: Callable[[bytes], object]) -> None:
    """A truncated message is refused, not read half."""
    with pytest.raises(FormatError):
        parse(b"\x0a\xff")


def test_idling_and_aborts_go_over() -> None:
    """Each kind of idling by its own number, the reason of an abort, and how far two counts disagree; an edge that tells none has none."""
    assert set(marks.IDLE_KINDS.values()) == set(IdleKind)
    for number, kind in marks.IDLE_KINDS.items():
        tokens = pb.TokenCount(output=5, disagreement=1.5)
        request = pb.MarkPhaseRequest(name="p", edge=pb.EDGE_END, moment=MOMENT, idle_kind=number, aborted="why", tokens=tokens)
        body = PhaseBody.model_validate(marks.phase_body(request.SerializeToString())[1])
        assert (body.idle_kind, body.aborted, body.tokens.disagreement) == (kind, "why", 1.5)
    _, bare = marks.phase_body(pb.MarkPhaseRequest(name="p", edge=pb.EDGE_END, moment=MOMENT).SerializeToString())
    assert "idle_kind" not in bare
    assert "aborted" not in bare
