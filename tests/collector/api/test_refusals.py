"""Reasons for refusals."""

from __future__ import annotations

from joulemark.collector.api.refusals import Reason, Refused


def test_every_reason_is_counted_from_zero() -> None:
    """A reason that never was is a 0, so that a graph of it begins before the first refusal."""
    refused = Refused()
    assert refused.by_reason() == {str(reason): 0 for reason in Reason}
    refused.count(Reason.TOKEN)
    refused.count(Reason.TOKEN)
    assert {reason: n for reason, n in refused.by_reason().items() if n} == {"token": 2}
