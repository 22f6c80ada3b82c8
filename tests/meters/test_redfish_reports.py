from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import MeterTransient
from joulemark.meters.redfish_reports import MAX_EVENT_BYTES, Events, pushed, stream_path

FILTER = "?$filter=EventFormatType%20eq%20MetricReport"
T = "2026-01-31T23:40:11.000+06:00"


def report(*values: tuple[str, Any, str], sent: Any = T) -> bytes:
    entries = [{"MetricProperty": name, "MetricValue": value, "Timestamp": t} for name, value, t in values]
    return json.dumps({"Timestamp": sent, "MetricValues": entries}).encode()


def test_the_newest_value_of_each_metric() -> None:
    """Of several values of a metric the newest counts, wherever it stands; values are kept as they are, text too, dates are UTC."""
    values = [("/a", "374.5", "2026-01-31T17:40:10.9Z"), ("/a", "370.0", "2026-01-31T17:40:10.7Z"), ("/b", 5, "2026-01-31T17:40:11Z")]
    found = pushed(report(*values))
    assert {name: value.raw for name, value in found.items()} == {"/a": "374.5", "/b": 5}
    assert found["/b"].t_ns == 1_769_881_211_000_000_000


@pytest.mark.parametrize(
    "data",
    [
        report(("/a", "374.5", "2026-01-31T17:40:09Z")),
        report(("/a", "374.5", "2026-01-31T17:40:11")),
        report(("/a", "374.5", T), sent=None),
        b"{",
        b"[" * 100_000,
        b'{"MetricValues": {"a": 1}}',
        b'{"MetricValues": [1, null, {"MetricProperty": 5}]}',
        b'{"Events": [{"EventType": "Alert"}]}',
        b"5",
    ],
)
def test_what_is_not_taken(data: bytes) -> None:
    """A value that was old when it was sent, one without a date and a zone, other events and what is no report are left out."""
    assert pushed(data) == {}


@given(st.lists(st.integers(0, 40), max_size=6))
def test_events_cut_anywhere(cuts: list[int]) -> None:
    """However the stream is cut into pieces, the same events come out; comments and other fields are passed over."""
    stream = b": hello\r\nid: 1\r\ndata: {\r\ndata:  1}\r\n\r\nevent: x\ndata:second\n\n\ndata: open"
    events, found, at = Events(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        found += events.feed(stream[at : max(cut, at)])
        at = max(cut, at)
    assert found == [b"{\n 1}", b"second"]


@pytest.mark.parametrize("piece", [b"x" * 70_000, b"data: " + b"x" * 70_000 + b"\n"])
def test_an_event_without_an_end(piece: bytes) -> None:
    """A line, or an event, that never ends is given up at the bound."""
    events = Events()
    for _ in range(MAX_EVENT_BYTES // len(piece)):
        events.feed(piece)
    with pytest.raises(MeterTransient, match="longer than 1 MiB"):
        events.feed(piece + piece)


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ({"ServerSentEventUri": "/sse"}, "/sse"),
        (
            {"ServerSentEventUri": "/sse", "SSEFilterPropertiesSupported": {"EventFormatType": True}},
            "/sse?$filter=EventFormatType%20eq%20MetricReport",
        ),
        ({"ServerSentEventUri": "/sse", "ServiceEnabled": False}, ""),
        ({"ServerSentEventUri": "https://evil.example/sse"}, ""),
        ({"ServerSentEventUri": 5}, ""),
        ({}, ""),
    ],
)
def test_where_reports_are_streamed(service: dict[str, Any], path: str) -> None:
    """The stream is taken where it is on, on the same service, and filtered where the service can."""
    assert stream_path(service) == path
