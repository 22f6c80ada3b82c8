"""What meters complained of: read as it was written, refused where it is something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from joulemark.errors import FormatError
from joulemark.meter_log import Complaint, Message, MeterLog

LOG = MeterLog(("ptdaemon:a:1:power",), (Message("ptdaemon:a:1:power", 1_790_000_000_000_000_000, Complaint.UNCERTAINTY, "1.45 %"),))


def test_what_was_written_is_read() -> None:
    """Messages, their times and who was listened to come back from JSON."""
    assert MeterLog.from_json(json.loads(json.dumps(LOG.to_json()))) == LOG
    assert MeterLog.from_json(MeterLog().to_json()) == MeterLog()


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "joulemark.meter-log/2"},
        {"heard": "all"},
        {"messages": [{"meter_id": "a", "t_ns": 1, "complaint": "boredom"}]},
        {"messages": [{"meter_id": "a", "t_ns": 1.5, "complaint": "error"}]},
        {"surprise": 1},
    ],
)
def test_something_else_is_refused(change: dict[str, Any]) -> None:
    """Another schema, an unknown complaint, a time that is no integer and an unknown key are named."""
    with pytest.raises(FormatError):
        MeterLog.from_json({**LOG.to_json(), **change})


def test_only_gaps_are_not_fatal() -> None:
    """A missed or an invalid sample is a gap; everything else spoils a measured phase (INT-8)."""
    assert {complaint for complaint in Complaint if not complaint.fatal} == {Complaint.MISSED_SAMPLE, Complaint.INVALID_SAMPLE}
