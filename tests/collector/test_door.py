"""What the streams of all agents share."""

from __future__ import annotations

import grpc
import pytest

from joulemark.collector.door import KNOCKING, Door
from joulemark.collector.identity import Peer
from joulemark.collector.refusal import Refused

S = 1_000_000_000


def test_an_account_outlives_a_stream_until_it_says_nothing_more() -> None:
    """A reconnect finds the account it left; one whose pace has recovered is forgotten when another agent comes."""
    door = Door()
    first = door.account("a", 0)
    first.pace(10, S)
    assert door.account("a", 2 * S) is first
    door.account("b", 2 * S)
    assert door.account("a", 3 * S) is first
    door.account("b", 100 * S)
    assert door.account("a", 100 * S) is not first


def test_a_peer_has_so_many_places_to_knock() -> None:
    """The one too many is refused and told to come later; another address, another certificate, and a place given back, are let in."""
    door, peer = Door(), Peer("ipv4:192.0.2.7:1")
    held = [door.knocking(peer) for _ in range(KNOCKING)]
    for place in held:
        place.__enter__()
    with pytest.raises(Refused, match=r"192\.0\.2\.7") as caught, door.knocking(Peer("ipv4:192.0.2.7:2")):
        pass
    assert (caught.value.code, caught.value.retry_after_ms) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 30_000)
    with door.knocking(Peer("ipv4:192.0.2.8:1")), door.knocking(Peer("ipv4:192.0.2.7:3", ("a",), b"PEM")):
        pass
    held.pop().__exit__(None, None, None)
    with door.knocking(peer):
        pass
