"""Cords: which of them meters see, when their sum is the energy of a host, and whose meters are somebody else's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulemark.energy.cords import counting, hosts, named, proven, uncovered
from joulemark.energy.series import Series
from joulemark.readings import Boundary
from tests.energy.waves import WALL, wall

CORDS = ("node1/psu1", "node1/psu2")


def meter(name: str, *covers: str, boundary: Boundary = Boundary.OUTLET, host: str = "pdu", cords: tuple[str, ...] = CORDS) -> Series:
    return wall([100.0] * 3, replace(WALL, meter_id=f"snmp:{host}:{name}:power", boundary=boundary, covers=covers, cords=cords))


FIRST, SECOND = meter("o1", CORDS[0]), meter("o2", CORDS[1])
OTHER = meter("o3", "SN7/outlet-3")
BMC = meter("bmc", boundary=Boundary.SERVER_INPUT, host="node1")


def test_cords_are_those_that_anybody_named() -> None:
    """The cords of a run are those that the operators of its agents named, whoever reads the meters."""
    assert named([FIRST, meter("x", cords=("node2/psu1",))]) == (*CORDS, "node2/psu1")
    assert named([meter("x", cords=())]) == ()


def test_a_cord_without_meter_is_uncovered() -> None:
    """One of two outlets leaves the other cord bare; both leave none; without named cords nothing is known to be missing."""
    assert uncovered([FIRST], CORDS) == ("node1/psu2",)
    assert uncovered([FIRST, SECOND], CORDS) == ()
    assert uncovered([meter("both", *CORDS)], CORDS) == ()
    assert uncovered([FIRST], ()) == ()


def test_two_meters_of_one_cord_cover_one() -> None:
    """Two meters on one cord do not stand for the second cord."""
    assert uncovered([FIRST, meter("plug", CORDS[0])], CORDS) == ("node1/psu2",)


def test_a_server_input_sees_its_host() -> None:
    """A meter of the whole server covers all cords of the host that reads it, and none of another one."""
    assert uncovered([BMC], CORDS) == ()
    assert uncovered([BMC], (*CORDS, "node2/psu1")) == ("node2/psu1",)


@pytest.mark.parametrize("boundary", [Boundary.GPU, Boundary.PACKAGE, Boundary.RACK, Boundary.PDU_INLET])
def test_other_places_have_no_cords(boundary: Boundary) -> None:
    """Where meters see no single cords, none can be missing."""
    assert uncovered([meter("x", boundary=boundary)], CORDS) == ()


def test_other_outlets_feed_other_machines() -> None:
    """Of a strip's outlets only those of named cords count; where none names one, all do, as they always did."""
    assert counting([FIRST, SECOND, OTHER], CORDS) == [FIRST, SECOND]
    assert counting([OTHER], CORDS) == [OTHER]
    assert counting([FIRST, OTHER], ()) == [FIRST, OTHER]
    assert counting([BMC], CORDS) == [BMC]


def test_a_meter_sees_the_host_of_its_cords() -> None:
    """A strip that another host reads sees the server whose cords it feeds; without cords the host that reads is the one seen."""
    assert hosts([FIRST, SECOND], CORDS) == {"node1"}
    assert hosts([OTHER], CORDS) == {"pdu"}
    assert hosts([BMC], ()) == {"node1"}


def test_what_is_proven_names_the_hosts() -> None:
    """Every cord of every host covered is proof; a bare cord, no named cords, or a host whose cords nobody named is none."""
    gpu = meter("g", boundary=Boundary.GPU, host="node1")
    assert proven([FIRST, SECOND], [FIRST, SECOND, gpu]) == ("node1",)
    assert proven([FIRST], [FIRST, gpu]) == ()
    assert proven([meter("o", cords=())], [meter("o", cords=())]) == ()
    stranger = meter("g", boundary=Boundary.GPU, host="node2")
    assert proven([FIRST, SECOND], [FIRST, SECOND, stranger]) == ()
