"""Whom a certificate may be made for."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulemark.errors import UsageError
from joulemark.pki.subject import Role, Subject, is_host_name

AGENT_NAMES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=":/"), min_size=1, max_size=15)


@given(name=AGENT_NAMES)
def test_any_agent_id_makes_an_identity_that_reads_back(name: str) -> None:
    """The first name is the identity, percent-encoded, and no two ids share one; a host name or an address stands beside it."""
    first, *others = (n.value for n in Subject(name, Role.AGENT).alternative_names)
    assert first.startswith("joulemark://agent/")
    assert unquote(first.removeprefix("joulemark://agent/")) == name
    assert [str(value) for value in others] in ([], [name])


@pytest.mark.parametrize(
    ("name", "is_host"),
    [
        ("a", True),
        ("node-7.rack2.example", True),
        ("7", True),
        ("-a", False),
        ("a-", False),
        ("a..b", False),
        ("a_b", False),
        ("a b", False),
        ("10.0.0.1", False),
        ("x" * 64, False),
        ("a\n", False),
        ("ä", False),
        (".".join(["x" * 63] * 4), False),
    ],
)
def test_host_names_follow_rfc_1123(name: str, is_host: bool) -> None:
    """Letters, digits and inner hyphens, labels to 63, 253 in all, and no address."""
    assert is_host_name(name) is is_host


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "a\n", "a\x00b", "x" * 201, "\udcff"])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    """Empty, divided, unprintable, too long for a file name, no UTF-8."""
    with pytest.raises(UsageError):
        Subject(name, Role.AGENT)


def test_a_client_cannot_pass_for_an_agent() -> None:
    """Its only name is its own identity, whatever host it is called after."""
    assert [n.value for n in Subject("host-a", Role.CLIENT).alternative_names] == ["joulemark://client/host-a"]
    with pytest.raises(UsageError, match="a client is not reached"):
        Subject("x", Role.CLIENT, dns=("host-a",))


def test_a_collector_needs_a_place() -> None:
    """Its own name when that is a host name or an address, else --dns or --ip; what they say must be of that form."""
    assert [str(n.value) for n in Subject("10.0.0.1", Role.COLLECTOR).alternative_names][1:] == ["10.0.0.1"]
    assert [str(n.value) for n in Subject("x", Role.COLLECTOR, dns=("b.example",)).alternative_names][1:] == ["b.example"]
    with pytest.raises(UsageError, match="--dns or --ip"):
        Subject("my collector", Role.COLLECTOR)
    with pytest.raises(UsageError, match="--dns"):
        Subject("x", Role.COLLECTOR, dns=("10.0.0.1",))
    with pytest.raises(UsageError, match="--ip"):
        Subject("x", Role.COLLECTOR, ip=("b.example",))
