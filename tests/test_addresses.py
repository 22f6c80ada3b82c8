"""Addresses HOST:PORT."""

from __future__ import annotations

import pytest

from joulemark.addresses import is_loopback, split
from joulemark.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:7470", ("127.0.0.1", 7470)), ("[::1]:0", ("::1", 0)), ("localhost:65535", ("localhost", 65535))]
)
def test_an_address_is_host_and_port(address: str, expected: tuple[str, int]) -> None:
    """IPv4, a bracketed IPv6 and a name are split at the last colon."""
    assert split(address, "k") == expected


@pytest.mark.parametrize(
    "address", ["7470", ":7470", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "h:²", "h:٣"]
)
def test_what_is_no_address_names_its_key(address: str) -> None:
    """A missing or impossible host or port is an error about the configuration key."""
    with pytest.raises(ConfigError, match=r"collector\.rest_listen"):
        split(address, "collector.rest_listen")


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback_is_this_machine_only(host: str, local: bool) -> None:
    """The address of all interfaces is not, nor is a name that only sounds local."""
    assert is_loopback(host) is local
